"""Keras' callbacks: the hooks that `fit` calls, and early stopping."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from py_edge.tensor import Tensor
from py_edge.train.history import Progress


class Callback:
    """Override what you need; `self.model` is the KerasLike that trains."""

    model: Any = None

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None: ...
    def on_train_end(self, logs: dict[str, float] | None = None) -> None: ...
    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None: ...
    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None: ...
    def on_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None: ...
    def on_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None: ...


class EarlyStopping(Callback):
    """Stop when `monitor` has not got better by `min_delta` for more than `patience` epochs; mode "auto" by its name."""

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        mode: str = "auto",
        restore_best_weights: bool = False,
    ) -> None:
        rising = mode == "max" or (
            mode == "auto" and any(word in monitor for word in ("acc", "precision", "recall", "r2"))
        )
        self.monitor, self.min_delta, self.patience, self.sign = (
            monitor,
            abs(min_delta),
            patience,
            -1 if rising else 1,
        )
        self.restore_best_weights = restore_best_weights
        self.stopped_epoch = 0

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self.best, self.wait, self.stopped_epoch = math.inf, 0, 0
        self._weights: dict[str, Tensor] = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        value = (logs or {}).get(self.monitor)
        if value is None:
            return
        if self.sign * value < self.best - self.min_delta:
            self.best, self.wait = self.sign * value, 0
            if self.restore_best_weights:
                self._weights = self.model._trainer.weights()
            return
        self.wait += 1
        if self.wait >= self.patience:
            self.stopped_epoch, self.model.stop_training = epoch, True

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        if self._weights:
            own = self.model.model
            own.set_weights({n: t for n, t in self._weights.items() if n in own.weights})


class Chorus:
    """All callbacks of one fit, as one of ours: progress in, "go on" out."""

    def __init__(self, model: Any, callbacks: Sequence[Callback]) -> None:
        self.model, self.callbacks = model, callbacks
        for callback in callbacks:
            callback.model = model

    def begin(self) -> None:
        for callback in self.callbacks:
            callback.on_train_begin({})
        self._begin_epoch(0)

    def end(self, logs: dict[str, float]) -> None:
        for callback in self.callbacks:
            callback.on_train_end(logs)

    def __call__(self, progress: Progress) -> bool:
        for callback in self.callbacks:
            if progress.done:
                callback.on_epoch_end(progress.epoch, progress.logs)
            else:
                callback.on_batch_end(progress.step, progress.logs)
        go_on = not self.model.stop_training
        if go_on and progress.done and progress.epoch + 1 < progress.epochs:
            self._begin_epoch(progress.epoch + 1)
        elif go_on and not progress.done and progress.step + 1 < progress.steps:
            self._begin_batch(progress.step + 1)
        return go_on

    def _begin_epoch(self, epoch: int) -> None:
        for callback in self.callbacks:
            callback.on_epoch_begin(epoch, {})
        self._begin_batch(0)

    def _begin_batch(self, batch: int) -> None:
        for callback in self.callbacks:
            callback.on_batch_begin(batch, {})
