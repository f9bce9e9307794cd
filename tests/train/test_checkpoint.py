"""Generations: a killed run goes on to bit-equal weights, a torn or full shelf loses no more than it must."""

from __future__ import annotations

from pathlib import Path

import pytest

from py_edge.errors import IntegrityError, StorageError
from py_edge.train.checkpoint import Folder, Generation, Generations
from py_edge.train.finetune import finetune
from py_edge.train.history import History, Progress
from tests.train.small import SmallModel, blobs


class Killed(Exception):
    """Stands for the end of the process."""


def fit(generations: Generations | None, kill_at: int = -1) -> tuple[SmallModel, History]:
    model, seen = SmallModel([4, 8, 3], dropout=0.2), [0]

    def kill(progress: Progress) -> None:
        seen[0] += not progress.done
        if seen[0] == kill_at:
            raise Killed

    return model, finetune(
        model, *blobs(42), layers="all", epochs=4, batch=8, seed=5, callbacks=[kill], generations=generations
    )


@pytest.mark.parametrize("kill_at", [1, 4, 5, 6, 7, 13, 23])
def test_resumed_is_bit_equal(tmp_path: Path, kill_at: int) -> None:
    """Killed at any step, the same call again must end with the very weights and history of an unbroken run."""
    whole, history = fit(None)
    with pytest.raises(Killed):
        fit(Generations(Folder(tmp_path), every=2), kill_at)
    again, resumed = fit(Generations(Folder(tmp_path), every=2))
    assert {n: t.tobytes() for n, t in again.weights.items()} == {
        n: t.tobytes() for n, t in whole.weights.items()
    }
    assert (resumed.history, resumed.steps) == (history.history, history.steps)
    assert Folder(tmp_path).names() == []


def test_torn_generation_is_passed_over(tmp_path: Path) -> None:
    """When the newest blob is torn the one before it must be taken."""
    generations = Generations(Folder(tmp_path))
    for step in range(3):
        generations.write("run", {"w": bytes([step])}, {"step": step})
    newest = sorted(tmp_path.iterdir())[-1]
    newest.write_bytes(newest.read_bytes()[:-5])
    found = generations.latest("run")
    assert found is not None
    assert (found.state, found.notes) == ({"w": b"\x01"}, {"step": 1})
    assert len(Folder(tmp_path).names()) == 2


def test_another_run_starts_anew(tmp_path: Path) -> None:
    """A generation of other data or settings must not be resumed."""
    generations = Generations(Folder(tmp_path))
    generations.write("one", {}, {})
    assert generations.latest("two") is None


def test_full_shelf_goes_on_in_memory(tmp_path: Path) -> None:
    """A shelf that refuses must not stop learning; the History says it."""

    class Full(Folder):
        def write(self, name: str, data: bytes) -> None:
            raise StorageError("quota exceeded")

    model, history = fit(Generations(Full(tmp_path), every=2))
    whole, _ = fit(None)
    assert model.weights["dense_0/kernel"].data == whole.weights["dense_0/kernel"].data
    assert "quota exceeded" in history.message
    assert history.stopped == ""


def test_foreign_bytes_are_refused() -> None:
    """Bytes that are no generation must be refused with a code."""
    for data in (b"", b"PEGN", b"x" * 100, Generation(1, "f", {"w": b"1"}).to_bytes()[:-1]):
        with pytest.raises(IntegrityError):
            Generation.from_bytes(data)
