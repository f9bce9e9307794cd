"""TF.js 4.22 in Node reads what we write wherever it can read the original, and computes the same from it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from py_edge.tensor import Tensor
from py_edge.tfjs import load_model
from py_edge.tfjs.conformance import read_npy
from py_edge.tfjs.save import save_model

HERE = Path(__file__).parent
PEERS = HERE.parent / "benchmarks"
SOURCES = (HERE.parent / "golden" / "models", HERE.parents[2] / "shared" / "conformance" / "converted")


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
