"""Operations that sum over products of two tensors or more."""

from __future__ import annotations

import math
from collections.abc import Sequence

from py_edge.graph import Builder
from py_edge.graph.shapes import axis_of
from py_edge.tfjs.idioms import arithmetic, axes, windows
from py_edge.tfjs.operations.args import Args, Operation


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


def _matmul(a: Args) -> int:
    left, right = a.pair()
    flags = {f"transpose_{s}": bool(a.raw(9, f"transpose_{s}", default=False)) for s in "ab"}
    if a.b.rank(left) == 1 or a.b.rank(right) == 1:
        return tensordot(a.b, left, right, [a.b.rank(left) - 1], [max(a.b.rank(right) - 2, 0)])
    return a.b.op("matmul", left, right, **flags)


def _einsum(a: Args) -> int:
    written = a.raw(99, "subscripts")
    equation = written or a.raw(0, "equation")
    return arithmetic.einsum(a.b, str(equation), a.operands(0 if written else 1, "inputs", "operands"))


def _outer(a: Args) -> int:
    left, right = a.pair()
    flat = [axes.reshape(a.b, x, [-1]) for x in (left, right)]
    return a.b.op("mul", axes.expand(a.b, flat[0], 1), flat[1])


ROWS: dict[str, Operation] = {
    "matmul": _matmul, "linalg_matmul": _matmul, "tensordot": _tensordot, "dot": _dot, "outer": _outer, "einsum": _einsum,
    "add_n": lambda a: windows.add_all(a.b, a.tensors("inputs")),
}  # fmt: skip
