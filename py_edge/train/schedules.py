"""Learning-rate schedules: iteration (from 0) -> rate. Plain functions of the iteration, so a resumed run continues them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

Schedule = Callable[[int], float]


def exponential_decay(initial: float, steps: int, rate: float, *, staircase: bool = False) -> Schedule:
    def at(iteration: int) -> float:
        done = iteration / steps
        return initial * rate ** (math.floor(done) if staircase else done)

    return at


def piecewise_constant(boundaries: Sequence[int], values: Sequence[float]) -> Schedule:
    """values[i] up to and including iteration boundaries[i], the last value after; as Keras."""
    return lambda iteration: next(
        (v for edge, v in zip(boundaries, values, strict=False) if iteration <= edge), values[-1]
    )


def polynomial_decay(initial: float, steps: int, end: float = 0.0001, power: float = 1.0) -> Schedule:
    return lambda iteration: (initial - end) * (1 - min(iteration, steps) / steps) ** power + end


def inverse_time_decay(initial: float, steps: int, rate: float) -> Schedule:
    return lambda iteration: initial / (1 + rate * iteration / steps)


def cosine_decay(
    initial: float, steps: int, *, alpha: float = 0.0, warmup_steps: int = 0, start: float = 0.0
) -> Schedule:
    """From `start` up to `initial` over warmup_steps, then half a cosine down to alpha x initial."""

    def at(iteration: int) -> float:
        if iteration < warmup_steps:
            return start + (initial - start) * iteration / warmup_steps
        done = min(iteration - warmup_steps, steps) / steps
        return initial * ((1 - alpha) * 0.5 * (1 + math.cos(math.pi * done)) + alpha)

    return at
