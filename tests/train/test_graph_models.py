"""Graph-models train as layers-models do: the same net in both formats takes the same steps."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from py_edge.errors import ShapeError
from py_edge.model import load_model
from py_edge.train.finetune import finetune

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "models"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "conformance" / "converted"
NAMES = ["lstm_k2", "misc_k2", "mobile_k2", "mlp_k3", "lstm_k3", "gru_k2"]


def losses(folder: Path, layers: str) -> list[float]:
    model = load_model(folder)
    graph = model.forward(1)
    x = [np.load(path) for path in sorted(folder.glob("inputs*.npy"))]
    inputs: Any = dict(zip(graph.inputs, x, strict=True)) if len(x) > 1 else x[0]
    shape = graph.specs[next(iter(graph.outputs.values()))].shape[1:]
    y = np.random.default_rng(0).uniform(size=(len(x[0]), *shape)).astype(np.float32)
    return finetune(
        model,
        inputs,
        y,
        layers=layers,
        epochs=5,
        loss="meanSquaredError",
        metrics=(),
        learning_rate=0.01,
        batch_norm="frozen",
    ).history["loss"]


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/conformance is absent")
@pytest.mark.parametrize("name", NAMES)
def test_same_steps_in_both_formats(name: str) -> None:
    """Training the last layer of a converted graph must give the losses of the layers-model it came from."""
    layers = next(p for p in sorted(SHARED.glob(f"{name}__layers*")) if p.name.endswith(("f32", "h5")))
    graph = next(p for p in sorted(SHARED.glob(f"{name}__graph*")) if p.name.endswith(("f32", "uint16")))
    found, wanted = losses(graph, "last"), losses(layers, "last")
    assert found == pytest.approx(wanted, rel=2e-2 if "uint16" in graph.name else 1e-3)
    assert found[-1] < found[0]


def test_a_fixed_batch_is_told(tmp_path: Path) -> None:
    """A graph that was exported for one row must refuse batches of more with the place, and learn in batches of one."""
    folder = tmp_path / "fixed"
    shutil.copytree(GOLDEN / "residual__k2_saved", folder)
    document = json.loads((folder / "model.json").read_text())
    for node in document["modelTopology"]["node"]:
        if node["op"] == "Placeholder":
            node["attr"]["shape"]["shape"]["dim"][0]["size"] = "1"
    for port in document["signature"]["inputs"].values():
        port["tensorShape"]["dim"][0]["size"] = "1"
    (folder / "model.json").write_text(json.dumps(document))
    model = load_model(folder)
    x = np.load(folder / "inputs.npy")
    graph = model.forward(1)
    y = np.zeros((len(x), *graph.specs[graph.outputs[model.outputs[0].name]].shape[1:]), np.float32)
    with pytest.raises(ShapeError, match="fixed number of rows"):
        finetune(model, x, y, batch=2, loss="meanSquaredError")
    assert finetune(model, x, y, batch=1, epochs=1, loss="meanSquaredError").steps == len(x)
