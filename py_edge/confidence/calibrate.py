"""One number that makes confidence honest: the temperature. N: examples, C: classes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from py_edge.confidence.scores import to_logits
from py_edge.errors import CalibrationError

COLDEST, HOTTEST = 0.05, 20.0
_GOLDEN = (math.sqrt(5) - 1) / 2
_TOLERANCE = 1e-3  # of log T: a thousandth of T


def fit_temperature(outputs: Sequence[Sequence[float]], labels: Sequence[int]) -> float:
    """Fit one temperature so that confidence matches how often we are right.

    outputs (N, C) raw scores or probabilities; labels (N,) in [0, C). Returns a float > 0, no unit.
    Raises CalibrationError: N == 0, another number of labels, a label outside [0, C), an output that is not finite.
    Source: Guo et al. 2017, On Calibration of Modern Neural Networks, sec. 4.2; we search log T by golden section.
    """
    rows = _check(outputs, labels)
    low, high = math.log(COLDEST), math.log(HOTTEST)
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    loss_left, loss_right = _loss(rows, left), _loss(rows, right)
    while high - low > _TOLERANCE:
        if loss_left <= loss_right:
            high, right, loss_right = right, left, loss_left
            left = high - _GOLDEN * (high - low)
            loss_left = _loss(rows, left)
        else:
            low, left, loss_left = left, right, loss_right
            right = low + _GOLDEN * (high - low)
            loss_right = _loss(rows, right)
    return math.exp((low + high) / 2)


def cross_entropy(
    outputs: Sequence[Sequence[float]], labels: Sequence[int], temperature: float = 1.0
) -> float:
    """Mean negative log likelihood in nats of labels (N,) under outputs (N, C). Raises CalibrationError as above."""
    return _loss(_check(outputs, labels), math.log(temperature)) / len(labels)


def _check(outputs: Sequence[Sequence[float]], labels: Sequence[int]) -> list[list[float]]:
    """Rows of logits relative to the right one: the loss of a row is log sum exp of it."""
    if len(outputs) == 0 or len(outputs) != len(labels):
        raise CalibrationError(
            "as many labels as outputs are needed, at least one", got=(len(outputs), len(labels))
        )
    rows = []
    for place, (output, label) in enumerate(zip(outputs, labels, strict=True)):
        logits = to_logits(output)
        if not 0 <= label < len(logits):
            raise CalibrationError(
                "label outside of the classes", where=f"/{place}", got=int(label), want=len(logits)
            )
        if not all(map(math.isfinite, logits)):
            raise CalibrationError("an output is not finite", where=f"/{place}")
        rows.append([value - logits[label] for value in logits])
    return rows


def _loss(rows: list[list[float]], log_temperature: float) -> float:
    cold = math.exp(-log_temperature)
    total = 0.0
    for row in rows:
        top = max(row) * cold
        total += top + math.log(sum(math.exp(value * cold - top) for value in row))
    return total
