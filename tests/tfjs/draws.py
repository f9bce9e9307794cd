"""What random ops drew, as digests: run natively and inside Pyodide, which must say the same. Standard library only."""

from __future__ import annotations

import copy
import hashlib
from pathlib import Path
from typing import Any

from py_edge.tensor import Tensor
from py_edge.tfjs.load import load_model
from py_edge.tfjs.recorded_graphs import files_of, op_cases
from py_edge.tfjs.session import Session
from tests.tfjs.engine import compiled

CASES = op_cases(Path(__file__).parent.parent / "golden" / "ops.jsonl.gz")
DRAWN = sorted(name for name, case in CASES.items() if case.get("drawn"))


def draws(name: str, runs: int = 2, seed: int | None = None) -> list[str]:
    """SHA-256 of the recorded graph's output in each run of a fresh session. seed: in place of the file's own."""
    case = copy.deepcopy(CASES[name])
    for node in case["graph"]["node"] if seed is not None else ():
        if "seed" in node.get("attr", {}):
            node["attr"]["seed"] = {"i": str(seed)}
    session = Session(load_model(files_of(case)), compiled)
    return [_digest(session.run({})) for _ in range(runs)]


def _digest(outputs: dict[str, Any]) -> str:
    (value,) = outputs.values()
    assert isinstance(value, Tensor)
    return hashlib.sha256(value.tobytes()).hexdigest()
