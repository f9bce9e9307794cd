"""The temperature."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar  # type: ignore[import-untyped]
from scipy.special import logsumexp  # type: ignore[import-untyped]

from py_edge.confidence.calibrate import cross_entropy, fit_temperature
from py_edge.errors import CalibrationError


def drawn(temperature: float, n: int = 400, classes: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels drawn from their softmax at this temperature."""
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 3, (n, classes))
    noise = rng.gumbel(size=(n, classes))
    return logits, (logits / temperature + noise).argmax(1)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_finds_the_temperature_that_the_oracle_finds(temperature: float) -> None:
    """Golden section stops where scipy's minimiser does, near the temperature that made the labels."""
    logits, labels = drawn(temperature)
    rows = np.arange(len(labels))

    def loss(log_t: float) -> float:
        scaled = logits / math.exp(log_t)
        return float((logsumexp(scaled, axis=1) - scaled[rows, labels]).mean())

    oracle = math.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x)
    found = fit_temperature(logits.tolist(), labels.tolist())
    assert found == pytest.approx(oracle, rel=2e-3)
    assert found == pytest.approx(temperature, rel=0.25)
    assert cross_entropy(logits.tolist(), labels.tolist(), found) == pytest.approx(
        loss(math.log(found)), rel=1e-9
    )


def test_stays_in_its_range_when_all_is_right_or_wrong() -> None:
    """Outputs without any error do not drive the temperature to zero, hopeless ones not to infinity."""
    assert 0.04 < fit_temperature([[5.0, 0.0]] * 3, [0, 0, 0]) < 0.06
    assert 19 < fit_temperature([[5.0, 0.0]] * 3, [1, 1, 1]) < 21


@pytest.mark.parametrize(
    ("outputs", "labels"),
    [([], []), ([[1.0, 2.0]], [2]), ([[1.0, 2.0]], [-1]), ([[1.0]], [0, 0]), ([[math.nan]], [0])],
)
def test_refuses_what_cannot_be_calibrated(outputs: list[list[float]], labels: list[int]) -> None:
    """No examples, a label outside, unequal lengths and NaN are refused with a code."""
    with pytest.raises(CalibrationError):
        fit_temperature(outputs, labels)
