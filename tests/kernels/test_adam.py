"""One step of Adam."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from py_edge.kernels.load import Library
from tests.kernels.cases import check
from tests.kernels.suite import MOVES


@given(seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_a_step_is_the_truth(libraries: list[Library], seed: int) -> None:
    """Every native build gives the slow truth, in place or not, and writes nowhere else."""
    for library in libraries:
        check(library, MOVES["adam"], seed)
