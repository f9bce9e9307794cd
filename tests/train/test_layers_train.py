"""Every layer that loads also trains: a directional finite difference in float64 through each single-layer model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from py_edge.graph import Builder
from py_edge.kernels.reference import evaluate
from py_edge.model import load_model
from py_edge.tensor import Tensor
from py_edge.train.gradients import gradients

SHARED = Path(__file__).resolve().parents[3] / "shared" / "conformance" / "layers"
NAMES = sorted(p.name for p in SHARED.glob("*")) or ["absent"]
STEP = 1e-5
FLAT = {"catenc"}  # counts categories: no gradient


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/conformance is absent")
@pytest.mark.parametrize("name", NAMES)
def test_slope_along_a_random_direction(name: str) -> None:
    """Moving all inputs and weights a little must change the loss by what the gradients say."""
    rng = np.random.default_rng(3)
    model = load_model(SHARED / name)
    x = [np.load(path) for path in sorted((SHARED / name).glob("inputs*.npy"))]
    b = Builder(model.forward(len(x[0])))
    graph, outputs = b.graph, list(b.graph.outputs.values())
    feed: dict[str, Any] = {
        n: v.astype(np.float64) if v.dtype.kind == "f" else v for n, v in zip(graph.inputs, x, strict=True)
    }
    weights = [v for v, n in graph.variables.items() if graph.specs[v].dtype == "float32"]
    for value in weights:  # variables become inputs, so that they can be moved in float64
        tensor = graph.constants.pop(value)
        graph.inputs[f"w{value}"] = value
        feed[f"w{value}"] = np.array(tensor.flat, np.float64).reshape(tensor.shape)
    graph.variables = {}
    scales = b.constant(Tensor.of(rng.normal(size=graph.specs[outputs[0]].shape).astype(np.float32)))
    loss = b.reduce(b.mul(outputs[0], scales), kind="sum", axes=tuple(range(b.rank(scales))), keepdims=False)
    moved = {n: v for n, v in graph.inputs.items() if graph.specs[v].dtype == "float32"}
    graph.outputs = {"loss": loss}
    plain = graph.copy()
    found = gradients(b, loss, moved.values())
    graph.outputs = {name: found[value] for name, value in moved.items() if value in found}
    slopes = evaluate(graph, feed)
    assert bool(slopes) != (name in FLAT)
    if not slopes:
        return
    direction = {n: rng.normal(size=np.shape(feed[n])) for n in moved}
    ours = sum(float(np.sum(slopes[n] * direction[n])) for n in slopes)
    sides = [
        float(
            evaluate(
                plain, {n: v + sign * STEP * direction[n] if n in moved else v for n, v in feed.items()}
            )["loss"]
        )
        for sign in (1, -1)
    ]
    truth = (sides[0] - sides[1]) / (2 * STEP)
    assert ours == pytest.approx(truth, rel=1e-4, abs=1e-5)
