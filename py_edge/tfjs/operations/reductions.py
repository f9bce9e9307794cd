"""Operations that look along axes: sums and extremes, norms and softmax, running sums, order, pooling."""

from __future__ import annotations

import math
from typing import Any

from py_edge.errors import ShapeError, UnsupportedError
from py_edge.graph.shapes import axis_of
from py_edge.tfjs.idioms import arithmetic, axes, windows
from py_edge.tfjs.operations.args import Args, Operation


def _reduce(kind: str) -> Operation:
    def lower(a: Args) -> int:
        keep = bool(a.raw(2, "keepdims", "keep_dims", default=False))
        return axes.reduce(a.b, kind, a.x, a.axis(1), keep)

    return lower


def _arg(kind: str) -> Operation:
    def lower(a: Args) -> int:
        where = a.axis(1, 0)
        return a.b.op("arg_reduce", a.x, kind=kind, axis=(where or [0])[0])

    return lower


def _variance(a: Args, root: bool = False) -> int:
    keep = bool(a.raw(2, "keepdims", default=False))
    over = a.axis(1) or list(range(a.b.rank(a.x)))
    variance = arithmetic.moments(a.b, a.x, over)[1]
    y = variance if keep else axes.squeeze(a.b, variance, over)
    return a.b.op("sqrt", y) if root else y


def _norm(a: Args) -> int:
    order, keep = a.raw(1, "ord", default="euclidean"), bool(a.raw(3, "keepdims", default=False))
    if order not in ("euclidean", "fro", 2, 1):
        raise UnsupportedError("a norm of this order", where=a.c.where, got=order, want="1 or 2")
    if order == 1:
        return axes.reduce(a.b, "sum", a.b.op("abs", a.x), a.axis(2), keep)
    return a.b.op("sqrt", axes.reduce(a.b, "sum", a.b.op("square", a.x), a.axis(2), keep))


def _l2(a: Args) -> int:
    return arithmetic.l2_normalize(a.b, a.x, a.axis(1) or list(range(a.b.rank(a.x))))


def _softmax(a: Args) -> int:
    return arithmetic.softmax(a.b, a.x, a.axis(1, -1) or [-1])


def _logsumexp(a: Args) -> int:
    """log of the sum of exponentials, the largest taken out first."""
    b, x, over = a.b, a.x, a.axis(1)
    keep = bool(a.raw(2, "keepdims", default=False))
    over = list(range(b.rank(x))) if over is None else over
    top = axes.reduce(b, "max", x, over, True)
    total = axes.reduce(b, "sum", b.op("exp", b.op("sub", x, top)), over, True)
    y = b.op("add", b.op("log", total), top)
    return y if keep else axes.squeeze(b, y, [axis_of(i, b.rank(x)) for i in over])


def _count_nonzero(a: Args) -> int:
    hit = axes.cast(a.b, a.b.op("not_equal", a.x, a.b.scalar(0, a.b.dtype(a.x))), "int32")
    return axes.reduce(a.b, "sum", hit, a.axis(1), bool(a.raw(2, "keepdims", default=False)))


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


def _cumulate(kind: str) -> Operation:
    def lower(a: Args) -> int:
        axis = axis_of((a.axis(1, 0) or [0])[0], a.b.rank(a.x))
        flags = {name: bool(a.raw(9, name, default=False)) for name in ("exclusive", "reverse")}
        return a.b.op("cumulate", a.x, kind=kind, axis=axis, **flags)

    return lower


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


ROWS: dict[str, Operation] = {
    "reduce_sum": _reduce("sum"), "sum": _reduce("sum"), "reduce_mean": _reduce("mean"), "mean": _reduce("mean"),
    "reduce_max": _reduce("max"), "max": _reduce("max"), "amax": _reduce("max"), "reduce_min": _reduce("min"),
    "min": _reduce("min"), "amin": _reduce("min"), "reduce_prod": _reduce("prod"), "prod": _reduce("prod"),
    "reduce_any": _reduce("any"), "any": _reduce("any"), "reduce_all": _reduce("all"), "all": _reduce("all"),
    "argmax": _arg("max"), "argmin": _arg("min"), "reduce_variance": _variance, "var": _variance,
    "reduce_std": lambda a: _variance(a, True), "std": lambda a: _variance(a, True), "norm": _norm, "l2_normalize": _l2,
    "normalize": _l2, "softmax": _softmax, "logsumexp": _logsumexp, "reduce_logsumexp": _logsumexp,
    "count_nonzero": _count_nonzero, "median": _median, "cumsum": _cumulate("sum"), "cumprod": _cumulate("prod"),
    "sort": _sort, "top_k": _top_k, "avg_pool1d": _pooled("avg"), "avg_pool2d": _pooled("avg"), "avg_pool": _pooled("avg"),
    "average_pool": _pooled("avg"), "max_pool1d": _pooled("max"), "max_pool2d": _pooled("max"), "max_pool": _pooled("max"),
}  # fmt: skip
