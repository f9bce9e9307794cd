"""The scores of one output."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import softmax  # type: ignore[import-untyped]
from scipy.stats import entropy  # type: ignore[import-untyped]

from py_edge.confidence.scores import score, to_logits, to_probabilities


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_probabilities_equal_the_oracle(temperature: float) -> None:
    """Logits become the softmax that scipy computes, at any temperature and any size of the logits."""
    for scale in (0.1, 3.0, 800.0):
        logits = np.random.default_rng(0).normal(0, scale, 10)
        assert to_probabilities(logits.tolist(), temperature) == pytest.approx(
            softmax(logits / temperature), abs=1e-12
        )


def test_probabilities_are_recognised() -> None:
    """An output that is a distribution already keeps it at temperature 1, zeros included."""
    assert to_probabilities([0.7, 0.3, 0.0]) == pytest.approx([0.7, 0.3, 0.0], abs=1e-12)
    assert to_logits([0.5, 0.5]) == pytest.approx([math.log(0.5)] * 2)


def test_scores_equal_the_oracle() -> None:
    """Best class, its probability, the distance to the second, and the entropy that scipy computes."""
    found = score([0.2, 0.7, 0.1])
    assert (found.label_index, found.confidence) == (1, 0.7)
    assert found.margin == pytest.approx(0.5)
    assert found.entropy == pytest.approx(entropy([0.2, 0.7, 0.1]))
    assert score([1.0]).margin == 1.0
    assert score([1.0, 0.0]).entropy == 0.0


@pytest.mark.parametrize("output", [[], [math.nan, 1.0], [math.inf, 0.0], [-math.inf, 0.0]])
def test_no_probabilities_without_finite_numbers(output: list[float]) -> None:
    """Nothing, NaN and infinity have no probabilities."""
    assert to_probabilities(output) == []
