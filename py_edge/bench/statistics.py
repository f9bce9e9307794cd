"""Medians of paired ratios with a bootstrap interval, and geometric means. Plain Python: a few hundred numbers."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

RESAMPLES = 2000


@dataclass(frozen=True)
class Ratio:
    """Median of pairs, and its 95 % interval."""

    median: float
    low: float
    high: float
    pairs: int

    def as_dict(self) -> dict[str, float | int]:
        return {key: round(value, 4) for key, value in asdict(self).items()}


def paired_ratio(theirs: Sequence[float], ours: Sequence[float], seed: int = 0) -> Ratio:
    """theirs[i] and ours[i] were measured side by side. Needs at least one pair."""
    ratios = [t / o for t, o in zip(theirs, ours, strict=True)]
    rng = random.Random(seed)
    drawn = sorted(median(rng.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES))
    return Ratio(median(ratios), drawn[int(0.025 * RESAMPLES)], drawn[int(0.975 * RESAMPLES)], len(ratios))


def geometric_mean(values: Sequence[float]) -> float:
    """NaN for none."""
    return math.exp(sum(map(math.log, values)) / len(values)) if values else math.nan
