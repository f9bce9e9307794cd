"""The benchmark itself, on its smallest model: it may be slow, but it must be right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from py_edge.bench.suite import OURS, PEERS, TOLERANCE
from py_edge.cli import main


@pytest.mark.slow
@pytest.mark.browser
def test_every_runtime_is_timed_and_agrees_with_keras(tmp_path: Path) -> None:
    """All four give Keras's answer on A1 and have a block in every round."""
    file = tmp_path / "result.json"
    assert (
        main(["bench", "--quick", "--force", "--only", "A1", "--parts", "latency", "--json", str(file)]) == 0
    )
    rows = json.loads(file.read_text())["latency"]["A1"]
    for name in (OURS, *PEERS):
        assert rows[name]["problem"] == ""
        assert rows[name]["error"] <= TOLERANCE
        assert len(rows[name]["blocks_ms"]) == len(rows[OURS]["blocks_ms"]) > 0
