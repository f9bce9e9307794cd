"""The status in Prometheus' text format, from one table: a row a metric, with its label if it has one.

Whatever can fall (a queue, a state that questions leave) is a gauge; only what never falls is a counter and ends in
`_total`. Source: prometheus.io/docs/instrumenting/exposition_formats, text format 0.0.4, and its naming practices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Status = Mapping[str, Any]
Samples = Iterable[tuple[str, float]]  # value of the label, number


def _one(key: str) -> Any:
    return lambda status: [("", status[key])]


def _each(key: str) -> Any:
    return lambda status: status[key].items()


def _models(read: Any) -> Any:
    def samples(status: Status) -> Samples:
        found = [(model["name"], read(model)) for model in status["models"]]
        return [(name, value) for name, value in found if value is not None]

    return samples


def _of_certificate(word: str) -> Any:
    return _models(lambda model: (model["certificate"] or {}).get(word))


# name after `py_edge_`, type, label, what it is, samples
METRICS: tuple[tuple[str, str, str, str, Any], ...] = (
    ("ready", "gauge", "", "1 while the node takes questions, 0 when its disk is in trouble", lambda s: [("", 0 if s["trouble"] else 1)]),
    ("start_time_seconds", "gauge", "", "When the node started, Unix time", lambda s: [("", s["started_ms"] / 1000)]),
    ("questions", "gauge", "state", "Questions that this node knows, by state", _each("questions")),
    ("answers", "gauge", "source", "Answered questions, by who answered", _each("answered_by")),
    ("outbox", "gauge", "", "Questions on their way to the parent", _one("outbox")),
    ("outbox_retrying", "gauge", "", "Of these, those tried at least once", _one("outbox_retrying")),
    ("outbox_oldest_seconds", "gauge", "", "Age of the oldest of these", lambda s: [("", s["outbox_oldest_ms"] / 1000)]),
    ("parent_failures", "gauge", "", "Tries in a row that did not reach the parent", lambda s: [("", s["parent"]["failures"])] if s["parent"] else []),
    ("dead_letters", "gauge", "", "Questions that the parent refused for good", _one("dead_letters")),
    ("missing", "gauge", "", "Questions that the parent ended and this node does not know, since the start", _one("missing")),
    ("unacknowledged", "gauge", "", "Answers that their askers have not taken yet", _one("unacknowledged")),
    ("listening", "gauge", "", "Open streams of answers", _one("listening")),
    ("tasks_open", "gauge", "", "Tasks that wait for a person", _one("tasks_open")),
    ("votes_total", "counter", "", "Votes ever cast at the desk, those taken back included", _one("votes")),
    ("examples", "gauge", "", "Labelled examples kept for retraining", _one("examples")),
    ("model_version", "gauge", "name", "Version of the release that serves", _models(lambda model: model["version"])),
    ("rollbacks_total", "counter", "name", "Releases of this model that ever went back by themselves", _each("rollbacks")),
    ("model_threshold", "gauge", "name", "Probability from which the model answers alone", _models(lambda model: model["threshold"])),
    ("model_coverage", "gauge", "name", "Share that the model answers alone, as audits certify", _of_certificate("coverage")),
    ("model_risk_bound", "gauge", "name", "Certified bound of the share wrong among these", _of_certificate("bound")),
)  # fmt: skip


def prometheus_text(status: Status) -> str:
    """Every metric of the table that has samples, each after its HELP and TYPE."""
    blocks = (
        _block(name, kind, label, meaning, list(read(status))) for name, kind, label, meaning, read in METRICS
    )
    return "".join(blocks)


def _block(name: str, kind: str, label: str, meaning: str, samples: list[tuple[str, float]]) -> str:
    name = f"py_edge_{name}"
    lines = [
        f'{name}{{{label}="{_escaped(of)}"}} {value}' if label else f"{name} {value}" for of, value in samples
    ]
    return "\n".join([f"# HELP {name} {meaning}", f"# TYPE {name} {kind}", *lines, ""]) if lines else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
