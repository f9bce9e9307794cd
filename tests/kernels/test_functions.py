"""Every unary and binary function over its whole range, special numbers included."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from py_edge.kernels.load import Library
from tests.kernels.cases import Array, Case, check, padded, run_native
from tests.kernels.cases_elementwise import UNARY as ORDER
from tests.kernels.suite import FLOAT, INTEGER, UNARY


@pytest.mark.parametrize("name", sorted(UNARY))
@given(seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_unary_functions_are_the_truth(libraries: list[Library], name: str, seed: int) -> None:
    """Every native build gives the slow truth, and writes nowhere else."""
    for library in libraries:
        check(library, UNARY[name], seed)


@pytest.mark.parametrize("name", sorted(FLOAT))
@given(seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_float_functions_are_the_truth(libraries: list[Library], name: str, seed: int) -> None:
    """Two floats to one, zero, infinite and missing ones included."""
    for library in libraries:
        check(library, FLOAT[name], seed)


@pytest.mark.parametrize("name", sorted(INTEGER))
@given(seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_integer_functions_are_the_truth(libraries: list[Library], name: str, seed: int) -> None:
    """Integers wrap; division and remainder by zero give zero."""
    for library in libraries:
        check(library, INTEGER[name], seed)


def spread(library: Library, name: str, x: Array) -> Array:
    """One unary function over x by the chain kernel."""
    case = Case(name, library.panel)
    source, dst = case.put(x), case.space(4 * x.size)
    case.step("elementwise", 1, padded([x.size]), 1, 1, 1, 2, [source, 0, padded([1])], [dst, 0, 1],
              [ORDER.index(name), 1, 0, 1.0, -1])  # fmt: skip
    status, arena = run_native(library, case)
    assert status == 0
    return np.frombuffer(arena, np.float32, x.size, dst)


RANGES = {
    "sigmoid": (0, 1), "hard_sigmoid": (0, 1), "tanh": (-1, 1), "erf": (-1, 1), "sin": (-1, 1), "cos": (-1, 1),
    "relu6": (0, 6), "softsign": (-1, 1), "exp": (0, np.inf), "softplus": (0, np.inf), "atan": (-1.5707964, 1.5707964),
    "elu": (-1, np.inf), "selu": (-1.7580994, np.inf), "cosh": (1, np.inf),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(RANGES))
def test_results_stay_in_their_range(libraries: list[Library], name: str) -> None:
    """No float32 whatever leaves the range, and no number but a missing one gives a missing one."""
    bits = np.arange(0, 2**32, 65521 * 7, dtype=np.uint64).astype(np.uint32)
    near = np.linspace(-110, 110, 20001, dtype=np.float32)
    x = np.concatenate([bits.view(np.float32), near])
    low, high = RANGES[name]
    for library in libraries:
        y = spread(library, name, x)
        missing = np.isnan(x) | (np.isinf(x) & (name in ("sin", "cos", "softsign")))
        assert (np.isnan(y) == missing).all()
        assert np.nanmin(y) >= low
        assert np.nanmax(y) <= high


def test_exp_of_the_large_is_infinite_and_of_the_small_zero(libraries: list[Library]) -> None:
    """The ends of the range, and the largest argument that still has a finite exp."""
    x = np.array([88.72, 88.73, 1e30, np.inf, -86.9, -104, -1e30, -np.inf], np.float32)
    for library in libraries:
        y = spread(library, "exp", x)
        assert np.isfinite(y[0])
        assert np.isinf(y[1:4]).all()
        assert y[4] > 0
        assert (y[5:] == 0).all()
