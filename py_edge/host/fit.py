"""A fine-tune in pieces: between two of them the worker tells how far it is, hands out its state, and hears of a cancel."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

from py_edge.train.checkpoint import Kept
from py_edge.train.history import History, Progress


class Fit:
    """going: the steps; shelf: where its generations come; examples: how many came home for it.

    history is None until the last step; train_ms counts the time inside of the pieces.
    """

    def __init__(self, going: Generator[Progress, None, History], shelf: Kept, examples: int) -> None:
        self.going, self.shelf, self.examples = going, shelf, examples
        self.history: History | None = None
        self.train_ms = 0.0
        self._told: dict[str, bytes] = dict(shelf.blobs)

    def go_on(self, piece_ms: float) -> dict[str, Any]:
        """Train for about so long. Gives epoch (from 0), epochs, step, steps (of an epoch) and the loss there."""
        began = time.perf_counter()
        progress: Progress | None = None
        try:
            while progress is None or (time.perf_counter() - began) * 1000 < piece_ms:
                progress = next(self.going)
        except StopIteration as end:
            self.history = end.value
        self.train_ms += (time.perf_counter() - began) * 1000
        if progress is None:
            return {}
        facts = {name: getattr(progress, name) for name in ("epoch", "epochs", "step", "steps")}
        return {**facts, "loss": progress.logs["loss"]}

    def new_generations(self) -> dict[str, bytes] | None:
        """What must be kept now, name -> bytes, in place of all before; None when nothing is new."""
        if self.shelf.blobs.keys() == self._told.keys():
            return None
        self._told = dict(self.shelf.blobs)
        return dict(self._told)

    def close(self) -> None:
        """Break off; the model keeps the weights from before."""
        self.going.close()
