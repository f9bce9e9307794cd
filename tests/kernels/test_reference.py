"""The slow truth knows every row of the op table, and agrees with what can be said without it."""

from __future__ import annotations

import numpy as np
import pytest

from py_edge.errors import GraphError, KernelError
from py_edge.graph import Builder
from py_edge.graph.ops import OPS
from py_edge.kernels import reference
from py_edge.kernels.reference_elementwise import BINARY, UNARY, UNARY_ALPHA
from py_edge.kernels.reference_random import random


def test_every_core_op_has_its_truth() -> None:
    """No row of the op table is without a function; host steps are handed in."""
    known = {*reference.OPS, *UNARY, *UNARY_ALPHA, *BINARY, "host"}
    known |= {"select", "cast", "is_nan", "is_inf", "is_finite", "logical_not"}
    assert set(OPS) - known == set()


def test_a_graph_is_run() -> None:
    """Nodes in order, constants and variables, float64 inside."""
    b = Builder()
    x = b.input("x", (2, 3))
    w = b.variable("w", b.graph.constants[b.constant([[1.0], [2.0], [3.0]])])
    b.output("y", b.relu(b.matmul(x, w)))
    y = reference.evaluate(b.graph, {"x": [[1, 1, 1], [-1, 0, 0]]})["y"]
    np.testing.assert_array_equal(y, [[6.0], [0.0]])
    other = reference.evaluate(b.graph, {"x": [[1, 1, 1], [-1, 0, 0]]}, {"w": np.array([[0.0], [0], [1]])})[
        "y"
    ]
    np.testing.assert_array_equal(other, [[1.0], [0.0]])
    assert y.dtype == np.float64


@pytest.mark.parametrize("groups", [1, 2])
def test_gradients_of_convolutions_are_transposes(groups: int) -> None:
    """<conv(x), dy> = <x, input_grad(dy)> = <w, filter_grad(x, dy)>: they cannot all be wrong alike."""
    rng = np.random.default_rng(0)
    attrs = {"strides": (2, 1), "dilations": (1, 2), "padding": ((1, 0), (2, 1)), "groups": groups}
    x, w = rng.normal(size=(2, 7, 9, 4)), rng.normal(size=(3, 2, 4 // groups, 6))
    (y,) = reference.apply("conv2d", [x, w], attrs)
    dy = np.asarray(rng.normal(size=y.shape))
    (dx,) = reference.apply("conv2d_input_grad", [dy, w], {**attrs, "shape": x.shape})
    (dw,) = reference.apply("conv2d_filter_grad", [x, dy], {**attrs, "shape": w.shape})
    want = float((y * dy).sum())
    np.testing.assert_allclose([(dx * x).sum(), (dw * w).sum()], want, rtol=1e-10)


def test_scatter_is_the_transpose_of_gather() -> None:
    """<gather(x), u> = <x, scatter_add(u)>, repeated indices included."""
    rng = np.random.default_rng(1)
    x, indices = rng.normal(size=(2, 5, 3)), np.array([4, 0, 4, 4])
    (y,) = reference.apply("gather", [x, indices], {"axis": 1})
    u = np.asarray(rng.normal(size=y.shape))
    (back,) = reference.apply("scatter_add", [u, indices], {"axis": 1, "shape": x.shape})
    np.testing.assert_allclose((back * x).sum(), (y * u).sum(), rtol=1e-12)


def test_an_index_outside_is_refused() -> None:
    """As the kernels do, unless zeros are asked for."""
    x = np.ones((3, 2))
    with pytest.raises(KernelError, match="outside"):
        reference.apply("gather", [x, np.array([3])], {"axis": 0})
    (y,) = reference.apply("gather", [x, np.array([3, 1])], {"axis": 0, "clip": True})
    np.testing.assert_array_equal(y, [[0, 0], [1, 1]])


def test_host_steps_need_a_host() -> None:
    """Without the function the error says which one is missing."""
    with pytest.raises(GraphError, match="unique"):
        reference.apply("host", [], {"function": "unique"})


def test_draws_are_even() -> None:
    """Mean and spread of uniform and normal draws are those of their distributions."""
    for kind, mean, spread in (("uniform", 0.5, 12**-0.5), ("normal", 0.0, 1.0)):
        draws = random(np.asarray(3), {"shape": (20000,), "kind": kind, "seed": 5})
        assert abs(draws.mean() - mean) < 0.02
        assert abs(draws.std() - spread) < 0.02
