"""What of a result reaches its target."""

from __future__ import annotations

from typing import Any

from py_edge.bench import verdicts
from py_edge.bench.suite import OURS


def row(*blocks: float) -> dict[str, Any]:
    return {"blocks_ms": list(blocks)}


RESULT: dict[str, Any] = {
    "latency": {"A1": {OURS: row(1.0, 1.0), "tfjs": row(3.0, 3.0), "onnxruntime": row()}},
    "threads": {"A1": {OURS: row(1.0), "tfjs": row(3.0), "litert": row(1.2)}},
    "start": {
        "B1": {
            OURS: {"fresh_ms": [100.0], "reload_ms": [100.0], "brotli_bytes": 90_000},
            "tfjs": {"fresh_ms": [400.0], "reload_ms": [140.0], "brotli_bytes": 1},
        }
    },
    "overhead": {"model": "A1", "call_us": 9.0, "executor_us": 5.0, "overhead_us": 4.0},
}


def test_ratio_needs_both() -> None:
    """A ratio is the peer's time by ours; a runtime that failed has none."""
    found = verdicts.ratio(RESULT["latency"], "A1", "tfjs")
    assert found is not None
    assert found.median == 3.0
    assert verdicts.ratio(RESULT["latency"], "A1", "onnxruntime") is None


def test_best_peer_is_the_fastest() -> None:
    """Against the best peer means against the smallest ratio."""
    found = verdicts.best_ratio(RESULT["threads"], "A1")
    assert found is not None
    assert found.median == 1.2


def test_words() -> None:
    """Every target with numbers gets a word, and for bytes less is better."""
    words = {verdict.name: verdict.word for verdict in verdicts.judge(RESULT)}
    assert words == {
        "mean of 1 against TF.js, graph": "reached",
        "mean of 1 against best peer, two threads": "reached",
        "first output of B1 against TF.js, fresh": "aim reached",
        "first output of B1 against TF.js, reload": "BELOW",
        "executor and glue, kB brotli": "reached",
        "JavaScript of a call on A1, us": "aim reached",
    }


def test_losses_that_differ_reach_nothing() -> None:
    """However much faster, a training that loses otherwise is no comparison."""
    for agree, word in ((True, "aim reached"), (False, "BELOW")):
        rows = {"T5": {OURS: row(1.0), "tensorflow": row(9.0) | {"agree": agree}}}
        [verdict] = verdicts.judge({"training_native": rows})
        assert verdict.word == word
