"""Convolution and pooling in one, two and three dimensions, transposed ones too, by the two-dimensional core ops.

Letters: N batch, S... spatial sizes, C channels, O output channels, M multiplier, K... window. Channels last.
"""

from __future__ import annotations

from collections.abc import Sequence

from py_edge.errors import ShapeError
from py_edge.graph import Builder
from py_edge.graph.shapes import same_padding, window
from py_edge.tensor import count
from py_edge.tfjs.idioms import axes

Pads = Sequence[tuple[int, int]]


def paddings(
    mode: str, sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> list[tuple[int, int]]:
    """(before, after) per axis for 'same', 'valid', 'causal'."""
    if mode == "same":
        return [same_padding(*each) for each in zip(sizes, kernel, strides, dilations, strict=True)]
    if mode == "causal":
        return [((k - 1) * d, 0) for k, d in zip(kernel, dilations, strict=True)]
    return [(0, 0)] * len(sizes)


def conv(
    b: Builder, x: int, w: int, strides: Sequence[int], dilations: Sequence[int], pads: Pads, groups: int = 1
) -> int:
    """x (N, S..., C), w (K..., C / groups, O) -> (N, S'..., O) for one, two or three spatial axes."""
    dims = b.rank(x) - 2
    if dims == 1:
        y = conv(
            b,
            axes.expand(b, x, 1),
            axes.expand(b, w, 0),
            (1, *strides),
            (1, *dilations),
            [(0, 0), *pads],
            groups,
        )
        return axes.squeeze(b, y, [1])
    if dims == 3:
        return _conv3d(b, x, w, strides, dilations, pads, groups)
    return b.op(
        "conv2d", x, w, strides=tuple(strides), dilations=tuple(dilations), padding=tuple(pads), groups=groups
    )


def _conv3d(
    b: Builder, x: int, w: int, strides: Sequence[int], dilations: Sequence[int], pads: Pads, groups: int
) -> int:
    """The depth taps become channels: one two-dimensional convolution over (N * OD, H, W, KD * C)."""
    x = axes.pad_axis(b, x, 1, *pads[0])
    n, d, h, width, c = b.shape(x)
    kd, kh, kw, cg, o = b.shape(w)
    od = window(d, kd, strides[0], dilations[0], (0, 0))
    taps = [axes.cut(b, x, 1, k * dilations[0], od, strides[0]) for k in range(kd)]
    stacked = axes.stack(
        b, [axes.reshape(b, tap, [n * od, h, width, groups, c // groups]) for tap in taps], 4
    )
    stacked = axes.reshape(b, stacked, [n * od, h, width, c * kd])
    filters = axes.reshape(b, axes.transpose(b, w, [1, 2, 0, 3, 4]), [kh, kw, kd * cg, o])
    y = conv(b, stacked, filters, strides[1:], dilations[1:], pads[1:], groups)
    return axes.reshape(b, y, [n, od, *b.shape(y)[1:]])


def depthwise(
    b: Builder, x: int, w: int, strides: Sequence[int], dilations: Sequence[int], pads: Pads
) -> int:
    """x (N, S..., C), w (K..., C, M) -> (N, S'..., C * M) for one or two spatial axes."""
    if b.rank(x) == 3:
        y = depthwise(
            b, axes.expand(b, x, 1), axes.expand(b, w, 0), (1, *strides), (1, *dilations), [(0, 0), *pads]
        )
        return axes.squeeze(b, y, [1])
    return b.op(
        "depthwise_conv2d", x, w, strides=tuple(strides), dilations=tuple(dilations), padding=tuple(pads)
    )


def conv_transpose(
    b: Builder,
    x: int,
    w: int,
    sizes: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Pads,
) -> int:
    """The gradient of `conv` towards its input: x (N, S..., O), w (K..., C, O) -> (N, sizes..., C)."""
    dims = b.rank(x) - 2
    if dims == 1:
        y = conv_transpose(
            b,
            axes.expand(b, x, 1),
            axes.expand(b, w, 0),
            (1, *sizes),
            (1, *strides),
            (1, *dilations),
            [(0, 0), *pads],
        )
        return axes.squeeze(b, y, [1])
    if dims == 3:
        return _conv3d_transpose(b, x, w, sizes, strides, dilations, pads)
    for size, out, k, s, d, p in zip(
        sizes, b.shape(x)[1:3], b.shape(w)[:2], strides, dilations, pads, strict=True
    ):
        if window(size, k, s, d, p) != out:
            raise ShapeError(
                "no convolution has this gradient", got=b.shape(x), want=f"of an output {size} wide"
            )
    return b.op(
        "conv2d_input_grad", x, w, shape=(b.shape(x)[0], *sizes, b.shape(w)[2]), strides=tuple(strides),
        dilations=tuple(dilations), padding=tuple(pads), groups=1,
    )  # fmt: skip


def _conv3d_transpose(
    b: Builder,
    x: int,
    w: int,
    sizes: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Pads,
) -> int:
    """Depth tap by depth tap: a two-dimensional transposed convolution, spread along depth, added at its place."""
    n, d, h, width, o = b.shape(x)
    flat = axes.reshape(b, x, [n * d, h, width, o])
    room = (d - 1) * strides[0] + 1
    total = max(sizes[0] + sum(pads[0]), (b.shape(w)[0] - 1) * dilations[0] + room)
    parts = []
    for k in range(b.shape(w)[0]):
        y = conv_transpose(b, flat, axes.pick(b, w, 0, k), sizes[1:], strides[1:], dilations[1:], pads[1:])
        y = axes.interleave_zeros(b, axes.reshape(b, y, [n, d, *b.shape(y)[1:]]), 1, strides[0])
        y = axes.cut(b, y, 1, 0, room)
        parts.append(axes.pad_axis(b, y, 1, k * dilations[0], total - room - k * dilations[0]))
    return axes.cut(b, add_all(b, parts), 1, pads[0][0], sizes[0])


def pool(
    b: Builder, kind: str, x: int, kernel: Sequence[int], strides: Sequence[int], pads: Pads,
    dilations: Sequence[int] | None = None,
) -> int:  # fmt: skip
    """x (N, S..., C); kind max|avg; windows are boxes, so three dimensions are (H, W) first, then depth."""
    dims = b.rank(x) - 2
    dilations = dilations or (1,) * dims
    if dims == 1:
        y = pool(b, kind, axes.expand(b, x, 1), (1, *kernel), (1, *strides), [(0, 0), *pads], (1, *dilations))
        return axes.squeeze(b, y, [1])
    if dims == 3:
        n, d, h, w, c = b.shape(x)
        y = pool(
            b, kind, axes.reshape(b, x, [n * d, h, w, c]), kernel[1:], strides[1:], pads[1:], dilations[1:]
        )
        _, oh, ow, _ = b.shape(y)
        y = axes.reshape(b, y, [n, d, oh * ow, c])
        y = pool(b, kind, y, (kernel[0], 1), (strides[0], 1), [pads[0], (0, 0)], (dilations[0], 1))
        return axes.reshape(b, y, [n, b.shape(y)[1], oh, ow, c])
    return b.op(
        "pool2d", x, kind=kind, window=tuple(kernel), strides=tuple(strides), padding=tuple(pads),
        dilations=tuple(dilations),
    )  # fmt: skip


def add_all(b: Builder, parts: Sequence[int]) -> int:
    total = parts[0]
    for part in parts[1:]:
        total = b.op("add", total, part)
    return total


def patches(
    b: Builder, x: int, kernel: Sequence[int], strides: Sequence[int], pads: Pads, dilations: Sequence[int]
) -> int:
    """x (N, H, W, C) -> (N, OH, OW, KH * KW, C): what each window sees, zero outside."""
    x = axes.pad(b, x, [(0, 0), *pads, (0, 0)])
    _, h, w, _ = b.shape(x)
    oh, ow = (
        window(s, k, st, d, (0, 0)) for s, k, st, d in zip((h, w), kernel, strides, dilations, strict=True)
    )
    taps = []
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            rows = axes.cut(b, x, 1, i * dilations[0], oh, strides[0])
            taps.append(axes.cut(b, rows, 2, j * dilations[1], ow, strides[1]))
    return axes.stack(b, taps, 3)


def locally_connected(b: Builder, seen: int, w: int) -> int:
    """seen (N, P..., K), w (prod(P), K, O): every place has its own matrix -> (N, P..., O)."""
    n, *places, k = b.shape(seen)
    flat = axes.transpose(b, axes.reshape(b, seen, [n, count(places), k]), [1, 0, 2])
    y = axes.transpose(b, b.op("matmul", flat, w), [1, 0, 2])
    return axes.reshape(b, y, [n, *places, b.shape(w)[2]])
