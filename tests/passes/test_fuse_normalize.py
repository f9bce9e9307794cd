"""Layer normalisation becomes one op where it is one, and only there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from py_edge.graph import Builder, Graph
from py_edge.kernels.reference import evaluate
from py_edge.passes.fuse_normalize import fuse_normalize
from py_edge.tensor import Tensor

RNG = np.random.default_rng(3)
EVERYWHERE = [
    "", "mean of another", "mean over rows", "largest in the mean's place", "variance of another", "variance over rows",
    "exp in the root's place", "an epsilon a row", "a product with epsilon",
]  # fmt: skip


def _normal(*shape: int) -> Tensor:
    return Tensor.of(RNG.normal(size=shape).astype(np.float32))


def _parts(b: Builder, miss: str, spelled_out: bool) -> tuple[int, int, int, int]:
    """x, what is left of it without its mean, its mean and one over the root of its variance; with one thing amiss, or none."""
    x, other = b.input("x", (3, 6)), b.input("other", (3, 6))
    rows, kind = (0,) if miss == "mean over rows" else (1,), "max" if "largest" in miss else "mean"
    mean = b.op("reduce", other if miss == "mean of another" else x, kind=kind, axes=rows, keepdims=True)
    away = b.op("sub", x, mean)
    if spelled_out:
        off = b.op("square", other if miss == "variance of another" else away)
    else:
        off = b.op("squared_difference", other if miss == "variance of another" else x, mean)
    over = (0,) if miss == "variance over rows" else (1,)
    variance = b.op("reduce", off, kind="mean", axes=over, keepdims=True)
    size = (3, 1) if miss == "an epsilon a row" else ()
    epsilon = b.constant(Tensor.of(np.full(size, 0.1, np.float32)))
    total = b.op("mul" if miss == "a product with epsilon" else "add", variance, epsilon)
    return x, away, mean, b.op("exp" if "exp" in miss else "rsqrt", total)


def centred(miss: str) -> Graph:
    """(x - mean) * rsqrt(mean of the squares of the same + epsilon), scaled and shifted."""
    b = Builder()
    _, away, _, root = _parts(b, miss, spelled_out=True)
    scaled = b.op("mul", b.op("mul", away, root), b.constant(_normal(6)))
    b.output("y", b.op("add", scaled, b.constant(_normal(6))))
    return b.graph


def from_moments(miss: str) -> Graph:
    """x * factor + (offset - mean * factor), as TensorFlow's batch_normalization writes it."""
    b = Builder()
    x, away, mean, root = _parts(b, miss, spelled_out=False)
    factor = b.op("mul", root, b.constant(_normal(6)))
    other = b.op("mul", root, b.constant(_normal(6))) if miss == "another factor in the shift" else factor
    drift = b.op("add" if miss == "a sum in the shift" else "mul", mean, other)
    shift = b.op("sub", b.constant(_normal(6)), drift)
    b.output("y", b.op("add", b.op("mul", away if miss == "another tensor scaled" else x, factor), shift))
    return b.graph


@pytest.mark.parametrize(
    ("made", "miss"),
    [
        *((centred, miss) for miss in EVERYWHERE),
        *((from_moments, miss) for miss in EVERYWHERE),
        (from_moments, "another factor in the shift"),
        (from_moments, "a sum in the shift"),
        (from_moments, "another tensor scaled"),
    ],
)
def test_only_layer_normalisation_becomes_one(made: Callable[[str], Graph], miss: str) -> None:
    """The whole pattern becomes the op; with any one part of it amiss nothing does; either way it computes the same."""
    before = made(miss)
    after = fuse_normalize(before, None)
    inputs = {name: RNG.normal(size=(3, 6)).astype(np.float32) for name in before.inputs}
    assert ("normalize" in [node.op for node in after.nodes]) == (miss == "")
    np.testing.assert_allclose(evaluate(after, inputs)["y"], evaluate(before, inputs)["y"], rtol=1e-5)
