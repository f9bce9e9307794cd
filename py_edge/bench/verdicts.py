"""Which targets of suite.py a result reaches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from py_edge.bench.native import NATIVE_PEER
from py_edge.bench.statistics import Ratio, geometric_mean, paired_ratio
from py_edge.bench.suite import (
    GEOMETRIC,
    NATIVE_TARGET,
    OURS,
    OVERHEAD_US,
    PEERS,
    PRODUCT_SHARE,
    PRODUCTS,
    PYTHON_TARGET,
    RUNTIMES,
    START_TARGET,
    TARGETS,
    TENSORFLOW_TARGET,
    THREADS_TARGET,
    TRAINING_TARGETS,
    WIRE_KB,
    Target,
)

Rows = Mapping[str, Any]
"""Model -> runtime -> its series, as in the JSON."""


@dataclass(frozen=True)
class Verdict:
    """name: what is to be reached; smaller: less is better."""

    name: str
    value: float
    must: float
    aim: float
    smaller: bool = False

    @property
    def word(self) -> str:
        sign = -1 if self.smaller else 1
        if sign * self.value >= sign * self.aim:
            return "aim reached"
        return "reached" if sign * self.value >= sign * self.must else "BELOW"

    @property
    def cells(self) -> list[str]:
        value = "-" if math.isnan(self.value) else f"{self.value:.3g}"
        return [self.name, value, f"{self.must:g}", f"{self.aim:g}", self.word]


def judge(result: Mapping[str, Any]) -> list[Verdict]:
    """One verdict per target for which there are numbers."""
    return [*_latency(result), *_starts(result), *_products(result), *_overhead(result), *_training(result)]


def ratio(rows: Rows, model: str, peer: str) -> Ratio | None:
    """peer's time / ours; None if one of them has none."""
    ours, theirs = rows.get(model, {}).get(OURS), rows.get(model, {}).get(peer)
    if not ours or not theirs or not ours["blocks_ms"] or len(ours["blocks_ms"]) != len(theirs["blocks_ms"]):
        return None
    return paired_ratio(theirs["blocks_ms"], ours["blocks_ms"])


def best_ratio(rows: Rows, model: str) -> Ratio | None:
    """Against the peer that is fastest on this model."""
    found = [found for peer in PEERS if (found := ratio(rows, model, peer))]
    return min(found, key=lambda r: r.median, default=None)


def _latency(result: Mapping[str, Any]) -> Iterator[Verdict]:
    rows = result.get("latency", {})
    for target in TARGETS:
        values = [r.median for model in target.models if (r := ratio(rows, model, target.peer))]
        yield from _mean(target, RUNTIMES[target.peer].title, values)
    values = [r.median for model in GEOMETRIC if (r := best_ratio(result.get("threads", {}), model))]
    yield from _mean(THREADS_TARGET, "best peer, two threads", values)
    natives = result.get("native", {})
    values = [r.median for model in NATIVE_TARGET.models if (r := ratio(natives, model, NATIVE_PEER))]
    yield from _mean(NATIVE_TARGET, "onnxruntime, native", values)


def _mean(target: Target, title: str, values: Sequence[float]) -> Iterator[Verdict]:
    if values:
        name = target.models[0] if len(target.models) == 1 else f"mean of {len(values)}"
        yield Verdict(f"{name} against {title}", geometric_mean(values), target.must, target.aim)


def _starts(result: Mapping[str, Any]) -> Iterator[Verdict]:
    rows = result.get("start", {}).get(START_TARGET.models[0], {})
    pythons = result.get("python", {})
    pairs = (
        ("first output of B1 against TF.js", rows.get(OURS), rows.get(START_TARGET.peer), START_TARGET),
        ("Python ready against Pyodide with numpy", pythons.get("ours"), pythons.get("plain"), PYTHON_TARGET),
    )
    for name, ours, theirs, target in pairs:
        for state, key in (("fresh", "fresh_ms"), ("reload", "reload_ms")):
            if ours and theirs and ours[key] and theirs[key]:
                value = median(theirs[key]) / median(ours[key])
                yield Verdict(f"{name}, {state}", value, target.must, target.aim)
    if rows.get(OURS, {}).get("brotli_bytes"):
        yield Verdict(
            "executor and glue, kB brotli", rows[OURS]["brotli_bytes"] / 1000, *WIRE_KB, smaller=True
        )


def _training(result: Mapping[str, Any]) -> Iterator[Verdict]:
    for target in TRAINING_TARGETS:
        title = f"{target.models[0]} against TF.js {target.peer}"
        yield from _trained(result.get("training", {}), target.models[0], target, title)
    for name in TENSORFLOW_TARGET.models:
        title = f"{name} against TensorFlow, native"
        yield from _trained(result.get("training_native", {}), name, TENSORFLOW_TARGET, title)


def _trained(rows: Rows, task: str, target: Target, title: str) -> Iterator[Verdict]:
    """A peer that loses otherwise than we do trains something else: nothing is reached."""
    if found := ratio(rows, task, target.peer):
        same = rows[task][target.peer].get("agree") is not False
        yield Verdict(title, found.median if same else math.nan, target.must, target.aim)


def _products(result: Mapping[str, Any]) -> Iterator[Verdict]:
    for name, row in result.get("products", {}).get("relaxed", {}).items():
        product = PRODUCTS[name]
        if product.kind == "matmul" and product.sizes[2] >= 256:
            yield Verdict(f"{name}, share of ceiling", row["share"], *PRODUCT_SHARE)


def _overhead(result: Mapping[str, Any]) -> Iterator[Verdict]:
    if found := result.get("overhead"):
        name = f"JavaScript of a call on {found['model']}, us"
        yield Verdict(name, found["overhead_us"], *OVERHEAD_US, smaller=True)
