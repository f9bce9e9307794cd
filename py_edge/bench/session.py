"""Warm latency: rounds of shuffled blocks, one block per runtime and round, so that every pair saw the same machine."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from py_edge.bench import machine
from py_edge.bench.browser import Tab
from py_edge.bench.suite import TOLERANCE


@dataclass(frozen=True)
class Pace:
    """Fresh browsers, rounds in each, seconds of a block, least and most seconds of warming up."""

    sessions: int = 3
    rounds: int = 10
    block_s: float = 0.25
    warm_s: float = 2.0
    warm_most_s: float = 8.0


QUICK = Pace(1, 8, 0.1, 0.4, 2.0)


@dataclass
class Series:
    """One runtime on one model: per round a median, the least, p95 and p99 (ms), or why there is none."""

    blocks: list[float] = field(default_factory=list)
    least: list[float] = field(default_factory=list)
    p95: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    error: float | None = None
    variant: str = ""
    problem: str = ""
    steady: bool = True
    rejected: int = 0


def measure(tabs: Sequence[Tab], model: str, pace: Pace, seed: int) -> dict[str, Series]:
    """Load, compare with Keras, warm up, then rounds. Every runtime that is timed has a block in every kept round."""
    series = {tab.runtime: Series() for tab in tabs}
    able = [tab for tab in tabs if _prepare(tab, model, pace, series[tab.runtime])]
    rng = random.Random(seed)
    kept = rejected = 0
    while able and kept < pace.rounds:
        before = machine.now()
        blocks = {tab.runtime: tab.call("block", seconds=pace.block_s) for tab in rng.sample(able, len(able))}
        if not machine.load_between(before, machine.now()).quiet and rejected < 2 * pace.rounds:
            rejected += 1
            continue
        kept += 1
        for runtime, block in blocks.items():
            for name, values in (("median", "blocks"), ("least", "least"), ("p95", "p95"), ("p99", "p99")):
                getattr(series[runtime], values).append(block[name])
    for tab in able:
        series[tab.runtime].rejected = rejected
        tab.call("dispose")
    return series


def _prepare(tab: Tab, model: str, pace: Pace, row: Series) -> bool:
    try:
        row.variant = str(tab.call("load", model=model).get("variant") or "")
        row.error = tab.call("check")
        if not (row.error is not None and row.error <= TOLERANCE):
            row.problem = f"differs from Keras by {row.error:.1e}" if row.error is not None else "gives NaN"
            tab.call("dispose")
            return False
        row.steady = tab.call("warm", seconds=pace.warm_s, most=pace.warm_most_s)["steady"]
    except RuntimeError as problem:
        row.problem = str(problem)[:200]
        print(f"  {tab.runtime} on {model}: {row.problem}", file=sys.stderr)
        return False
    return True


def pool(sessions: Sequence[dict[str, Series]]) -> dict[str, Series]:
    """All rounds of all sessions, per runtime; a problem in any of them stands."""
    pooled: dict[str, Series] = {}
    for session in sessions:
        for runtime, row in session.items():
            into = pooled.setdefault(runtime, Series(variant=row.variant, error=row.error))
            into.blocks += row.blocks
            into.least += row.least
            into.p95 += row.p95
            into.p99 += row.p99
            into.problem = into.problem or row.problem
            into.steady &= row.steady
            into.rejected += row.rejected
    return pooled


def as_dict(series: dict[str, Series]) -> dict[str, Any]:
    """For the JSON: times in ms to five digits."""

    def short(values: list[float]) -> list[float]:
        return [float(f"{value:.5g}") for value in values]

    return {
        name: {
            "variant": row.variant, "error": row.error, "problem": row.problem, "steady": row.steady,
            "rejected_rounds": row.rejected, "blocks_ms": short(row.blocks),
            "least_ms": short(row.least), "p95_ms": short(row.p95),
            "p99_ms": short(row.p99),
        }
        for name, row in series.items()
    }  # fmt: skip
