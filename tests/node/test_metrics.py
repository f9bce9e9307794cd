"""What Prometheus scrapes: each metric explained and typed, names by its practices, whatever stands in a label."""

from __future__ import annotations

import re
from typing import Any

from py_edge.node.metrics import METRICS, prometheus_text
from tests.node.asking import ask, first_value, question, work_desk
from tests.node.conftest import Start

SAMPLE = re.compile(r'(py_edge_[a-z_]+)(?:\{([a-z_]+)="((?:[^"\\\n]|\\["\\n])*)"\})? (-?[0-9.e+-]+|[+-]?inf)')


def test_every_sample_follows_its_help_and_type(start: Start) -> None:
    """Line by line in the grammar of the text format; three votes make three, and a counter ends in _total."""
    node = start("site")
    for sequence in (1, 2, 3):
        ask(node.http, question(sequence))
    work_desk(node.http, first_value)
    response = node.http.get("/metrics")
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    kinds: dict[str, str] = {}
    values: dict[tuple[str, str], float] = {}
    for line in response.text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kinds[name] = line.split(" ")
        elif not line.startswith("# HELP "):
            name, _, label, value = SAMPLE.fullmatch(line).groups("")  # type: ignore[union-attr]
            assert name in kinds, line
            values[name, label] = float(value)
    assert all((kind == "counter") == name.endswith("_total") for name, kind in kinds.items())
    assert values["py_edge_votes_total", ""] == 3
    assert values["py_edge_questions", "answered"] == 3
    assert values["py_edge_answers", "person"] == 3
    assert values["py_edge_ready", ""] == 1


def test_a_label_may_hold_anything_and_what_is_unknown_is_left_out() -> None:
    """Quotes, backslashes and line ends are escaped; a model without a certificate has no risk."""
    model = {"name": 'a"b\\c\nd', "version": 3, "threshold": None, "certificate": None}
    status: dict[str, Any] = {
        "questions": {},
        "answered_by": {},
        "rollbacks": {},
        "models": [model],
        "parent": None,
        "trouble": "",
        "started_ms": 1,
    }
    counters = (
        "outbox",
        "outbox_retrying",
        "outbox_oldest_ms",
        "dead_letters",
        "unacknowledged",
        "listening",
        "missing",
    )
    text = prometheus_text({**status, **dict.fromkeys((*counters, "tasks_open", "votes", "examples"), 0)})
    assert 'py_edge_model_version{name="a\\"b\\\\c\\nd"} 3\n' in text
    assert "risk" not in text
    assert len({row[0] for row in METRICS}) == len(METRICS)
