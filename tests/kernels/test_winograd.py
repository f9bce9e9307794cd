"""Winograd's convolutions with every edge and epilogue."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from py_edge.kernels.load import Library
from tests.kernels.cases import check
from tests.kernels.suite import PRODUCTS


@given(seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_winograd_is_the_truth(libraries: list[Library], seed: int) -> None:
    """Every native build gives the slow truth, and writes nowhere else."""
    for library in libraries:
        check(library, PRODUCTS["conv2d_winograd"], seed)
