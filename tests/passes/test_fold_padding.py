"""Zeros around an image become a convolution's own; anything else stays a pad."""

from __future__ import annotations

import numpy as np
import pytest

from py_edge.graph import Builder, Graph
from py_edge.kernels.reference import evaluate
from py_edge.passes.fold_padding import fold_padding
from py_edge.tensor import Tensor

IMAGE = ((0, 0), (1, 2), (0, 1), (0, 0))


def padded(paddings: tuple[tuple[int, int], ...], value: float) -> Graph:
    """A pad, then a convolution that pads by one itself."""
    b = Builder()
    x = b.op("pad", b.input("x", (2, 5, 6, 3)), paddings=paddings, value=value)
    w = b.constant(Tensor.of(np.arange(9.0 * b.shape(x)[3] * 2).reshape(3, 3, -1, 2).astype("f4") / 9))
    b.output("y", b.op("conv2d", x, w, padding=((1, 1), (0, 0))))
    return b.graph


@pytest.mark.parametrize(
    ("paddings", "value", "folds"),
    [(IMAGE, 0.0, True), (IMAGE, 1.0, False), (((0, 0), (1, 1), (1, 1), (0, 1)), 0.0, False),
     (((1, 0), (1, 1), (1, 1), (0, 0)), 0.0, False)],
)  # fmt: skip
def test_only_zeros_around_the_image_fold(
    paddings: tuple[tuple[int, int], ...], value: float, folds: bool
) -> None:
    """Another value, more channels or more examples stay; what is computed stays in every case."""
    before = padded(paddings, value)
    x = {"x": np.random.default_rng(1).normal(size=(2, 5, 6, 3)).astype("f4")}

    after = fold_padding(before, None)

    (conv,) = (node for node in after.nodes if node.op == "conv2d")
    assert (conv.inputs[0] == after.inputs["x"]) == folds
    np.testing.assert_allclose(evaluate(after, x)["y"], evaluate(before, x)["y"], rtol=1e-5)
