"""The same training in Pyodide as natively: equal losses and weights, dropout included, on the standard library alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from py_edge.bundle.node_runtime import run_in_pyodide

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def pyodide() -> dict[str, Any]:
    """What tests/train/in_pyodide.py says there."""
    found: dict[str, Any] = json.loads(run_in_pyodide(HERE / "in_pyodide.py", timeout_s=300))
    return found


def test_losses_and_weights_are_the_native_ones(pyodide: dict[str, Any]) -> None:
    """Dropout, noise, shuffling and replay come from the same seeds, so four fits must agree to rounding."""
    ran = subprocess.run(
        [sys.executable, "-c", "import runpy; print(runpy.run_path('tests/train/in_pyodide.py')['result'])"],
        cwd=HERE.parents[1], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(HERE.parents[1])},
    )  # fmt: skip
    native = json.loads(ran.stdout)["report"]
    for name, want in native.items():
        assert pyodide["report"][name]["losses"] == pytest.approx(want["losses"], rel=1e-4), name
        assert pyodide["report"][name]["weights"] == pytest.approx(want["weights"], rel=1e-3, abs=1e-4), name


def test_training_needs_no_package(pyodide: dict[str, Any]) -> None:
    """Neither numpy nor scikit-learn may be loaded by training in the tab."""
    print(pyodide["timed"])
    assert pyodide["foreign"] == []
