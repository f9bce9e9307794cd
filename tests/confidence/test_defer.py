"""The decision."""

from __future__ import annotations

import math

import pytest

from py_edge.confidence.defer import decide
from py_edge.confidence.scores import to_probabilities


def test_sure_enough_is_answered() -> None:
    """At the threshold exactly the device answers, with the label in words."""
    found = decide([0.1, 0.9], threshold=max(to_probabilities([0.1, 0.9])), labels=("no", "yes"))
    assert (found.label, found.label_index, found.defer) == ("yes", 1, False)
    assert found.confidence == pytest.approx(0.9)


def test_temperature_changes_the_decision() -> None:
    """The same logits are sure when cold and unsure when hot."""
    assert not decide([2.0, 0.0], temperature=0.5, threshold=0.9).defer
    assert decide([2.0, 0.0], temperature=2.0, threshold=0.9).defer


def test_without_a_threshold_everything_climbs() -> None:
    """No evidence, no answer."""
    assert decide([1.0, 0.0]).defer


@pytest.mark.parametrize("output", [[], [math.nan] * 3, [math.inf, 0.0], [0.0, -math.inf]])
def test_what_cannot_be_judged_is_hard(output: list[float]) -> None:
    """Empty, NaN and infinite outputs are deferred even at threshold 0, with no label."""
    found = decide(output, threshold=0.0)
    assert (found.label, found.label_index, found.confidence, found.defer) == (None, -1, 0.0, True)


@pytest.mark.parametrize(
    ("temperature", "threshold"), [(0.0, 0.5), (math.nan, 0.5), (-1.0, 0.5), (1.0, math.nan)]
)
def test_nonsense_settings_are_hard(temperature: float, threshold: float) -> None:
    """A temperature or threshold that is no number never makes an answer sure."""
    assert decide([9.0, 0.0], temperature=temperature, threshold=threshold).defer
