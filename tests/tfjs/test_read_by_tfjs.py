"""TF.js 4.22 in Node reads what we write wherever it can read the original, and computes the same from it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from py_edge.model import load_model as load_whole
from py_edge.tensor import Tensor
from py_edge.tfjs import load_model
from py_edge.tfjs.conformance import read_npy
from py_edge.tfjs.save import save_model
from py_edge.train.adapters import Adapters
from py_edge.train.finetune import finetune

HERE = Path(__file__).parent
PEERS = HERE.parent / "benchmarks"
SOURCES = (HERE.parent / "golden" / "models", HERE.parents[2] / "shared" / "conformance" / "converted")

LEARNERS = (
    "residual__k2_saved", "mha_k3__graph_f32", "lstm_k2__graph_f32", "cnn_k2__graph_f32", "cnn_k2__graph_u8", "misc_k2__graph_f32",
)  # fmt: skip
"""Graph-models that TF.js reads and gets right before they learn: convolutions, attention, a loop, quantised weights."""


def _packages() -> Path:
    """Where the pinned TF.js lies; installed when it is not there."""
    if not (PEERS / "node_modules" / "@tensorflow" / "tfjs").is_dir():
        subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=PEERS, check=True)
    return PEERS


def read_by_tfjs(cases: Path) -> list[Any]:
    """Per case its outputs by folder; see read_by_tfjs.mjs."""
    command = ["node", str(HERE / "read_by_tfjs.mjs"), str(_packages()), str(cases)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    return [json.loads(line)["outputs"] for line in done.stdout.splitlines()]


def _inputs(folder: Path) -> list[dict[str, Any]]:
    paths = [folder / "inputs.npy", *sorted(folder.glob("inputs[0-9]*.npy"))]
    tensors = [read_npy(path) for path in paths if path.exists()]
    numbers = [t for t in tensors if isinstance(t, Tensor)]
    return [{"shape": t.shape, "dtype": t.dtype, "values": list(t.flat)} for t in numbers]


@pytest.mark.slow
def test_tfjs_reads_ours(tmp_path: Path) -> None:
    """Every golden and converted model that TF.js runs gives bit-equal outputs from the files we wrote of it."""
    cases: list[dict[str, Any]] = []
    for folder in sorted(p for source in SOURCES if source.is_dir() for p in source.iterdir()):
        inputs = _inputs(folder) if (folder / "model.json").exists() else []
        if inputs:
            ours = tmp_path / f"{folder.parent.name}-{folder.name}"
            save_model(load_model(folder), ours)
            cases.append({"folders": [str(folder), str(ours)], "inputs": inputs})
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    rows = read_by_tfjs(tmp_path / "cases.json")
    readable = [(case, row) for case, row in zip(cases, rows, strict=True) if "error" not in row[0]]
    wrong = [(case["folders"][0], str(row[1])[:200]) for case, row in readable if row[1] != row[0]]
    print(f"TF.js reads {len(readable)} of {len(cases)} originals, and ours as well but for {len(wrong)}")
    assert wrong == []
    assert len(readable) >= 10


def _trained(folder: Path, into: Path, adapters: Adapters | None) -> tuple[list[float], list[float]]:
    """What a graph-model predicts before and after a fine-tune of all its weights or of adapters; the second one is saved."""
    model, x = load_whole(folder), read_npy(folder / "inputs.npy")
    before = model.predict(x)
    targets = Tensor.from_flat([float(i % 2) for i in range(before.size)], before.shape)
    history = finetune(
        model, x, targets, layers="all", epochs=8, batch=4, learning_rate=0.01, loss="meanSquaredError", metrics=(),
        batch_norm="frozen", adapters=adapters,
    ).history  # fmt: skip
    assert history["loss"][-1] < history["loss"][0]
    model.save(into)
    return before.flat.tolist(), model.predict(x).flat.tolist()


@pytest.mark.slow
def test_tfjs_reads_trained_graph_models(tmp_path: Path) -> None:
    """A graph-model that learnt here, by all its weights or by adapters, must give in TF.js what it gives here."""
    folders = [p for source in SOURCES for name in LEARNERS if (p := source / name).is_dir()]
    cases, answers = [], []
    for folder in folders:
        for kind, adapters in (("all", None), ("adapters", Adapters(rank=2))):
            ours = tmp_path / f"{folder.name}-{kind}"
            answers.append(_trained(folder, ours, adapters))
            cases.append({"folders": [str(folder), str(ours)], "inputs": _inputs(folder)})
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    for case, row, answer in zip(cases, read_by_tfjs(tmp_path / "cases.json"), answers, strict=True):
        for found, wanted in zip(row, answer, strict=True):
            assert "error" not in found, (case["folders"], found)
            assert [float(v) for v in found[0]["values"]] == pytest.approx(wanted, rel=1e-4, abs=1e-5), case
        assert max(abs(a - b) for a, b in zip(*answer, strict=True)) > 1e-2
    assert folders
