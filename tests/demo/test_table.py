"""The story's table."""

from __future__ import annotations

import io

import pytest

from py_edge.demo.table import colours, facts, head, row

ROUND = {
    "questions": 100, "device_share": 0.6, "site_share": 0.25, "cloud_share": 0.1, "person_share": 0.05,
    "system_accuracy": 0.97, "device_alone": 0.8812,
}  # fmt: skip


def test_columns_stand_under_their_names() -> None:
    """Head and rows are equally wide, and the numbers are those of the round."""
    line = row(3, ROUND)
    assert len(line) == len(head())
    assert line.split() == ["3", "100", "60%", "25%", "10%", "5%", "0.970", "0.881"]


def test_colour_changes_no_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """Colour is paint only, and a file never gets it."""
    painted = row(3, ROUND, colour=True)
    for code in ("\x1b[32m", "\x1b[33m", "\x1b[0m"):
        painted = painted.replace(code, "")
    assert painted == row(3, ROUND)
    assert not colours(io.StringIO())


def test_facts_name_every_measure() -> None:
    """Each key of the JSON beside the rounds has its line; what was not measured is said."""
    story = {
        "first_prediction_ms": 312.4, "python_ready_ms": 4100.0, "fine_tune_ms": 88.25, "round_trip_ms": None,
        "releases": 12, "refused": 7, "lost": 0,
    }  # fmt: skip
    text = facts(story)
    assert len(text.splitlines()) == 7
    assert "312 ms" in text
    assert "88.2 ms" in text
    assert [line for line in text.splitlines() if line.endswith("  not measured")]
    assert text.splitlines()[-1].split() == ["questions", "lost", "0"]
