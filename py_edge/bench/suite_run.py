"""The whole benchmark: what is needed is made, the parts run one after the other, the result is told, drawn and kept."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import py_edge
from py_edge.bench import machine, native, overhead, plans, products, report, start, training
from py_edge.bench.browser import Tab, chromium, cores
from py_edge.bench.environments import cards, make_models, peers, versions
from py_edge.bench.mounts import MOUNTS
from py_edge.bench.picture import draw
from py_edge.bench.server import Server
from py_edge.bench.session import QUICK, Pace, Series, as_dict, measure, pool
from py_edge.bench.suite import OURS, PEERS, RUNTIMES

BUSY = 3
"""Exit code when the machine had other things to do."""
FAILED = 1
"""Exit code when a part failed; the others are told all the same."""

MOST_REJECTED = 0.2
"""Share of the rounds that may have been thrown away in a result that is published."""

START_MODELS = ("B1", "B2")
ALL_RUNTIMES = (OURS, *PEERS)


def run_suite(
    models: Sequence[str],
    parts: Sequence[str],
    tasks: Sequence[str] = (),
    *,
    quick: bool = False,
    force: bool = False,
    json_file: Path | None = None,
    svg_file: Path | None = None,
) -> int:
    """Returns an exit code: 0, BUSY or FAILED. Raises EnvironmentProblem when something cannot be made."""
    began = time.monotonic()
    idle = machine.idle_load()
    if not idle.quiet and not force:
        print(_busy(idle), file=sys.stderr)
        return BUSY
    pace = QUICK if quick else Pace()
    result = _prepare(models)
    took: dict[str, float] = {}
    failed = []
    for part in parts:
        begin = time.monotonic()
        try:
            result |= _TRAINING[part](tasks, pace) if part in _TRAINING else _PARTS[part](models, pace)
        except Exception as error:  # what the other parts measured, maybe for an hour, is kept
            result["problems"][part] = f"{type(error).__name__}: {error}"[:500]
            failed.append(part)
            print(f"{part} failed: {result['problems'][part]}", file=sys.stderr)
        took[part] = round(time.monotonic() - begin, 1)
    after, rejected = machine.idle_load(), _rejected(result)
    quiet = idle.quiet and after.quiet and rejected <= MOST_REJECTED
    result["machine"] |= {
        "quiet": quiet, "rejected_rounds": round(rejected, 3),
        "idle": [{"steal": round(load.steal, 4), "foreign": round(load.foreign, 4)} for load in (idle, after)],
    }  # fmt: skip
    result["publishable"] = quiet and not quick and not failed
    result["wall_s"] = {**took, "all": round(time.monotonic() - began, 1)}
    if json_file:
        json_file.write_text(json.dumps(result, indent=1) + "\n")
    print(report.text(result))
    if svg_file and (drawn := draw(result)):
        svg_file.write_text(drawn)
    if not quiet:
        print(_busy(max(idle, after, key=lambda load: load.foreign), rejected), file=sys.stderr)
    return FAILED if failed else 0 if quiet or force else BUSY


def _busy(load: machine.Load, rejected: float = 0.0) -> str:
    return (
        f"the machine is busy: others take {load.foreign:.0%} of a core, the hypervisor {load.steal:.1%}, "
        f"{rejected:.0%} of the rounds were disturbed; "
        "these numbers must not be published (--force measures all the same)"
    )


def _prepare(models: Sequence[str]) -> dict[str, Any]:
    for name in make_models(models):
        print(f"{name}: other bytes than those in tests/benchmarks/models.json", file=sys.stderr)
    peers()
    plans.make_site()
    problems = plans.write_plans(models)
    for name, problem in problems.items():
        print(f"py_edge on {name}: {problem}", file=sys.stderr)
    known = cards()
    return {
        "made": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": machine.describe(),
        "versions": {"py_edge": py_edge.__version__, **versions()},
        "models": {
            name: {"mmac": known[name]["mmac"], "weights": known[name]["weights_sha256"][:12]}
            for name in models
        },
        "problems": problems,
    }


def warm(models: Sequence[str], pace: Pace, threads: int) -> tuple[dict[str, dict[str, Series]], str]:
    """Model -> runtime -> all rounds of all sessions; and the browser's version."""
    sessions: dict[str, list[dict[str, Series]]] = {model: [] for model in models}
    browser_version = ""
    pinned = cores()[0] if threads == 1 else ()
    runtimes = [*ALL_RUNTIMES, *(["layers"] if threads == 1 else [])]
    for index in range(pace.sessions):
        with Server(MOUNTS) as server, chromium(pinned) as context:
            browser_version = context.browser.version
            tabs = [Tab(context, server.url, name, threads) for name in runtimes if name in RUNTIMES]
            for model in models:
                print(
                    f"{threads} thread(s), browser {index + 1} of {pace.sessions}: {model}", file=sys.stderr
                )
                sessions[model].append(measure(tabs, model, pace, seed=1000 * index + threads))
    return {model: pool(rows) for model, rows in sessions.items()}, browser_version


def _warm_part(name: str, threads: int) -> Callable[[Sequence[str], Pace], dict[str, Any]]:
    def part(models: Sequence[str], pace: Pace) -> dict[str, Any]:
        found, browser_version = warm(models, pace, threads)
        return {name: {model: as_dict(rows) for model, rows in found.items()}, "browser": browser_version}

    return part


def _start_part(models: Sequence[str], pace: Pace) -> dict[str, Any]:
    samples = start.QUICK_SAMPLES if pace is QUICK else start.SAMPLES
    found = start.first_output([name for name in START_MODELS if name in models], samples)
    return {
        "start": {
            model: {name: row.as_dict() for name, row in rows.items()} for model, rows in found.items()
        },
        "python": {who: row.as_dict() for who, row in start.python_ready(samples).items()},
    }


def _native_part(models: Sequence[str], pace: Pace) -> dict[str, Any]:
    found = native.measure(models, cores()[0], pace)
    return {"native": {model: as_dict(rows) for model, rows in found.items()}}


def _products_part(models: Sequence[str], pace: Pace) -> dict[str, Any]:
    return {"products": products.measure(cores()[0], 0.3 if pace is QUICK else 1.5)}


def _overhead_part(models: Sequence[str], pace: Pace) -> dict[str, Any]:
    make_models([overhead.MODEL])
    plans.write_plans([overhead.MODEL])
    return {"overhead": overhead.measure(cores()[0], pace.block_s)}


def _training_part(name: str, measured: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def part(ids: Sequence[str], pace: Pace) -> dict[str, Any]:
        tasks = training.tasks_named(ids)
        make_models(sorted({task.model for task in tasks.values()}))
        return {name: measured(tasks, cores()[0], pace is QUICK)}

    return part


def _rejected(result: dict[str, Any]) -> float:
    """Share of the rounds that were thrown away, over all series."""
    rows = [
        row
        for part in ("latency", "threads", "native")
        for model in result.get(part, {}).values()
        for row in model.values()
    ]
    rejected, kept = sum(row["rejected_rounds"] for row in rows), sum(len(row["blocks_ms"]) for row in rows)
    return rejected / (rejected + kept) if kept else 0.0


_PARTS: dict[str, Callable[[Sequence[str], Pace], dict[str, Any]]] = {
    "latency": _warm_part("latency", 1),
    "threads": _warm_part("threads", 2),
    "start": _start_part,
    "native": _native_part,
    "products": _products_part,
    "overhead": _overhead_part,
}
_TRAINING = {
    "training": _training_part("training", training.measure),
    "training-native": _training_part("training_native", training.measure_native),
}
