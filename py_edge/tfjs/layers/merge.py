"""Layers that put several tensors together."""

from __future__ import annotations

from py_edge.errors import ShapeError
from py_edge.graph.shapes import axis_of
from py_edge.tfjs.idioms import arithmetic, axes, windows
from py_edge.tfjs.layers.call import Call, Lower


def _aligned(c: Call) -> list[int]:
    """Inputs of one rank: Keras puts missing axes after the batch."""
    if len(c.xs) < 2:
        raise ShapeError("a merge wants at least two inputs", where=c.where, got=len(c.xs))
    rank = max(c.b.rank(x) for x in c.xs)
    return [axes.expand(c.b, x, *range(1, 1 + rank - c.b.rank(x))) if c.b.rank(x) < rank else x for x in c.xs]


def _all_masks(c: Call) -> None:
    """Where every masked input is kept; an input without a mask hides nothing."""
    masks = [sym.mask for sym in c.syms if sym.mask is not None]
    if not masks:
        c.out_mask = False
        return
    total = masks[0]
    for mask in masks[1:]:
        total = c.b.op("logical_and", total, mask)
    c.out_mask = total


def elementwise(op: str) -> Lower:
    def lower(c: Call) -> int:
        _all_masks(c)
        first, *rest = _aligned(c)
        for x in rest:
            first = c.b.op(op, first, x)
        return first

    return lower


def average(c: Call) -> int:
    _all_masks(c)
    return c.b.op("mul", windows.add_all(c.b, _aligned(c)), 1 / len(c.xs))


def subtract(c: Call) -> int:
    if len(c.xs) != 2:
        raise ShapeError("Subtract wants two inputs", where=c.where, got=len(c.xs))
    return c.b.op("sub", *_aligned(c))


def concatenate(c: Call) -> int:
    _all_masks(c)
    axis = c.get("axis", default=-1)
    if type(axis) is not int:
        raise ShapeError("config `axis`", where=c.where, got=axis, want="an integer")
    masks = [sym.mask for sym in c.syms if sym.mask is not None]
    if axis_of(axis, c.rank) == 1:
        c.out_mask = axes.concat(c.b, masks, 1) if len(masks) == len(c.syms) else False
    return axes.concat(c.b, c.xs, axis)


def dot(c: Call) -> int:
    """Sum of products along one axis of each, batch by batch; normalised to cosines on demand."""
    b, raw = c.b, c.get("axes", default=-1)
    c.out_mask = False
    a, w = c.xs
    pair = list(raw) if isinstance(raw, (list, tuple)) else [raw, raw]
    i, j = axis_of(pair[0], b.rank(a)), axis_of(pair[1], b.rank(w))
    if c.flag("normalize"):
        a, w = arithmetic.l2_normalize(b, a, [i]), arithmetic.l2_normalize(b, w, [j])
    rank_a, rank_w = b.rank(a), b.rank(w)
    left = "".join("Nabcdefg"[k] if k != i else "k" for k in range(rank_a))
    right = "".join("Npqrstuv"[k] if k != j else "k" for k in range(rank_w))
    result = "N" + "".join(ch for ch in left[1:] + right[1:] if ch != "k")
    y = arithmetic.einsum(b, f"{left},{right}->{result}", [a, w])
    return axes.expand(b, y, 1) if len(result) == 1 else y


ROWS: dict[str, Lower] = {
    "Add": elementwise("add"), "Multiply": elementwise("mul"), "Maximum": elementwise("maximum"),
    "Minimum": elementwise("minimum"), "Average": average, "Subtract": subtract, "Concatenate": concatenate, "Dot": dot,
}  # fmt: skip
