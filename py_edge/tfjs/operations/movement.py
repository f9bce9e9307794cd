"""Operations that move whole axes: reshape, transpose, join, split, pad, repeat, roll, resize; and what tells shapes."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

from py_edge.graph.shapes import axis_of
from py_edge.tensor import Tensor
from py_edge.tfjs.idioms import axes, resampling
from py_edge.tfjs.layers.call import Sym
from py_edge.tfjs.operations.args import Args, Operation, plain


def _reshape(a: Args) -> int:
    shape = a.dims(1, "shape", "newshape", "target_shape")
    known = [a.b.shape(a.x)[i] if d is None else d for i, d in enumerate(shape)]
    return a.b.op("reshape", a.x, shape=tuple(known))


def _ravel(a: Args) -> int:
    return axes.reshape(a.b, a.x, [math.prod(a.b.shape(a.x))])


def _transpose(a: Args) -> int:
    perm = a.axis(1) or a.raw(1, "perm")
    return axes.transpose(a.b, a.x, perm if perm else range(a.b.rank(a.x))[::-1])


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


def _expand(a: Args) -> int:
    return axes.expand(a.b, a.x, *(a.axis(1, 0) or [0]))


def _squeeze(a: Args) -> int:
    return axes.squeeze(a.b, a.x, a.axis(1) or [])


def _concat(a: Args) -> int:
    items = a.raw(0, "values", "xs", "arrays")
    return axes.concat(a.b, [s.id for s in items if isinstance(s, Sym)], (a.axis(1, 0) or [0])[0])


def _stack(a: Args) -> int:
    items = a.raw(0, "values", "x", "arrays")
    return axes.stack(a.b, [s.id for s in items if isinstance(s, Sym)], (a.axis(1, 0) or [0])[0])


def _unstack(a: Args) -> list[int]:
    axis = int(a.raw(2, "axis", default=0))
    return [axes.pick(a.b, a.x, axis, i) for i in range(a.b.shape(a.x)[axis_of(axis, a.b.rank(a.x))])]


def _split(a: Args) -> list[int]:
    parts, axis = a.raw(1, "num_or_size_splits", "indices_or_sections"), int(a.raw(2, "axis", default=0))
    size = a.b.shape(a.x)[axis_of(axis, a.b.rank(a.x))]
    if isinstance(parts, int):
        return axes.split(a.b, a.x, axis, [size // parts] * parts)
    if a.raw(9, "indices_or_sections") is not None:
        bounds = [0, *parts, size]
        parts = [hi - lo for lo, hi in pairwise(bounds)]
    return axes.split(a.b, a.x, axis, parts)


def _pad(a: Args) -> int:
    raw = a.raw(1, "paddings", "pad_width")
    mode, value = str(a.raw(2, "mode", default="constant")).lower(), a.raw(3, "constant_values", default=0)
    pairs = [(int(p[0]), int(p[1])) for p in plain(raw)]
    if mode == "constant":
        return axes.pad(a.b, a.x, pairs, float(value or 0))
    return axes.mirror_pad(a.b, a.x, pairs, mode == "symmetric")


def _tile(a: Args) -> int:
    return axes.tile(a.b, a.x, a.dims(1, "multiples", "repeats"))


def _repeat(a: Args) -> int:
    return axes.repeat(a.b, a.x, int(a.raw(2, "axis", default=0)), int(a.raw(1, "repeats")))


def _broadcast(a: Args) -> int:
    return axes.broadcast(a.b, a.x, a.dims(1, "shape"))


def _flip(a: Args) -> int:
    over = a.axis(1)
    return axes.flip(
        a.b, a.x, [axis_of(i, a.b.rank(a.x)) for i in (range(a.b.rank(a.x)) if over is None else over)]
    )


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


def _resize(a: Args) -> int:
    method = str(a.raw(2, "method", "interpolation", default="bilinear"))
    return resampling.resize(a.b, a.x, a.dims(1, "size"), method)


def _shape(a: Args) -> int:
    return a.b.constant(Tensor.from_flat(a.b.shape(a.x), (a.b.rank(a.x),), "int32"))


def _whole(value: Callable[[Args], int]) -> Operation:
    return lambda a: a.b.scalar(value(a), "int32")


ROWS: dict[str, Operation] = {
    "reshape": _reshape, "ravel": _ravel, "flatten": _ravel, "transpose": _transpose, "swapaxes": _swap, "moveaxis": _move,
    "expand_dims": _expand, "squeeze": _squeeze, "concat": _concat, "concatenate": _concat, "stack": _stack,
    "unstack": _unstack, "split": _split, "pad": _pad, "tile": _tile, "repeat": _repeat, "broadcast_to": _broadcast,
    "flip": _flip, "reverse": _flip, "roll": _roll, "resize": _resize, "shape": _shape,
    "rank": _whole(lambda a: a.b.rank(a.x)), "size": _whole(lambda a: math.prod(a.b.shape(a.x))),
}  # fmt: skip
