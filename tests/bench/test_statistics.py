"""Ratios and means of the benchmark."""

from __future__ import annotations

import math

import pytest

from py_edge.bench.statistics import geometric_mean, paired_ratio


def test_ratio_is_of_pairs() -> None:
    """A machine that slows down for both sides does not change the ratio."""
    ours = [1.0, 2.0, 4.0, 8.0]
    found = paired_ratio([1.5 * ms for ms in ours], ours)
    assert (found.median, found.low, found.high, found.pairs) == (1.5, 1.5, 1.5, 4)


def test_interval_holds_the_median_and_shrinks() -> None:
    """The interval lies around the median and is narrower with more pairs."""
    few = paired_ratio([1.0, 2.0, 3.0, 2.0, 2.5] * 2, [1.0] * 10)
    many = paired_ratio([1.0, 2.0, 3.0, 2.0, 2.5] * 20, [1.0] * 100)
    assert few.low <= few.median <= few.high
    assert many.high - many.low <= few.high - few.low


def test_geometric_mean() -> None:
    """Twice as fast and twice as slow cancel out; nothing gives NaN."""
    assert geometric_mean([2.0, 0.5]) == pytest.approx(1.0)
    assert math.isnan(geometric_mean([]))
