"""The course of a fit: epochs of batches, with cancel, callbacks, generations and roll-back."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from py_edge.train import data
from py_edge.train.checkpoint import Generations
from py_edge.train.history import Callback, History, Progress
from py_edge.train.trainer import Examples, Trainer

EXPLODED = 1e6  # a loss above this many times the first one's size counts as exploded


class Checker(Protocol):
    """Measures the trainer's present state on held-back examples."""

    def logs(self, state: Mapping[str, bytes]) -> dict[str, float]: ...


@dataclass(slots=True)
class Course:
    """examples: `fresh` new ones, then those to replay. replay: remembered rows per new row of a batch."""

    trainer: Trainer
    examples: Examples
    fresh: int
    epochs: int
    batch: int
    seed: int = 0
    shuffle: bool = True
    replay: float = 1.0
    callbacks: Sequence[Callback] = ()
    cancel: Callable[[], bool] | None = None
    checker: Checker | None = None
    generations: Generations | None = None
    fingerprint: str = ""
    history: History = field(default_factory=History)
    first_loss: float | None = None
    good: tuple[dict[str, bytes], int] = ({}, 0)

    @property
    def rows(self) -> int:
        """New rows per batch."""
        return min(self.batch, self.fresh)

    @property
    def size(self) -> int:
        """All rows of a full batch."""
        return self.rows + (round(self.rows * self.replay) if len(self.examples) > self.fresh else 0)

    def run(self) -> Iterator[Progress]:
        """Go step by step; the history is whole when it ends."""
        if not self.fresh or not self.epochs:
            return
        self.trainer.loop(self.size)
        epoch, step = self._resume()
        self.good = (self.trainer.state(), self.trainer.iteration)
        while epoch < self.epochs and not self.history.stopped:
            yield from self._epoch(epoch, step)
            epoch, step = epoch + 1, 0
        if self.generations is not None and self.history.stopped in ("", "diverged"):
            self.generations.clear()

    def batches(self, epoch: int) -> Iterator[Sequence[int]]:
        """Indices of each batch: new ones in this epoch's order, then remembered ones; a function of seed and epoch."""
        total, pick = len(self.examples), random.Random(f"{self.seed}:{epoch}:replay")
        for chunk in data.batches(data.order(self.fresh, self.seed, epoch, self.shuffle), self.rows):
            n = round(len(chunk) * self.replay) if total > self.fresh else 0
            yield [*chunk, *(pick.randrange(self.fresh, total) for _ in range(n))]

    def _epoch(self, epoch: int, begin: int) -> Iterator[Progress]:
        trainer, steps = self.trainer, -(-self.fresh // self.rows)
        if not begin:
            trainer.begin()
        for step, indices in enumerate(self.batches(epoch)):
            if step < begin:
                continue
            if self.cancel is not None and self.cancel():
                self._stop("cancelled", f"cancelled in epoch {epoch + 1}")
                self._write(epoch, step)
                return
            loss = trainer.batch(self.examples, indices, self.size)
            self.first_loss = abs(loss) if self.first_loss is None else self.first_loss
            self.history.steps += 1
            if not math.isfinite(loss) or abs(loss) > EXPLODED * (self.first_loss + 1):
                self._roll_back(f"the loss became {loss:g} in epoch {epoch + 1}")
                return
            progress = Progress(epoch, self.epochs, step, steps, {"loss": loss}, False)
            if not self._tell(progress):
                self._stop("callback", f"a callback stopped it in epoch {epoch + 1}")
                return
            if self.generations is not None and step + 1 < steps and self.generations.due(trainer.iteration):
                self._write(epoch, step + 1)
            yield progress
        yield from self._end(epoch, steps)

    def _end(self, epoch: int, steps: int) -> Iterator[Progress]:
        state = self.trainer.state()
        if not all(all_finite(state[name]) for name in self.trainer.trained if name in state):
            self._roll_back(f"a weight was no number after epoch {epoch + 1}")
            return
        self.good = (state, self.trainer.iteration)
        logs = self.trainer.logs()
        if self.checker is not None:
            logs |= {f"val_{name}": value for name, value in self.checker.logs(state).items()}
        self.history.add(epoch, logs)
        if self.generations is not None and epoch + 1 < self.epochs and self.generations.due():
            self._write(epoch + 1, 0)
        progress = Progress(epoch, self.epochs, steps, steps, logs, True)
        if not self._tell(progress):
            self._stop("callback", f"a callback stopped it after epoch {epoch + 1}")
        yield progress

    def _tell(self, progress: Progress) -> bool:
        wishes = [callback(progress) for callback in self.callbacks]
        return all(wish is not False for wish in wishes)

    def _stop(self, why: str, message: str) -> None:
        self.history.stopped, self.history.message = why, message

    def _roll_back(self, message: str) -> None:
        self.trainer.restore(*self.good)
        self.history.rolled_back = True
        self._stop("diverged", f"{message}; the last good weights are back")

    def _write(self, epoch: int, step: int) -> None:
        if self.generations is None:
            return
        notes = {
            "epoch": epoch, "step": step, "iteration": self.trainer.iteration, "sums": self.trainer.sums(),
            "history": self.history.history, "epochs": self.history.epoch, "steps": self.history.steps,
            "first_loss": self.first_loss,
        }  # fmt: skip
        if not self.generations.write(self.fingerprint, self.trainer.state(), notes):
            self.history.message = self.generations.problem

    def _resume(self) -> tuple[int, int]:
        """Where to go on: the state of the last generation of this very run, or the beginning."""
        found = self.generations.latest(self.fingerprint) if self.generations is not None else None
        if found is None:
            return 0, 0
        notes = found.notes
        self.trainer.restore(found.state, notes["iteration"])
        self.trainer.set_sums(notes["sums"])
        self.history.history = {name: list(values) for name, values in notes["history"].items()}
        self.history.epoch, self.history.steps = list(notes["epochs"]), notes["steps"]
        self.first_loss = notes["first_loss"]
        return notes["epoch"], notes["step"]


def all_finite(state: bytes) -> bool:
    """Whether every float32 is a number. Only one of at least 2^127, infinite or NaN has 7f or ff as its highest byte;
    where there is none, which is nearly always, no float is looked at one by one."""
    highest = state[3::4]
    if b"\x7f" not in highest and b"\xff" not in highest:
        return True
    return math.isfinite(sum(memoryview(state).cast("f")))
