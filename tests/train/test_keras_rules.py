"""Metrics, penalties, constraints, schedules, smoothing and initializers against what Keras recorded (tools/record_rules.py)."""

from __future__ import annotations

import gzip
import json
import math
import random
import statistics
from pathlib import Path
from typing import Any

import pytest

from py_edge.graph import Builder
from py_edge.kernels.load import library
from py_edge.plan import evaluate
from py_edge.tensor import Tensor
from py_edge.tfjs.initializers import initialize
from py_edge.train import losses, schedules
from py_edge.train.metrics import metric
from py_edge.train.regularizers import constrained, penalty

RULES = json.loads(
    gzip.decompress((Path(__file__).parents[1] / "golden" / "keras_rules.json.gz").read_bytes())
)


def named(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", RULES[kind], ids=[case["name"] for case in RULES[kind]])


@named("metrics")
def test_metric(case: dict[str, Any]) -> None:
    """Over three weighted batches each metric must end at Keras' value."""
    sparse = case["name"].startswith("sparse")
    measured = metric(case["name"], "mse", 7)
    totals: list[float] = []
    for batch in case["batches"]:
        b = Builder()
        truth, prediction, weights = (
            b.constant(Tensor.of(batch[name], "int32" if sparse and name == "truth" else "float32"))
            for name in ("truth", "prediction", "weights")
        )
        for i, value in enumerate(measured.sums(b, truth, prediction, weights)):
            b.output(str(i), value)
        sums = [t.flat[0] for t in evaluate(b.graph, library()).values()]
        totals = [a + c for a, c in zip(totals or [0.0] * len(sums), sums, strict=True)]
    assert measured.finish(totals) == pytest.approx(case["value"], rel=1e-4, abs=1e-6)


@named("penalties")
def test_penalty(case: dict[str, Any]) -> None:
    """What a regularizer adds to the loss must be Keras'."""
    b = Builder()
    found = penalty(b, case["rule"], b.constant(Tensor.of(RULES["weight"], "float32")))
    if found is None:
        assert case["value"] == 0
        return
    b.output("penalty", found)
    assert evaluate(b.graph, library())["penalty"].flat[0] == pytest.approx(case["value"], rel=1e-5)


@named("constraints")
def test_constraint(case: dict[str, Any]) -> None:
    """What a constraint makes of a weight must be Keras'."""
    b = Builder()
    b.output("new", constrained(b, case["rule"], b.constant(Tensor.of(RULES["weight"], "float32"))))
    wanted = [value for row in case["value"] for value in row]
    assert evaluate(b.graph, library())["new"].flat.tolist() == pytest.approx(wanted, abs=1e-5)


@named("schedules")
def test_schedule(case: dict[str, Any]) -> None:
    """The rate at each iteration must be Keras'."""
    at = getattr(schedules, case["name"].partition(".")[0])(*case["arguments"], **case["options"])
    assert [at(i) for i in case["at"]] == pytest.approx(case["values"], rel=1e-5, abs=1e-8)


@named("smoothed")
def test_label_smoothing(case: dict[str, Any]) -> None:
    """A smoothed cross-entropy must be Keras'."""
    b = Builder()
    truth, prediction = (b.constant(Tensor.of(case[name], "float32")) for name in ("truth", "prediction"))
    classes = 2 if "Binary" in case["name"] else 4
    loss = losses.smoothed(losses.loss_named(case["name"]), case["amount"], classes=classes)
    b.output("loss", loss(b, truth, prediction))
    mean = statistics.mean(evaluate(b.graph, library())["loss"].flat)
    assert mean == pytest.approx(case["value"], rel=1e-5)


@named("initializers")
def test_initializer(case: dict[str, Any]) -> None:
    """As many draws as Keras made must have its mean, deviation and reach."""
    config = {"class_name": case["name"], "config": case["config"]}
    drawn = initialize(config, tuple(case["shape"]), random.Random(5)).flat.tolist()
    spread = case["deviation"]
    assert statistics.mean(drawn) == pytest.approx(
        case["mean"], abs=5 * spread / math.sqrt(len(drawn)) + 1e-9
    )
    assert statistics.pstdev(drawn) == pytest.approx(spread, rel=0.04, abs=1e-9)
    assert [min(drawn), max(drawn)] == pytest.approx([case["low"], case["high"]], rel=0.3, abs=1e-9)


def test_orthogonal_columns_are_orthonormal() -> None:
    """The shorter side of an orthogonal weight must be unit vectors at right angles."""
    flat = initialize("orthogonal", (40, 30), random.Random(5)).flat
    columns = [flat[c::30].tolist() for c in range(30)]
    for i, one in enumerate(columns):
        for j, other in enumerate(columns[: i + 1]):
            assert sum(a * b for a, b in zip(one, other, strict=True)) == pytest.approx(
                float(i == j), abs=1e-5
            )
