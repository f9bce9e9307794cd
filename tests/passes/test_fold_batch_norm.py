"""A factor behind a product goes into its weights, where nothing stands between that it may not pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from py_edge.graph import Builder
from py_edge.kernels.reference import evaluate
from py_edge.passes.fold_batch_norm import fold_batch_norm
from py_edge.tensor import Tensor


@pytest.mark.parametrize(("between", "folds"), [({}, True), ({"activation": "relu"}, False)])
def test_a_factor_does_not_pass_an_activation(between: dict[str, Any], folds: bool) -> None:
    """relu(x w) · f is not relu(x (w f)) where f is negative; without relu the product takes it."""
    b = Builder()
    w = b.constant(Tensor.of(np.random.default_rng(2).normal(size=(3, 4)).astype("f4")))
    y = b.op("matmul", b.input("x", (5, 3)), w, **between)
    b.output("y", b.mul(y, b.constant(Tensor.of([-1.0, 2.0, 0.5, -3.0]))))
    x = {"x": np.random.default_rng(3).normal(size=(5, 3)).astype("f4")}

    after = fold_batch_norm(b.graph, None)

    assert (after.nodes[-1].op == "matmul") == folds
    np.testing.assert_allclose(evaluate(after, x)["y"], evaluate(b.graph, x)["y"], rtol=1e-5)
