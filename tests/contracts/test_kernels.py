"""One suite of kernel cases, every home: stand-alone WebAssembly under Node, the side module inside Pyodide.

The native builds run the same cases in tests/kernels.
"""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import py_edge
from py_edge.bundle.lock import read_lock
from py_edge.bundle.sources import Fetcher
from py_edge.kernels.build import OUTPUT, TARGETS, build
from py_edge.kernels.load import ABI_VERSION
from tests.kernels.cases import Case
from tests.kernels.suite import ALL

HERE = Path(__file__).parent
PANEL = 8
SEEDS = 6


def make_cases() -> list[Case]:
    """Some of every kind, always the same."""
    return [make(np.random.default_rng(seed), PANEL) for make in ALL.values() for seed in range(SEEDS)]


def run_cases(tmp_path: Path, command: list[str]) -> dict[str, Any]:
    """Hand the cases to a program that gets CASES and RESULTS as its last arguments, and judge what it did."""
    cases, given, found = make_cases(), tmp_path / "cases.json", tmp_path / "results.json"
    data = [{"code": case.code, "arena": base64.b64encode(case.arena).decode()} for case in cases]
    given.write_text(json.dumps(data))
    done = subprocess.run([*command, str(given), str(found)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    answer: dict[str, Any] = json.loads(found.read_text())
    assert answer["panel"] == PANEL
    for case, result in zip(cases, answer["results"], strict=True):
        case.judge(result["status"], base64.b64decode(result["arena"]))
    return answer


@pytest.mark.parametrize("variant", ["simd128", "relaxed"])
def test_stand_alone_kernels_are_the_truth(tmp_path: Path, variant: str) -> None:
    """The predict worker's module gives the slow truth for every kernel, in both variants."""
    name = f"alone-{variant}.wasm"
    build([target for target in TARGETS if target.file == name])
    command = [
        "node",
        "--experimental-wasm-relaxed-simd",
        str(HERE / "kernels_alone.mjs"),
        str(OUTPUT / name),
    ]
    assert run_cases(tmp_path, command)["version"] == ABI_VERSION


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["simd128", "relaxed"])
def test_side_module_in_pyodide_is_the_truth(tmp_path: Path, variant: str) -> None:
    """load.py picks the variant that the engine has, and it gives the slow truth without numpy."""
    build([target for target in TARGETS if target.file.startswith("side-")])
    lock = read_lock()
    files = Fetcher(lock).fetch(lock.select(["runtime"]))
    for name, path in files.items():
        (tmp_path / name).symlink_to(path)
    flags = ["--experimental-wasm-relaxed-simd"] if variant == "relaxed" else []
    package = str(Path(py_edge.__file__).parent)
    answer = run_cases(tmp_path, ["node", *flags, str(HERE / "kernels_pyodide.mjs"), str(tmp_path), package])
    assert answer["name"] == f"side-{variant}.wasm"
    assert not answer["numpy"]
