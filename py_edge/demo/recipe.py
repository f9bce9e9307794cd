"""The numbers of the story, found by a pilot over 32 seeds; none of them looks at the data of a run.

A tier's coverages are its ladder for the certificate: modest caps, so that single rounds stay right.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from py_edge.confidence.policy import Promise

CLASSES = 10


@dataclass(frozen=True)
class Schooling:
    """One training: Adam from learning_rate down to 0 in a straight line. moved: share of images moved by a pixel;
    times: how often each answer counts beside the lessons."""

    epochs: int
    batch: int
    learning_rate: float
    moved: float = 0.0
    times: int = 1


@dataclass(frozen=True)
class Tier:
    """One model: its Keras layers, how many lessons it starts from, how it starts and how it goes on learning."""

    name: str
    level: int
    lessons: int
    layers: tuple[tuple[str, dict[str, Any]], ...]
    start: Schooling
    again: Schooling
    promise: Promise


def _conv(filters: int) -> tuple[str, dict[str, Any]]:
    return "Conv2D", {"filters": filters, "kernel_size": [3, 3], "padding": "same", "activation": "relu"}


def _dense(units: int, activation: str) -> tuple[str, dict[str, Any]]:
    return "Dense", {"units": units, "activation": activation}


_POOL: tuple[str, dict[str, Any]] = ("MaxPooling2D", {"pool_size": [2, 2]})
_FLAT: tuple[str, dict[str, Any]] = ("Flatten", {})


def _promise(*coverages: float) -> Promise:
    return Promise(risk=0.05, delta=0.05, grid=coverages, rule="fixed_sequence")


# tanh on the device: with 16 relu units some starts have dead units.
DEVICE = Tier(
    "device", 0, 40,
    (_conv(8), _POOL, _FLAT, _dense(16, "tanh"), _dense(CLASSES, "softmax")),
    Schooling(60, 16, 0.006), Schooling(20, 64, 0.004, moved=0.3), _promise(0.60, 0.70, 0.80),
)  # fmt: skip
SITE = Tier(
    "site", 1, 400,
    (_conv(16), _POOL, _conv(32), _FLAT, _dense(32, "relu"), _dense(CLASSES, "softmax")),
    Schooling(50, 32, 0.004, moved=0.5), Schooling(20, 64, 0.005, moved=0.5, times=3), _promise(0.80, 0.85, 0.90),
)  # fmt: skip
# The cloud's ladder ends below 1: else the hardest pictures would never reach the person, and never be learnt.
CLOUD = Tier(
    "cloud", 2, 600,
    (_conv(16), _conv(32), _POOL, _conv(64), _FLAT, _dense(64, "relu"), ("Dropout", {"rate": 0.3}),
     _dense(CLASSES, "softmax")),
    Schooling(50, 32, 0.004, moved=0.5), Schooling(20, 64, 0.005, moved=0.5, times=3),
    _promise(0.80, 0.90, 0.95, 0.98, 0.99),
)  # fmt: skip
TIERS = (DEVICE, SITE, CLOUD)


@dataclass(frozen=True)
class Tune:
    """The fine-tune in the tab: both Dense layers on cached features, from the released base, on the newest of each class."""

    epochs: int = 10
    batch: int = 64
    learning_rate: float = 0.001
    layers: int = 2

    def to_json(self, seed: int) -> dict[str, Any]:
        return {
            "epochs": self.epochs, "batch": self.batch, "learning_rate": self.learning_rate, "layers": self.layers,
            "seed": seed,
        }  # fmt: skip


@dataclass(frozen=True)
class Plot:
    """rounds of questions, at_once of them shown before their answers are awaited; audits: (evidence below which, audits per round), the last for ever: never none."""

    rounds: int = 10
    questions: int = 200
    at_once: int = 10
    audits: tuple[tuple[float, int], ...] = ((120, 60), (200, 12), (float("inf"), 1))
    tune: Tune = field(default_factory=Tune)

    def audits_now(self, evidence: int) -> int:
        """How many of a round's questions a person checks at random, given the audits so far; some are left to learn from."""
        count = next(count for below, count in self.audits if evidence < below)
        return max(1, min(count, self.questions * 6 // 10))
