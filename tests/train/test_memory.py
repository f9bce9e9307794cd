"""Memory over many fits in one process."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from py_edge.train.checkpoint import Folder, Generations
from py_edge.train.finetune import finetune
from py_edge.train.history import Progress
from py_edge.train.rehearsal import Reservoir
from tests.train.small import SmallModel, blobs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from /proc")


def resident_kilobytes() -> int:
    """What the process holds in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


def test_resident_memory_stays_flat() -> None:
    """After a warm-up, a hundred fits of changing kinds must not grow the process by a megabyte."""
    model, memory, data = SmallModel([4, 16, 3]), Reservoir(30), blobs(40)
    after_warm_up = 0
    for turn in range(140):
        finetune(
            model, *data, layers=("all", "last", 1)[turn % 3], epochs=1, batch=8, seed=turn, rehearsal=memory
        )
        if turn == 39:
            after_warm_up = resident_kilobytes()
    assert resident_kilobytes() - after_warm_up < 1024


@pytest.mark.slow
def test_a_thousand_saves_leak_nothing(tmp_path: Path) -> None:
    """A generation with the optimizer's state after each of 1,200 steps: the last thousand grow neither the process by a
    megabyte nor the folder by a file."""
    seen: list[tuple[int, int]] = []

    def watch(progress: Progress) -> None:
        if progress.done and progress.epoch in (40, 238):
            seen.append((resident_kilobytes(), len(Folder(tmp_path).names())))

    model, data = SmallModel([4, 64, 3]), blobs(40)
    finetune(
        model, *data, layers="all", epochs=240, batch=8, optimizer="adam", callbacks=[watch],
        generations=Generations(Folder(tmp_path), every=1),
    )  # fmt: skip
    (before, files), (after, still) = seen
    assert after - before < 1024
    assert still == files > 0
