"""Memory over many fits in one process."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from py_edge.train.finetune import finetune
from py_edge.train.rehearsal import Reservoir
from tests.train.small import SmallModel, blobs


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from /proc")
def test_resident_memory_stays_flat() -> None:
    """After a warm-up, a hundred fits of changing kinds must not grow the process by a megabyte."""

    def resident_kilobytes() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4

    model, memory, data = SmallModel([4, 16, 3]), Reservoir(30), blobs(40)
    after_warm_up = 0
    for turn in range(140):
        finetune(
            model, *data, layers=("all", "last", 1)[turn % 3], epochs=1, batch=8, seed=turn, rehearsal=memory
        )
        if turn == 39:
            after_warm_up = resident_kilobytes()
    assert resident_kilobytes() - after_warm_up < 1024
