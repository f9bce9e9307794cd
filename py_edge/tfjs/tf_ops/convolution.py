"""Convolutions, pooling and what is fused behind them."""

from __future__ import annotations

from py_edge.errors import ShapeError, UnsupportedError
from py_edge.tfjs.call import Call, Lower
from py_edge.tfjs.idioms import arithmetic, axes, windows
from py_edge.tfjs.tf_ops.elementwise import add_bias, unary
from py_edge.tfjs.trace import Value

_ACTIVATIONS = {
    "Relu": "relu", "Relu6": "relu6", "Elu": "elu", "Sigmoid": "sigmoid", "Tanh": "tanh", "Selu": "selu",
    "Softplus": "softplus", "Softsign": "softsign", "GeluApproximate": "gelu_tanh", "GeluExact": "gelu",
    "Swish": "swish", "Mish": "mish", "linear": "", "relu": "relu", "relu6": "relu6", "elu": "elu", "sigmoid": "sigmoid",
}  # fmt: skip
_FAR = -3.4028234663852886e38


def epilogue(c: Call, y: int, place: int) -> int:
    """fused_ops in their order: BiasAdd and Prelu take a further input, FusedBatchNorm four, the rest none."""
    b = c.b
    for name in c.row("fused_ops"):
        if name in ("BiasAdd", "Add", "BiasAddV1"):
            y = add_bias(c, y, c.id(place))
            place += 1
        elif name == "Prelu":
            alpha = c.id(place)
            if c.first and b.rank(alpha) == 1 and b.rank(y) > 2:
                alpha = arithmetic.along(b, alpha, 1, b.rank(y))
            y = b.op("prelu", y, alpha)
            place += 1
        elif name == "FusedBatchNorm":
            scale, offset, mean, variance = c.ids(place, place + 4)
            y = arithmetic.as_affine(b, y, mean, variance, c.number("epsilon", 1e-4), scale, offset)
            place += 4
        elif name in ("LeakyRelu", "leakyrelu"):
            y = b.op("leaky_relu", y, alpha=c.number("leakyrelu_alpha", 0.2))
        elif name in _ACTIVATIONS:
            y = unary(b, _ACTIVATIONS[name], y) if _ACTIVATIONS[name] else y
        elif name != "NoOp":
            raise UnsupportedError("fused op", where=c.node.where, got=name, want=sorted(_ACTIVATIONS))
    return y


def _spatial(c: Call, name: str, dims: int) -> list[int]:
    """The spatial part of strides, dilations or ksize."""
    row = [int(v) for v in c.row(name)] or [1] * (dims + 2)
    picked = (
        row[2 : 2 + dims]
        if c.first and len(row) == dims + 2
        else row[1 : 1 + dims]
        if len(row) == dims + 2
        else row
    )
    if len(picked) != dims or min(picked) < 1:
        raise ShapeError(
            f"attribute `{name}`", where=c.node.where, got=row, want=f"{dims} numbers of 1 or more"
        )
    return picked


def _pads(
    c: Call, x: int, kernel: list[int], strides: list[int], dilations: list[int]
) -> list[tuple[int, int]]:
    mode = c.word("padding", "VALID").upper()
    if mode == "EXPLICIT":
        flat = [int(v) for v in c.row("explicit_paddings")]
        pairs = [(flat[i], flat[i + 1]) for i in range(0, len(flat), 2)]
        return pairs[2:] if c.first else pairs[1:-1]
    if mode not in ("SAME", "VALID"):
        raise UnsupportedError("padding", where=c.node.where, got=mode)
    return windows.paddings(mode.lower(), c.b.shape(x)[1:-1], kernel, strides, dilations)


def _last(c: Call) -> int:
    return axes.channels_last(c.b, c.x) if c.first else c.x


def _first(c: Call, y: int) -> int:
    return axes.channels_first(c.b, y) if c.first else y


def _expect(c: Call, rank: int) -> None:
    if c.b.rank(c.x) != rank:
        raise ShapeError(
            "the input has the wrong rank", where=c.node.where, got=c.shape(), want=f"rank {rank}"
        )


def conv(dims: int) -> Lower:
    def lower(c: Call) -> Value:
        _expect(c, dims + 2)
        x, w = _last(c), c.id(1)
        kernel = list(c.b.shape(w)[:dims])
        strides, dilations = _spatial(c, "strides", dims), _spatial(c, "dilations", dims)
        pads = _pads(c, x, kernel, strides, dilations)
        groups = max(c.b.shape(x)[-1] // max(c.b.shape(w)[-2], 1), 1)
        y = _first(c, windows.conv(c.b, x, w, strides, dilations, pads, groups))
        return epilogue(c, y, 2)

    return lower


def conv1d(c: Call) -> Value:
    """TF.js' own Conv1D: single numbers for stride and dilation."""
    x, w = c.x, c.id(1)
    stride, dilation = c.typed("stride", int, 1), c.typed("dilation", int, 1)
    pads = windows.paddings(
        c.word("padding", "VALID").lower(), c.b.shape(x)[1:-1], c.b.shape(w)[:1], [stride], [dilation]
    )
    return windows.conv(c.b, x, w, [stride], [dilation], pads)


def depthwise(c: Call) -> Value:
    _expect(c, 4)
    x, w = _last(c), c.id(1)
    kernel, strides, dilations = (
        list(c.b.shape(w)[:2]),
        _spatial(c, "strides", 2),
        _spatial(c, "dilations", 2),
    )
    y = _first(c, windows.depthwise(c.b, x, w, strides, dilations, _pads(c, x, kernel, strides, dilations)))
    return epilogue(c, y, 2)


def conv_backprop_input(dims: int) -> Lower:
    def lower(c: Call) -> Value:
        """inputs: sizes of the result, filter, gradient of the output."""
        b, sizes, w = c.b, c.ints(0), c.id(1)
        dy = axes.channels_last(b, c.id(2)) if c.first else c.id(2)
        place = sizes[2:] if c.first else sizes[1:-1] if len(sizes) == dims + 2 else sizes
        kernel, strides, dilations = (
            list(b.shape(w)[:dims]),
            _spatial(c, "strides", dims),
            _spatial(c, "dilations", dims),
        )
        mode = c.word("padding", "VALID").upper()
        if mode == "EXPLICIT":
            flat = [int(v) for v in c.row("explicit_paddings")]
            pairs = [(flat[i], flat[i + 1]) for i in range(0, len(flat), 2)]
            pads = pairs[2:] if c.first else pairs[1:-1]
        else:
            pads = windows.paddings(mode.lower(), place, kernel, strides, dilations)
        return _first(c, windows.conv_transpose(b, dy, w, place, strides, dilations, pads))

    return lower


def pool(kind: str, dims: int) -> Lower:
    def lower(c: Call) -> Value:
        _expect(c, dims + 2)
        x = _last(c)
        kernel, strides = _spatial(c, "ksize", dims), _spatial(c, "strides", dims)
        pads = _pads(c, x, kernel, strides, [1] * dims)
        return _first(c, windows.pool(c.b, kind, x, kernel, strides, pads))

    return lower


def _seen(
    c: Call, x: int, kernel: list[int], strides: list[int], rates: list[int], pads: list[tuple[int, int]]
) -> int:
    """What each window sees (N, OH, OW, taps, C), far below everything outside."""
    padded = axes.pad(c.b, x, [(0, 0), *pads, (0, 0)], _FAR)
    return windows.patches(c.b, padded, kernel, strides, [(0, 0), (0, 0)], rates)


def max_pool_with_argmax(c: Call) -> list[Value]:
    """The largest of each window and where it stands: (y W + x) C + c, the batch before that on demand."""
    b, x = c.b, c.x
    kernel, strides = _spatial(c, "ksize", 2), _spatial(c, "strides", 2)
    pads = _pads(c, x, kernel, strides, [1, 1])
    seen = axes.move_axis(b, _seen(c, x, kernel, strides, [1, 1], pads), 3, 4)
    tap = b.op("arg_reduce", seen, kind="max", axis=4)
    n, oh, ow, channels = b.shape(tap)
    _, h, w, _ = b.shape(x)
    rows = [dy * w + dx for dy in range(kernel[0]) for dx in range(kernel[1])]
    within = b.op("gather", c.trace.constant(rows), tap, axis=0, batch_dims=0)
    corners = [
        (i * strides[0] - pads[0][0]) * w + j * strides[1] - pads[1][0] for i in range(oh) for j in range(ow)
    ]
    place = b.op("add", within, c.trace.constant(corners, (1, oh, ow, 1)))
    index = b.op("add", b.op("mul", place, b.scalar(channels, "int32")), axes.iota(b, channels))
    if c.flag("include_batch_in_index"):
        index = b.op("add", index, c.trace.constant([i * h * w * channels for i in range(n)], (n, 1, 1, 1)))
    return [axes.reduce(b, "max", seen, [4]), index]


def dilation2d(c: Call) -> Value:
    """Grey-scale dilation: the largest of input plus filter over each window."""
    b, w = c.b, c.id(1)
    kernel, strides, rates = list(b.shape(w)[:2]), _spatial(c, "strides", 2), _spatial(c, "rates", 2)
    seen = _seen(c, c.x, kernel, strides, rates, _pads(c, c.x, kernel, strides, rates))
    taps = axes.reshape(b, w, [kernel[0] * kernel[1], b.shape(w)[2]])
    return axes.reduce(b, "max", b.op("add", seen, taps), [3])


ROWS: dict[str, Lower] = {
    "Conv1D": conv1d, "Conv2D": conv(2), "_FusedConv2D": conv(2), "Conv3D": conv(3), "DepthwiseConv2d": depthwise,
    "DepthwiseConv2dNative": depthwise, "FusedDepthwiseConv2dNative": depthwise, "_FusedDepthwiseConv2dNative": depthwise,
    "Conv2DBackpropInput": conv_backprop_input(2), "Conv2dTranspose": conv_backprop_input(2),
    "Conv3DBackpropInputV2": conv_backprop_input(3), "AvgPool": pool("avg", 2), "MaxPool": pool("max", 2),
    "AvgPool3D": pool("avg", 3), "MaxPool3D": pool("max", 3), "MaxPoolWithArgmax": max_pool_with_argmax,
    "Dilation2D": dilation2d,
}  # fmt: skip
