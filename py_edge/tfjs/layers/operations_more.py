"""Operations of Keras models that move, sort, count and fill: the rest of the table in operations.py."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from py_edge.errors import ShapeError, UnsupportedError
from py_edge.graph import Builder
from py_edge.graph.shapes import axis_of
from py_edge.tensor import Tensor
from py_edge.tfjs.idioms import axes, windows
from py_edge.tfjs.layers.operation_args import Args

Operation = Callable[[Args], "int | list[int]"]


def tensordot(b: Builder, left: int, right: int, over_left: Sequence[int], over_right: Sequence[int]) -> int:
    """numpy's tensordot: a sum of products over pairs of axes."""
    kept_left = [i for i in range(b.rank(left)) if i not in over_left]
    kept_right = [i for i in range(b.rank(right)) if i not in over_right]
    shape = [b.shape(left)[i] for i in kept_left] + [b.shape(right)[i] for i in kept_right]
    inner = math.prod(b.shape(left)[i] for i in over_left)
    rows = math.prod(b.shape(left)[i] for i in kept_left)
    a = axes.reshape(b, axes.transpose(b, left, [*kept_left, *over_left]), [rows, inner])
    w = axes.transpose(b, right, [*over_right, *kept_right])
    return axes.reshape(b, b.op("matmul", a, axes.reshape(b, w, [inner, -1])), shape)


def _tensordot(a: Args) -> int:
    left, right, raw = *a.pair(), a.raw(2, "axes", default=2)
    n, m = a.b.rank(left), a.b.rank(right)
    first, second = (range(n - raw, n), range(raw)) if isinstance(raw, int) else raw
    one, two = ([i] if isinstance(i, int) else list(i) for i in (first, second))
    return tensordot(a.b, left, right, [axis_of(i, n) for i in one], [axis_of(i, m) for i in two])


def _dot(a: Args) -> int:
    """numpy's dot: over the last axis and the one before the last."""
    left, right = a.pair()
    if not a.b.rank(left) or not a.b.rank(right):
        return a.b.op("mul", left, right)
    return tensordot(a.b, left, right, [a.b.rank(left) - 1], [max(a.b.rank(right) - 2, 0)])


def _sort(a: Args) -> int:
    """By the largest; turned around for what TensorFlow calls ascending."""
    b, axis = a.b, axis_of((a.axis(1, -1) or [-1])[0], a.b.rank(a.x))
    rising = str(a.raw(2, "direction", default="ASCENDING")).upper() != "DESCENDING"

    def sorted_last(x: int) -> int:
        x = b.op("neg", x) if rising else x
        y = b.ops("top_k", x, k=b.shape(x)[-1])[0]
        return b.op("neg", y) if rising else y

    return axes.on_last(b, a.x, axis, sorted_last)


def _top_k(a: Args) -> list[int]:
    return list(a.b.ops("top_k", a.x, k=int(a.raw(1, "k", default=1))))


def _logsumexp(a: Args) -> int:
    """log of the sum of exponentials, the largest taken out first."""
    b, x, over = a.b, a.x, a.axis(1)
    keep = bool(a.raw(2, "keepdims", default=False))
    over = list(range(b.rank(x))) if over is None else over
    top = axes.reduce(b, "max", x, over, True)
    total = axes.reduce(b, "sum", b.op("exp", b.op("sub", x, top)), over, True)
    y = b.op("add", b.op("log", total), top)
    return y if keep else axes.squeeze(b, y, [axis_of(i, b.rank(x)) for i in over])


def _roll(a: Args) -> int:
    """Around each axis; without axes around the flat tensor."""
    b, x, over = a.b, a.x, a.axis(2)
    shifts = a.dims(1, "shift")
    if over is None:
        flat = axes.reshape(b, x, [math.prod(b.shape(x))])
        return axes.reshape(b, axes.roll(b, flat, 0, sum(shifts)), b.shape(x))
    for axis, shift in zip(over, shifts, strict=True):
        x = axes.roll(b, x, axis_of(axis, b.rank(x)), shift)
    return x


def _swap(a: Args) -> int:
    order = list(range(a.b.rank(a.x)))
    i, j = (axis_of(int(a.raw(p, f"axis{p}")), len(order)) for p in (1, 2))
    order[i], order[j] = order[j], order[i]
    return axes.transpose(a.b, a.x, order)


def _move(a: Args) -> int:
    rank = a.b.rank(a.x)
    source, target = (
        [axis_of(i, rank) for i in a.dims(p, n)] for p, n in ((1, "source"), (2, "destination"))
    )
    order = [i for i in range(rank) if i not in source]
    for to, axis in sorted(zip(target, source, strict=True)):
        order.insert(to, axis)
    return axes.transpose(a.b, a.x, order)


def _slice(a: Args) -> int:
    """A size of -1 goes to the end."""
    x, begin, size = a.x, a.dims(1, "begin", "start_indices"), a.dims(2, "size", "shape")
    for axis, (start, n) in enumerate(zip(begin, size, strict=True)):
        x = axes.cut(a.b, x, axis, start, a.b.shape(x)[axis] - start if n < 0 else n)
    return x


def _strided_slice(a: Args) -> int:
    if any(a.raw(99, f"{k}_mask") for k in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")):
        raise UnsupportedError("strided_slice with masks", where=a.c.where)
    x, begin, end = a.x, a.dims(1, "begin"), a.dims(2, "end")
    strides = a.dims(3, "strides") if a.raw(3, "strides") is not None else [1] * len(begin)
    for axis, each in enumerate(zip(begin, end, strides, strict=True)):
        low, high, step = slice(*each).indices(a.b.shape(x)[axis])
        x = axes.cut(a.b, x, axis, low, len(range(low, high, step)), step)
    return x


def _band(low: int | None, high: int | None) -> Operation:
    """Zero outside of a band; None: taken from the call, a negative bound keeps the whole triangle."""

    def lower(a: Args) -> int:
        k = int(a.raw(1, "k", default=0) or 0)
        down = int(a.raw(1, "num_lower")) if low is None else low if low < 0 else -k
        up = int(a.raw(2, "num_upper")) if high is None else high if high < 0 else k
        rows, columns = a.b.shape(a.x)[-2:]
        free_down, free_up = (low is None or low < 0) and down < 0, (high is None or high < 0) and up < 0
        keep = [
            int((free_down or i - j <= down) and (free_up or j - i <= up))
            for i in range(rows)
            for j in range(columns)
        ]
        mask = a.b.constant(Tensor.from_flat(keep, (rows, columns), "bool"))
        return a.b.op("select", mask, a.x, a.b.scalar(0, a.b.dtype(a.x)))

    return lower


def _filled(value: float | None, place: int = 0) -> Operation:
    """zeros(shape), ones(shape), fill(dims, value)."""

    def lower(a: Args) -> int:
        number = a.raw(1, "value", "fill_value") if value is None else value
        if not isinstance(number, (int, float)):
            raise UnsupportedError("a fill value that is a tensor", where=a.c.where)
        whole = str(a.raw(9, "dtype", default="float32")).removeprefix("tf.").startswith(("int", "uint"))
        return axes.full(a.b, a.dims(place, "shape", "dims"), number, "int32" if whole else "float32")

    return lower


def _broadcast(a: Args) -> int:
    return axes.broadcast(a.b, a.x, a.dims(1, "shape"))


def _pooled(kind: str) -> Operation:
    def lower(a: Args) -> int:
        """tf.nn's and Keras 3's pooling, channels last."""
        b, x = a.b, a.value(0, "input", "inputs", "value")
        dims = b.rank(x) - 2
        if str(a.raw(9, "data_format", default="channels_last")) not in (
            "channels_last",
            "NHWC",
            "NWC",
            "NDHWC",
        ):
            raise UnsupportedError("pooling with channels first", where=a.c.where)

        def each(raw: Any) -> list[int]:
            items = [raw] if isinstance(raw, int) else list(raw)
            items = items[1:-1] if len(items) == dims + 2 else items
            return items * dims if len(items) == 1 else items

        size = each(a.raw(1, "ksize", "pool_size"))
        strides = each(a.raw(2, "strides", default=size))
        mode = str(a.raw(3, "padding", default="valid")).lower()
        if mode not in ("same", "valid") or len(size) != dims or len(strides) != dims:
            raise ShapeError("a pooling window", where=a.c.where, got=(size, strides, mode))
        pads = windows.paddings(mode, b.shape(x)[1:-1], size, strides, (1,) * dims)
        return windows.pool(b, kind, x, size, strides, pads)

    return lower


def _median(a: Args) -> int:
    """The middle of the sorted elements, or the mean of the two in the middle."""
    b, x, over = a.b, a.x, a.axis(1)
    rank = b.rank(x)
    over = [axis_of(i, rank) for i in (range(rank) if over is None else over)]
    kept = [i for i in range(rank) if i not in over]
    shape, n = b.shape(x), math.prod(b.shape(x)[i] for i in over)
    flat = axes.reshape(b, axes.transpose(b, x, [*kept, *over]), [*(shape[i] for i in kept), n])
    ordered, last = b.ops("top_k", flat, k=n)[0], len(kept)
    middle = axes.reduce(b, "mean", axes.cut(b, ordered, last, (n - 1) // 2, 2 - n % 2), [last])
    return axes.expand(b, middle, *sorted(over)) if a.raw(2, "keepdims", default=False) else middle


def _count_nonzero(a: Args) -> int:
    hit = axes.cast(a.b, a.b.op("not_equal", a.x, a.b.scalar(0, a.b.dtype(a.x))), "int32")
    return axes.reduce(a.b, "sum", hit, a.axis(1), bool(a.raw(2, "keepdims", default=False)))


def _difference(a: Args) -> int:
    """numpy's diff."""
    b, x, axis = a.b, a.x, axis_of(int(a.raw(2, "axis", default=-1)), a.b.rank(a.x))
    for _ in range(int(a.raw(1, "n", default=1))):
        n = b.shape(x)[axis] - 1
        x = b.op("sub", axes.cut(b, x, axis, 1, n), axes.cut(b, x, axis, 0, n))
    return x


def _outer(a: Args) -> int:
    left, right = a.pair()
    flat = [axes.reshape(a.b, x, [-1]) for x in (left, right)]
    return a.b.op("mul", axes.expand(a.b, flat[0], 1), flat[1])


def _ravel(a: Args) -> int:
    return axes.reshape(a.b, a.x, [math.prod(a.b.shape(a.x))])


def _whole(value: Callable[[Args], int]) -> Operation:
    return lambda a: a.b.scalar(value(a), "int32")


MORE: dict[str, Operation] = {
    "tensordot": _tensordot, "dot": _dot, "outer": _outer, "sort": _sort, "top_k": _top_k, "logsumexp": _logsumexp,
    "reduce_logsumexp": _logsumexp, "roll": _roll, "swapaxes": _swap, "moveaxis": _move, "slice": _slice,
    "strided_slice": _strided_slice, "band_part": _band(None, None), "tril": _band(-1, 0), "triu": _band(0, -1),
    "zeros": _filled(0), "ones": _filled(1), "fill": _filled(None), "full": _filled(None), "broadcast_to": _broadcast,
    "avg_pool2d": _pooled("avg"), "avg_pool": _pooled("avg"), "average_pool": _pooled("avg"), "max_pool2d": _pooled("max"),
    "max_pool": _pooled("max"), "avg_pool1d": _pooled("avg"), "max_pool1d": _pooled("max"), "count_nonzero": _count_nonzero,
    "diff": _difference, "median": _median, "ravel": _ravel, "flatten": _ravel, "rank": _whole(lambda a: a.b.rank(a.x)),
    "size": _whole(lambda a: math.prod(a.b.shape(a.x))),
    "add_n": lambda a: windows.add_all(a.b, a.tensors("inputs")),
}  # fmt: skip
