"""From one raw model output to probabilities and the three usual scores of sureness.

C: classes. web/src/confidence.ts does the same in the predict worker.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_SMALLEST = 1e-30  # a probability of 0 becomes a very negative logit, not an infinite one


@dataclass(frozen=True, slots=True)
class Scores:
    """label_index: the best class; confidence: its probability; margin: how far the second is behind, both in [0, 1];
    entropy: in nats, 0 (certain) to log C (no idea)."""

    label_index: int
    confidence: float
    margin: float
    entropy: float


def to_logits(output: Iterable[float]) -> list[float]:
    """Logits of an output (C,) that holds logits or probabilities; values >= 0 that sum to 1 are probabilities."""
    values = [float(value) for value in output]
    if values and all(value >= 0 for value in values) and abs(math.fsum(values) - 1) < 1e-3:
        return [math.log(max(value, _SMALLEST)) for value in values]
    return values


def to_probabilities(output: Iterable[float], temperature: float = 1.0) -> list[float]:
    """Probabilities (C,) of logits or probabilities (C,); empty when the output is empty or not finite."""
    values = [float(value) for value in output]
    if not values or not all(map(math.isfinite, values)):
        return []
    logits = to_logits(values)
    top = max(logits)
    powers = [math.exp((value - top) / temperature) for value in logits]
    total = math.fsum(powers)
    return [power / total for power in powers]


def score(probabilities: Sequence[float]) -> Scores:
    """The scores of probabilities (C,), C >= 1."""
    best = max(range(len(probabilities)), key=probabilities.__getitem__)
    second = max((p for index, p in enumerate(probabilities) if index != best), default=0.0)
    entropy = -math.fsum(p * math.log(p) for p in probabilities if p > 0)
    return Scores(best, probabilities[best], probabilities[best] - second, max(0.0, entropy))
