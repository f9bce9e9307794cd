"""The whole benchmark: a part that fails is told, and what the others measured is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from py_edge.bench import suite_run


def test_a_part_that_fails_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file holds what was measured and why the rest was not; it is not for publishing, and the exit code says so."""

    def broken(*_: Any) -> dict[str, Any]:
        raise RuntimeError("the tab crashed")

    measured = {"model": "A1", "call_us": 9.0, "executor_us": 5.0, "overhead_us": 4.0}
    made = {"made": "now", "machine": {"cpu": "c", "cores": 2, "system": "s"}, "versions": {}, "models": {}}
    monkeypatch.setattr(suite_run, "_prepare", lambda models: {**made, "problems": {}})
    monkeypatch.setitem(suite_run._PARTS, "latency", broken)
    monkeypatch.setitem(suite_run._PARTS, "overhead", lambda *_: {"overhead": measured})
    file = tmp_path / "bench.json"
    code = suite_run.run_suite(["A1"], ["latency", "overhead"], quick=True, force=True, json_file=file)
    told = json.loads(file.read_text())
    assert code == suite_run.FAILED
    assert told["overhead"] == measured
    assert told["problems"] == {"latency": "RuntimeError: the tab crashed"}
    assert told["publishable"] is False
    assert told["wall_s"].keys() == {"latency", "overhead", "all"}
    assert "latency failed" in capsys.readouterr().err
