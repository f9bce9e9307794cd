"""Convolutions, pooling and what is fused behind them."""

from __future__ import annotations

from py_edge.errors import ShapeError, UnsupportedError
from py_edge.tensor import Tensor
from py_edge.tfjs.call import Call, Lower
from py_edge.tfjs.idioms import arithmetic, axes, resampling, windows
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


def crop_and_resize(c: Call) -> Value:
    """Boxes (y1, x1, y2, x2) in relative corners, cut out of images and resized to crop_size."""
    b, image, boxes, which = c.b, *c.ids(0, 3)
    height, width = c.ints(3)
    c.bounded(height, width)
    n, h, w, channels = b.shape(image)
    y, inside_y = _sampled(c, boxes, 0, height, h)
    x, inside_x = _sampled(c, boxes, 1, width, w)
    flat = axes.reshape(b, image, [n * h * w, channels])
    start = b.op("mul", axes.reshape(b, which, [b.shape(which)[0], 1, 1]), b.scalar(h * w, "int32"))

    def pixel(row: int, column: int) -> int:
        at = b.op("add", b.op("mul", axes.expand(b, row, 2), b.scalar(w, "int32")), axes.expand(b, column, 1))
        return b.op("gather", flat, b.op("add", at, start), axis=0, batch_dims=0, clip=True)

    if c.word("method", "bilinear") == "nearest":
        away = [axes.cast(b, b.op("floor", b.op("add", v, 0.5)), "int32") for v in (y, x)]
        result = pixel(*away)
    else:
        low = [b.op("floor", v) for v in (y, x)]
        top, left = (axes.cast(b, v, "int32") for v in low)
        bottom, right = (axes.cast(b, b.op("ceil", v), "int32") for v in (y, x))
        part_y = axes.expand(b, b.op("sub", y, low[0]), 2, 3)
        part_x = axes.expand(b, b.op("sub", x, low[1]), 1, 3)
        upper = _between(c, pixel(top, left), pixel(top, right), part_x)
        lower = _between(c, pixel(bottom, left), pixel(bottom, right), part_x)
        result = _between(c, upper, lower, part_y)
    keep = b.op("logical_and", axes.expand(b, inside_y, 2, 3), axes.expand(b, inside_x, 1, 3))
    return b.op("select", keep, result, c.number("extrapolation_value", 0.0))


def _between(c: Call, a: int, z: int, part: int) -> int:
    return c.b.op("add", a, c.b.op("mul", c.b.op("sub", z, a), part))


def _sampled(c: Call, boxes: int, first: int, out: int, size: int) -> tuple[int, int]:
    """Positions (boxes, out) along one axis, and which lie inside."""
    b = c.b
    low, high = axes.cut(b, boxes, 1, first, 1), axes.cut(b, boxes, 1, first + 2, 1)
    if out > 1:
        steps = b.constant(Tensor.from_flat([i * (size - 1) / (out - 1) for i in range(out)], (1, out)))
        place = b.op("add", b.op("mul", low, float(size - 1)), b.op("mul", b.op("sub", high, low), steps))
    else:
        place = b.op("mul", b.op("add", low, high), 0.5 * (size - 1))
    inside = b.op(
        "logical_and", b.op("greater_equal", place, 0.0), b.op("less_equal", place, float(size - 1))
    )
    return place, inside


def resize(method: str) -> Lower:
    def lower(c: Call) -> Value:
        size, flags = c.ints(1), (c.flag("align_corners"), c.flag("half_pixel_centers"))
        if len(size) != 2 or min(size) < 1:
            raise ShapeError("a size of (height, width)", where=c.node.where, got=size)
        x = axes.cast(c.b, c.x, "float32")
        y = c.b.op("resize", x, size=tuple(size), method=method, align_corners=flags[0], half_pixel=flags[1])
        return axes.cast(c.b, y, "int32") if c.dtype() == "int32" and method == "nearest" else y

    return lower


def projective_transform(c: Call) -> Value:
    """Output pixel (x, y) comes from ((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k), k = c0 x + c1 y + 1."""
    b, image, matrix = c.b, c.id(0), c.id(1)
    oh, ow = c.ints(2) if c.n > 2 else c.shape()[1:3]
    c.bounded(oh, ow)
    fill = c.real(3) if c.n > 3 else 0.0
    n, h, w, channels = b.shape(image)
    matrix = axes.broadcast(b, matrix, [n, 8])
    xs = b.constant(Tensor.from_flat([float(j) for _ in range(oh) for j in range(ow)], (1, oh * ow)))
    ys = b.constant(Tensor.from_flat([float(i) for i in range(oh) for _ in range(ow)], (1, oh * ow)))

    def line(first: int, last: float | None = None) -> int:
        one, two = axes.cut(b, matrix, 1, first, 1), axes.cut(b, matrix, 1, first + 1, 1)
        total = b.op("add", b.op("mul", one, xs), b.op("mul", two, ys))
        return b.op("add", total, axes.cut(b, matrix, 1, first + 2, 1) if last is None else float(last))

    k = line(6, 1.0)
    mode = c.word("fill_mode", "CONSTANT").upper()
    x, y = (_folded(c, b.op("div", line(f), k), size, mode) for f, size in ((0, w), (3, h)))
    flat = axes.reshape(b, image, [n * h * w, channels])
    start = c.trace.constant([i * h * w for i in range(n)], (n, 1))

    def pixel(row: int, column: int) -> int:
        at = b.op(
            "add",
            b.op("mul", axes.cast(b, row, "int32"), b.scalar(w, "int32")),
            axes.cast(b, column, "int32"),
        )
        value = b.op("gather", flat, b.op("add", at, start), axis=0, batch_dims=0, clip=True)
        good = [
            b.op("logical_and", b.op("greater_equal", v, 0.0), b.op("less", v, float(s)))
            for v, s in ((row, h), (column, w))
        ]
        return b.op("select", axes.expand(b, b.op("logical_and", *good), 2), value, float(fill))

    if c.word("interpolation", "NEAREST").upper() == "NEAREST":
        result = pixel(_away(c, y), _away(c, x))
    else:
        top, left = b.op("floor", y), b.op("floor", x)
        bottom, right = b.op("add", top, 1.0), b.op("add", left, 1.0)
        part_x, part_y = (axes.expand(b, b.op("sub", v, f), 2) for v, f in ((x, left), (y, top)))
        upper = _between(c, pixel(top, left), pixel(top, right), part_x)
        result = _between(c, upper, _between(c, pixel(bottom, left), pixel(bottom, right), part_x), part_y)
    return axes.reshape(b, result, [n, oh, ow, channels])


def _away(c: Call, x: int) -> int:
    """Rounded, halves away from zero."""
    return c.b.op("mul", c.b.op("sign", x), c.b.op("floor", c.b.op("add", c.b.op("abs", x), 0.5)))


def _folded(c: Call, x: int, size: int, mode: str) -> int:
    """A coordinate brought back into the image as the fill mode says."""
    b = c.b
    if mode == "CONSTANT" or size < 1:
        return x
    if mode == "NEAREST":
        return arithmetic.clip(b, x, 0.0, size - 1)
    if mode == "WRAP":
        if size == 1:
            return b.op("mul", x, 0.0)
        turns = b.op("floor", b.op("mul", b.op("abs", x), 1.0 / (size - 1)))
        below = b.op("add", x, b.op("mul", b.op("add", turns, 1.0), float(size)))
        above = b.op("sub", x, b.op("mul", turns, float(size)))
        y = b.op(
            "select", b.op("less", x, 0.0), below, b.op("select", b.op("greater", x, size - 1.0), above, x)
        )
        return arithmetic.clip(b, y, 0.0, size - 1)
    period = b.op("mod", x, 2.0 * size)
    folded = b.op("minimum", period, b.op("sub", 2.0 * size - 1, period))
    return arithmetic.clip(b, folded, 0.0, size - 1)


def resize_bicubic(c: Call) -> Value:
    """Half-pixel centres, as Keras emits it."""
    if not c.flag("half_pixel_centers"):
        raise UnsupportedError("bicubic without half-pixel centres", where=c.node.where)
    return resampling.resize(c.b, axes.cast(c.b, c.x, "float32"), c.ints(1), "bicubic")


def resize_area(c: Call) -> Value:
    return resampling.resize(c.b, axes.cast(c.b, c.x, "float32"), c.ints(1), "area")


def scale_and_translate(c: Call) -> Value:
    """A resize by a kernel, when scale is the ratio of the sizes and nothing is moved."""
    size, scale, shift = c.ints(1), c.trace.known(c.id(2)), c.trace.known(c.id(3))
    plain = all(abs(s * d - n) < 1e-3 for s, d, n in zip(scale, c.shape()[1:3], size, strict=True))
    if not plain or any(shift) or c.flag("antialias", True):
        raise UnsupportedError("scaling that is more than a resize", where=c.node.where, got=(scale, shift))
    kernels = {"keyscubic": "bicubic", "lanczos3": "lanczos3", "lanczos5": "lanczos5", "gaussian": "gaussian",
               "mitchellcubic": "mitchellcubic"}  # fmt: skip
    method = kernels.get(c.word("kernel_type", "lanczos3"), c.word("kernel_type"))
    return resampling.resize(c.b, axes.cast(c.b, c.x, "float32"), size, method)


ROWS: dict[str, Lower] = {
    "ResizeBicubic": resize_bicubic, "ResizeArea": resize_area, "ScaleAndTranslate": scale_and_translate, "Conv1D": conv1d, "Conv2D": conv(2), "_FusedConv2D": conv(2), "Conv3D": conv(3), "DepthwiseConv2d": depthwise,
    "DepthwiseConv2dNative": depthwise, "FusedDepthwiseConv2dNative": depthwise, "_FusedDepthwiseConv2dNative": depthwise,
    "Conv2DBackpropInput": conv_backprop_input(2), "Conv2dTranspose": conv_backprop_input(2),
    "Conv3DBackpropInputV2": conv_backprop_input(3), "AvgPool": pool("avg", 2), "MaxPool": pool("max", 2),
    "AvgPool3D": pool("avg", 3), "MaxPool3D": pool("max", 3), "MaxPoolWithArgmax": max_pool_with_argmax,
    "Dilation2D": dilation2d, "CropAndResize": crop_and_resize, "ResizeBilinear": resize("bilinear"),
    "ResizeNearestNeighbor": resize("nearest"), "ImageProjectiveTransformV3": projective_transform,
    "ImageProjectiveTransformV2": projective_transform,
}  # fmt: skip
