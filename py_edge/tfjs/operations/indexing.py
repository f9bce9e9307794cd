"""Operations that take elements at places: slices, numpy's basic indexing, gather, one-hot, bands of a matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from py_edge.errors import UnsupportedError
from py_edge.graph.shapes import axis_of
from py_edge.tensor import Tensor
from py_edge.tfjs.idioms import axes
from py_edge.tfjs.operations.args import Args, Operation, plain


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


def _slice_spec(item: Any) -> Any:
    if isinstance(item, Mapping):
        if item.get("class_name") == "__ellipsis__" or item.get("value") == "...":
            return Ellipsis
        config = item.get("config", item) if item.get("class_name") == "__slice__" else item
        return slice(*(plain(config.get(k)) for k in ("start", "stop", "step")))
    return item


def _getitem(a: Args) -> int:
    """x[...] with slices, numbers, new axes and an ellipsis."""
    raw = a.raw(1, "slice_spec", "key")
    items = [_slice_spec(item) for item in (raw if isinstance(raw, (list, tuple)) else [raw])]
    return index(a, a.x, items)


def index(a: Args, x: int, items: list[Any]) -> int:
    """numpy's basic indexing."""
    used = sum(item is not None and item is not Ellipsis for item in items)
    if Ellipsis in items:
        at = items.index(Ellipsis)
        items = [*items[:at], *[slice(None)] * (a.b.rank(x) - used), *items[at + 1 :]]
    axis = 0
    for item in items:
        if item is None:
            x, axis = axes.expand(a.b, x, axis), axis + 1
        elif isinstance(item, slice):
            begin, stop, step = item.indices(a.b.shape(x)[axis])
            x = axes.cut(a.b, x, axis, begin, len(range(begin, stop, step)), step)
            axis += 1
        elif isinstance(item, int):
            size = a.b.shape(x)[axis]
            x = axes.pick(a.b, x, axis, item + size if item < 0 else item)
        else:
            raise UnsupportedError("an index that depends on data", where=a.c.where, got=type(item).__name__)
    return x


def _gather(a: Args) -> int:
    axis = (a.axis(2, 0) or [0])[0]
    indices = axes.cast(a.b, a.value(1, "indices", like=a.b.scalar(0, "int32")), "int32")
    return a.b.op("gather", a.x, indices, axis=axis_of(axis, a.b.rank(a.x)), batch_dims=0)


def _one_hot(a: Args) -> int:
    depth = int(a.raw(1, "depth", "num_classes"))
    hot = axes.one_hot(a.b, axes.cast(a.b, a.x, "int32"), depth, int(a.raw(4, "axis", default=-1)))
    return axes.cast(a.b, hot, "float32")


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


def _difference(a: Args) -> int:
    """numpy's diff."""
    b, x, axis = a.b, a.x, axis_of(int(a.raw(2, "axis", default=-1)), a.b.rank(a.x))
    for _ in range(int(a.raw(1, "n", default=1))):
        n = b.shape(x)[axis] - 1
        x = b.op("sub", axes.cut(b, x, axis, 1, n), axes.cut(b, x, axis, 0, n))
    return x


ROWS: dict[str, Operation] = {
    "slice": _slice, "strided_slice": _strided_slice, "getitem": _getitem, "get_item": _getitem, "gather": _gather,
    "take": _gather, "one_hot": _one_hot, "band_part": _band(None, None), "tril": _band(-1, 0), "triu": _band(0, -1),
    "diff": _difference,
}  # fmt: skip
