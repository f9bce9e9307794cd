"""Softmax and normalisation of rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from py_edge.kernels.load import Library
from tests.kernels.cases import Case, check, run_native
from tests.kernels.suite import MOVES


@pytest.mark.parametrize("name", ["softmax", "normalize"])
@given(seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_rows_are_the_truth(libraries: list[Library], name: str, seed: int) -> None:
    """Every native build gives the slow truth, and writes nowhere else."""
    for library in libraries:
        check(library, MOVES[name], seed)


def test_rows_sum_to_one(libraries: list[Library]) -> None:
    """Whatever the size of the logits, probabilities are in [0, 1] and sum to 1."""
    x = (np.random.default_rng(0).normal(size=(60, 37)) * np.logspace(-3, 38, 60)[:, None]).astype(np.float32)
    for library in libraries:
        case = Case("softmax", library.panel)
        dst = case.space(x.nbytes)
        case.step("softmax", dst, case.put(x), *x.shape, 0)
        status, arena = run_native(library, case)
        y = np.frombuffer(arena, np.float32, x.size, dst).reshape(x.shape)
        assert status == 0
        assert ((y >= 0) & (y <= 1)).all()
        np.testing.assert_allclose(y.sum(1), 1, rtol=1e-6)
