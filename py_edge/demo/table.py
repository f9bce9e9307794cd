"""The story for people: one aligned row per round, then the facts; colour only on a terminal without NO_COLOR."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, TextIO

_COLUMNS = (
    ("round", 5), ("questions", 9), ("device", 7), ("site", 6), ("cloud", 6), ("person", 7), ("right", 6), ("alone", 6),
)  # fmt: skip
_KEYS = ("device_share", "site_share", "cloud_share", "person_share", "system_accuracy", "device_alone")
_FACTS = (
    ("first_prediction_ms", "first prediction, no Python yet", "ms"),
    ("python_ready_ms", "Python ready in the tab", "ms"),
    ("fine_tune_ms", "fine-tune in the tab, median", "ms"),
    ("round_trip_ms", "answer round trip without a person, median", "ms"),
    ("releases", "releases made", ""),
    ("refused", "candidates refused by the gate", ""),
    ("lost", "questions lost", ""),
)


def colours(stream: TextIO) -> bool:
    """Whether this stream is a terminal that wants colour."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def head(colour: bool = False) -> str:
    """The title line of the table."""
    line = " ".join(f"{name:>{width}}" for name, width in _COLUMNS)
    return f"\x1b[1m{line}\x1b[0m" if colour else line


def row(number: int, found: Mapping[str, Any], colour: bool = False) -> str:
    """One round: where the answers came from, how many were right, and how right the device alone would be."""
    cells = [f"{number:>5}", f"{found['questions']:>9}"]
    for key, (_, width) in zip(_KEYS, _COLUMNS[2:], strict=True):
        text = f"{found[key]:>{width}.0%}" if key.endswith("_share") else f"{found[key]:>{width}.3f}"
        paint = {"device_share": 32, "person_share": 33}.get(key) if colour else None
        cells.append(f"\x1b[{paint}m{text}\x1b[0m" if paint else text)
    return " ".join(cells)


def facts(story: Mapping[str, Any]) -> str:
    """What was measured besides the rounds, one line each."""
    width = max(len(words) for _, words, _ in _FACTS)
    lines = [f"{words:<{width}}  {_number(story[key], unit)}" for key, words, unit in _FACTS]
    return "\n".join(lines)


def _number(value: float | None, unit: str = "") -> str:
    if value is None:
        return "not measured"
    number = f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.1f}"
    return f"{number} {unit}".rstrip()
