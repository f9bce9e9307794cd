"""The report and the picture of a result."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

from py_edge.bench import report
from py_edge.bench.picture import draw
from py_edge.bench.suite import OURS


def row(*blocks: float, problem: str = "") -> dict[str, Any]:
    return {"blocks_ms": list(blocks), "problem": problem, "variant": "", "error": 0.0, "rejected_rounds": 0}


RESULT: dict[str, Any] = {
    "made": "today", "machine": {"cpu": "a <fast> one", "cores": 2, "system": "Linux", "quiet": False},
    "versions": {"py_edge": "0"}, "browser": "1", "publishable": False,
    "models": {"A1": {"mmac": 0.1}, "B1": {"mmac": 13.6}},
    "latency": {
        "A1": {OURS: row(1.0, 1.0), "tfjs": row(3.0, 3.0), "onnxruntime": row(1.0, 1.0), "litert": row(2.0, 2.0)},
        "B1": {OURS: row(1.0, 1.0), "tfjs": row(problem="fails to load"), "litert": row(0.5, 0.5)},
    },
}  # fmt: skip


def test_says_what_is_below_and_what_failed() -> None:
    """A target that is not reached stands out, a problem is told, a busy machine too."""
    told = report.text(RESULT)
    assert "BUSY, do not publish" in told
    assert "TF.js, graph on B1: fails to load" in told
    lines = {line.split("  ")[0]: line for line in told.splitlines()}
    assert lines["B1 against LiteRT.js"].endswith("BELOW")
    assert lines["A1 against LiteRT.js"].endswith("aim reached")
    assert lines["A1 against onnxruntime-web"].endswith("BELOW")


def test_picture_is_xml() -> None:
    """The picture is well formed whatever the processor calls itself, says which part it shows and when it must not be
    shown; without a part that has bars there is none."""
    rest = {name: value for name, value in RESULT.items() if name != "latency"}
    for threads, result in (("one", RESULT), ("two", rest | {"threads": RESULT["latency"]})):
        drawn = draw(result)
        assert drawn is not None
        ElementTree.fromstring(drawn)
        assert "not for publication" in drawn
        assert f"{threads} thread" in drawn
    assert draw(rest) is None


def test_training_tells_ratio_memory_and_doubt() -> None:
    """A training task shows times, ratios and bytes; a peer that loses otherwise than ours, takes fewer steps, or
    fails, is marked."""
    ours = {"blocks_ms": [0.5, 0.5], "steps": 6, "bytes": 2_000_000, "agree": True, "problem": ""}
    wasm = {"blocks_ms": [4.0, 5.0], "steps": 2, "bytes": 11_000_000, "agree": False, "problem": ""}
    cpu = {"blocks_ms": [], "steps": 0, "bytes": 0, "agree": None, "problem": "no kernel"}
    told = report.text(RESULT | {"training": {"T1 Adam": {OURS: ours, "wasm": wasm, "cpu": cpu}}})
    line = next(line for line in told.splitlines() if line.startswith("T1 Adam  "))
    assert line.split() == [
        "T1",
        "Adam",
        "0.5",
        "2",
        "4.5",
        "(losses",
        "differ)",
        "9.00",
        "[8.00,",
        "10.00]",
        "11",
        "fails",
        "-",
        "-",
    ]
    assert "cpu on T1 Adam: no kernel" in told
    assert "  TF.js wasm on T1 Adam: 2 steps a training, ours 6" in told.splitlines()
    verdict = next(line for line in told.splitlines() if "T1 Adam against TF.js wasm" in line)
    assert verdict.split()[-4:] == ["-", "8", "8", "BELOW"]
