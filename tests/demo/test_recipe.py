"""The numbers of the story."""

from __future__ import annotations

from py_edge.demo.recipe import TIERS, Plot


def test_audits_fall_with_the_evidence_but_never_end() -> None:
    """Much is audited while little is known, and never nothing."""
    plot = Plot()
    assert [plot.audits_now(n) for n in (0, 119, 120, 199, 200, 10_000)] == [60, 60, 12, 12, 1, 1]
    assert Plot(questions=20).audits_now(0) == 12


def test_tiers_grow_upwards() -> None:
    """Higher tiers start from more lessons; levels are those of the chain."""
    assert [tier.level for tier in TIERS] == [0, 1, 2]
    assert [tier.lessons for tier in TIERS] == sorted(tier.lessons for tier in TIERS)
