"""Depthwise convolutions and their gradients."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from py_edge.kernels.load import Library
from tests.kernels.cases import check
from tests.kernels.suite import PRODUCTS

NAMES = ["depthwise_conv2d", "depthwise_rows", "depthwise_input_grad", "depthwise_filter_grad"]


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_depthwise_is_the_truth(libraries: list[Library], name: str, seed: int) -> None:
    """Every native build gives the slow truth, and writes nowhere else."""
    for library in libraries:
        check(library, PRODUCTS[name], seed)
