"""What can be computed beforehand is, where it costs no more bytes than it saves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from py_edge.graph import Builder, Graph
from py_edge.kernels.reference import evaluate
from py_edge.passes.fold_constants import fold_constants
from py_edge.tensor import Tensor


def _computed(graph: Graph) -> dict[str, Tensor]:
    return {name: Tensor.of(np.asarray(value)) for name, value in evaluate(graph, {}).items()}


@pytest.mark.parametrize(
    ("given", "made", "folded"), [(1, 100, True), (1, 1 << 20, False), (1 << 18, 1 << 19, True)]
)
def test_a_constant_is_blown_up_only_while_it_is_small(given: int, made: int, folded: bool) -> None:
    """One number repeated a hundred times is kept repeated, a million times is not; twice the bytes are always worth it."""
    b = Builder()
    kept: Any = b.constant(Tensor.of(np.ones((1, given), np.float32)))
    b.output("y", b.op("broadcast_to", kept, shape=(made // given, given)))
    after = fold_constants(b.graph, _computed)
    assert (len(after.nodes) == 0) == folded
