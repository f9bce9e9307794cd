"""The same verdicts and the same numbers in Pyodide as natively, on the standard library alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from py_edge.bundle.node_runtime import run_in_pyodide

HERE = Path(__file__).parent
SHARED = HERE.parents[2] / "shared" / "conformance"


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """What in_pyodide.py says there."""
    found: dict[str, Any] = json.loads(
        run_in_pyodide(HERE / "in_pyodide.py", SHARED if SHARED.exists() else None)
    )
    return found


@pytest.mark.slow
def test_broken_files_get_the_same_codes(report: dict[str, Any]) -> None:
    """Every case of the catalogue, and the interpreter lives."""
    assert report["bad"]["wrong"] == []


@pytest.mark.slow
def test_ops_and_models_compute_the_same(report: dict[str, Any]) -> None:
    """Recorded ops, golden models and, where it is, the shared data; no model takes 2 s to load and compile."""
    assert report["ops"]["wrong"] == []
    assert report["golden"]["ok"], report["golden"]
    shared = report.get("shared", {"ok": True})
    assert shared["ok"], shared
    assert report["foreign"] == []
