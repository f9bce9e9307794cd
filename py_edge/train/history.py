"""What a fit reports: its history, and the progress that callbacks see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class History:
    """history: metric -> one value per epoch. stopped: "" finished, "cancelled", "diverged", "callback".

    rolled_back: the last good weights were put back because the loss was no number or exploded. steps: plan calls.
    """

    history: dict[str, list[float]] = field(default_factory=dict)
    epoch: list[int] = field(default_factory=list)
    stopped: str = ""
    rolled_back: bool = False
    message: str = ""
    steps: int = 0
    seconds: float = 0.0
    trained: list[str] = field(default_factory=list)

    def add(self, epoch: int, logs: dict[str, float]) -> None:
        self.epoch.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)

    @property
    def last(self) -> dict[str, float]:
        """The last epoch's values."""
        return {name: values[-1] for name, values in self.history.items() if values}


@dataclass(frozen=True, slots=True)
class Progress:
    """epoch from 0; step within the epoch, steps per epoch; logs so far; done: the epoch ended."""

    epoch: int
    epochs: int
    step: int
    steps: int
    logs: dict[str, float]
    done: bool


Callback = Callable[[Progress], Any]
"""Called after each batch and each epoch; returning False stops the fit and keeps the weights."""
