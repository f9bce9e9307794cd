"""Convolutions of one to three dimensions: plain, transposed, depthwise, separable, locally connected."""

from __future__ import annotations

from collections.abc import Sequence

from py_edge.errors import ShapeError
from py_edge.graph.shapes import window
from py_edge.tensor import count
from py_edge.tfjs.idioms import axes, windows
from py_edge.tfjs.layers.activations import activate
from py_edge.tfjs.layers.call import Call, Lower


def _open(c: Call, dims: int) -> int:
    """The input with channels last; its rank is checked."""
    if c.rank != dims + 2:
        raise ShapeError("the input has the wrong rank", where=c.where, got=c.shape, want=f"rank {dims + 2}")
    return axes.channels_last(c.b, c.x) if c.first else c.x


def _close(c: Call, y: int, channels: int) -> int:
    """Bias, activation, channels back to where they were."""
    c.out_mask = c.mask if c.mask is not None and c.b.shape(y)[:2] == c.shape[:2] else False
    if c.flag("use_bias", True):
        y = c.b.op("add", y, c.weight("bias", (channels,), default="zeros"))
    y = activate(c, y)
    return axes.channels_first(c.b, y) if c.first else y


def _padding(c: Call) -> str:
    return c.word("padding", "valid", ("valid", "same", "causal"))


def conv(dims: int) -> Lower:
    def lower(c: Call) -> int:
        """activation(conv(x, kernel) + bias), kernel (K..., C / groups, F)."""
        x = _open(c, dims)
        filters, groups = c.whole("filters"), c.whole("groups", 1)
        kernel, strides = c.wholes("kernel_size", dims), c.wholes("strides", dims)
        dilations, channels = c.wholes("dilation_rate", dims), c.b.shape(x)[-1]
        if channels % groups or filters % groups:
            raise ShapeError(
                "groups divide channels and filters", where=c.where, got=groups, want=(channels, filters)
            )
        w = c.weight("kernel", (*kernel, channels // groups, filters))
        pads = windows.paddings(_padding(c), c.b.shape(x)[1:-1], kernel, strides, dilations)
        return _close(c, windows.conv(c.b, x, w, strides, dilations, pads, groups), filters)

    return lower


def depthwise(dims: int) -> Lower:
    def lower(c: Call) -> int:
        """Each channel by its own filters: kernel (K..., C, M) -> C * M channels."""
        x = _open(c, dims)
        kernel, strides = c.wholes("kernel_size", dims), c.wholes("strides", dims)
        dilations, channels = c.wholes("dilation_rate", dims), c.b.shape(x)[-1]
        times = c.whole("depth_multiplier", 1)
        w = c.weight(
            "depthwise_kernel", (*kernel, channels, times), init="depthwise_initializer", also=("kernel",)
        )
        pads = windows.paddings(_padding(c), c.b.shape(x)[1:-1], kernel, strides, dilations)
        return _close(c, windows.depthwise(c.b, x, w, strides, dilations, pads), channels * times)

    return lower


def separable(dims: int) -> Lower:
    def lower(c: Call) -> int:
        """Depthwise, then a pointwise mix of the channels."""
        x = _open(c, dims)
        filters, times = c.whole("filters"), c.whole("depth_multiplier", 1)
        kernel, strides = c.wholes("kernel_size", dims), c.wholes("strides", dims)
        dilations, channels = c.wholes("dilation_rate", dims), c.b.shape(x)[-1]
        deep = c.weight("depthwise_kernel", (*kernel, channels, times), init="depthwise_initializer")
        point = c.weight(
            "pointwise_kernel", (*[1] * dims, channels * times, filters), init="pointwise_initializer"
        )
        pads = windows.paddings(_padding(c), c.b.shape(x)[1:-1], kernel, strides, dilations)
        y = windows.depthwise(c.b, x, deep, strides, dilations, pads)
        ones = (1,) * dims
        return _close(c, windows.conv(c.b, y, point, ones, ones, [(0, 0)] * dims), filters)

    return lower


def transposed(dims: int) -> Lower:
    def lower(c: Call) -> int:
        """The gradient of a convolution towards its input; kernel (K..., F, C)."""
        x = _open(c, dims)
        filters, mode = c.whole("filters"), _padding(c)
        kernel, strides = c.wholes("kernel_size", dims), c.wholes("strides", dims)
        dilations, channels = c.wholes("dilation_rate", dims), c.b.shape(x)[-1]
        extra = c.get("output_padding")
        extras = [None] * dims if extra is None else list(c.wholes("output_padding", dims, low=0))
        w = c.weight("kernel", (*kernel, filters, channels))
        sizes, pads = [], []
        for size, k, s, d, e in zip(c.b.shape(x)[1:-1], kernel, strides, dilations, extras, strict=True):
            out, before, after = transposed_size(size, k, s, d, mode, e)
            sizes.append(out)
            pads.append((before, after))
        return _close(c, windows.conv_transpose(c.b, x, w, sizes, strides, dilations, pads), filters)

    return lower


def transposed_size(
    size: int, k: int, stride: int, dilation: int, mode: str, extra: int | None
) -> tuple[int, int, int]:
    """(output size, padding before, after) as Keras' deconv_output_length and TensorFlow's gradient take them."""
    reach = (k - 1) * dilation + 1
    if extra is None:
        out = size * stride + (max(reach - stride, 0) if mode == "valid" else 0)
    else:
        out = (size - 1) * stride + reach - (2 * (reach // 2) if mode == "same" else 0) + extra
    if mode == "valid":
        short = (size - 1) * stride + reach - out
        return out, 0, max(short, 0)
    total = max((size - 1) * stride + reach - out, 0)
    before = total // 2
    after = total - before
    while window(out, k, stride, dilation, (before, after)) < size:
        after += 1
    return out, before, after


def locally_connected(dims: int) -> Lower:
    def lower(c: Call) -> int:
        """A convolution whose every place has its own kernel (implementation 1)."""
        x = _open(c, dims)
        filters, kernel, strides = (
            c.whole("filters"),
            c.wholes("kernel_size", dims),
            c.wholes("strides", dims),
        )
        ones = (1,) * dims
        pads = windows.paddings(_padding(c), c.b.shape(x)[1:-1], kernel, strides, ones)
        image = axes.expand(c.b, x, 1) if dims == 1 else x
        seen = windows.patches(
            c.b, image, _two(kernel), _two(strides), pads if dims == 2 else [(0, 0), *pads], (1, 1)
        )
        seen = axes.squeeze(c.b, seen, [1]) if dims == 1 else seen
        n, *places, taps, channels = c.b.shape(seen)
        w = c.weight("kernel", (*(places if dims == 2 else [count(places)]), taps * channels, filters)) if dims == 1 else (
            c.weight("kernel", (count(places), taps * channels, filters))
        )  # fmt: skip
        flat = axes.reshape(c.b, seen, [n, *places, taps * channels])
        y = windows.locally_connected(c.b, flat, w)
        if c.flag("use_bias", True):
            y = c.b.op("add", y, c.weight("bias", (*places, filters), default="zeros"))
        y = activate(c, y)
        return axes.channels_first(c.b, y) if c.first else y

    return lower


def _two(sizes: Sequence[int]) -> tuple[int, int]:
    return (1, sizes[0]) if len(sizes) == 1 else (sizes[0], sizes[1])


ROWS: dict[str, Lower] = {
    "Conv1D": conv(1), "Conv2D": conv(2), "Conv3D": conv(3), "Convolution1D": conv(1), "Convolution2D": conv(2),
    "Convolution3D": conv(3), "Conv1DTranspose": transposed(1), "Conv2DTranspose": transposed(2),
    "Conv3DTranspose": transposed(3), "Convolution2DTranspose": transposed(2), "Convolution3DTranspose": transposed(3),
    "SeparableConv1D": separable(1), "SeparableConv2D": separable(2), "SeparableConvolution1D": separable(1),
    "SeparableConvolution2D": separable(2), "DepthwiseConv1D": depthwise(1), "DepthwiseConv2D": depthwise(2),
    "LocallyConnected1D": locally_connected(1), "LocallyConnected2D": locally_connected(2),
}  # fmt: skip
