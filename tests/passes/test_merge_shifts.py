"""Constants added one after the other."""

from __future__ import annotations

import numpy as np
import pytest

from py_edge.graph import Builder
from py_edge.graph.check import check
from py_edge.kernels.reference import evaluate
from py_edge.passes.merge_shifts import merge_shifts
from py_edge.tensor import Tensor


@pytest.mark.parametrize(("shifts", "left"), [(1, 1), (2, 1), (3, 2)])
def test_two_shifts_are_one(shifts: int, left: int) -> None:
    """x + a + b adds to x once, whichever side the constants stand on, and a third shift finds what became of the two."""
    b = Builder()
    y = b.input("x", (4,))
    for i in range(shifts):
        shift = b.constant(Tensor.of(np.full((4,), 0.5 + i, np.float32)))
        y = b.op("add", *((y, shift) if i % 2 else (shift, y)))
    b.output("y", y)
    after = check(merge_shifts(b.graph, None), "merge_shifts")
    assert sum(not set(node.inputs) <= set(after.constants) for node in after.nodes) == left
    inputs = {"x": np.arange(4, dtype=np.float32)}
    np.testing.assert_array_equal(evaluate(after, inputs)["y"], evaluate(b.graph, inputs)["y"])


def test_what_others_read_stays() -> None:
    """The sum in between is an output too: both additions stay."""
    b = Builder()
    x = b.input("x", (4,))
    first, second = (b.constant(Tensor.of(np.full((4,), value, np.float32))) for value in (0.5, 2.0))
    between = b.op("add", x, first)
    b.output("between", between)
    b.output("y", b.op("add", between, second))
    after = merge_shifts(b.graph, None)
    assert [node.inputs for node in after.nodes] == [node.inputs for node in b.graph.nodes]
