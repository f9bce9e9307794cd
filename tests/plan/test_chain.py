"""What a node leaves out gets the same value in the plan as in the reference."""

from __future__ import annotations

import numpy as np
import pytest

from py_edge.graph import Builder
from py_edge.kernels.load import library
from py_edge.kernels.reference import evaluate as reference
from py_edge.plan import evaluate

X = np.array([[-2.0, -0.5, 0.0, 1.5]], np.float32)


@pytest.mark.parametrize("name", ["elu", "leaky_relu", "step"])
@pytest.mark.parametrize("fused", [False, True])
def test_alpha_by_default(name: str, fused: bool) -> None:
    """elu, leaky_relu and step without alpha, alone and behind a product, give what the reference gives."""
    b = Builder()
    x = b.input("x", (1, 4))
    eye = b.constant(np.eye(4, dtype=np.float32))
    b.output("y", b.op("matmul", x, eye, activation=name) if fused else b.op(name, x))
    ours = np.array(evaluate(b.graph, library(), {"x": X})["y"].tolist())
    assert ours == pytest.approx(reference(b.graph, {"x": X})["y"], abs=1e-6)
