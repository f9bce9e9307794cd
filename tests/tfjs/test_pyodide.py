"""The same verdicts and the same numbers in Pyodide as natively, on the standard library alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from py_edge.bundle.node_runtime import run_in_pyodide
from tests.tfjs.draws import DRAWN, draws

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
def test_own_parts_are_as_natively(report: dict[str, Any]) -> None:
    """Recorded ops compute the same, every broken file gets its code and place, and the interpreter lives."""
    own = report["own"]
    assert own["bad_inputs"]["failures"] == []
    assert own["bad_inputs"]["total"] > 200
    assert own["op_graphs"]["failures"] == []
    assert own["op_graphs"]["total"] > 300
    assert own["op_names"]["failures"] == []


@pytest.mark.slow
def test_models_compute_the_same(report: dict[str, Any]) -> None:
    """Golden models and, where it is, the shared data, on the standard library alone."""
    assert report["golden"]["ok"], report["golden"]
    shared = report.get("shared", {"ok": True})
    assert shared["ok"], shared
    assert report["foreign"] == []


@pytest.mark.slow
def test_draws_are_as_natively(report: dict[str, Any]) -> None:
    """Random ops give, from the same seed, the very bits that they give natively, run for run."""
    assert report["draws"] == {name: draws(name) for name in DRAWN}
