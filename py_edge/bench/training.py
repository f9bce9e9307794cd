"""Training steps in one browser: ours in Pyodide against TF.js, WebAssembly and plain JavaScript; natively against TensorFlow.

A step is: rows in, forward, backward, update, loss out. Same weights, same batches; losses of the first epochs must agree.
The runners take turns, a round is one training each; a block is the median of its steps. TF.js trains no graph-model, so
for T5 it gets the same network by hand, on the weights of the same file.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from py_edge.bench.browser import chromium
from py_edge.bench.environments import TENSORFLOW, environment
from py_edge.bench.mounts import BUILT, MOUNTS
from py_edge.bench.native import Worker
from py_edge.bench.plans import load
from py_edge.bench.server import Server
from py_edge.bench.suite import OURS
from py_edge.train.adapters import Adapted, Adapters

AGREE = 1e-3
TIMEOUT_MS = 600_000
_LAST_BLOCKS = tuple(
    f"block_{block}_{part}" for block in (14, 15, 16) for part in ("expand", "depthwise", "project")
)


@dataclass(frozen=True)
class Task:
    """trained: layers by name, none for all; rank: of adapters beside every kernel, the model then being a graph; rounds, epochs:
    as much as patience allows, slow_epochs for the `slow` runners."""

    title: str
    model: str
    input: tuple[int, ...]
    classes: int
    batch: int
    optimizer: str
    rate: float
    trained: tuple[str, ...] = ()
    rank: int = 0
    batches: int = 4
    epochs: int = 60
    slow_epochs: int = 3
    slow: tuple[str, ...] = ("cpu",)
    rounds: int = 7


TASKS = {
    "T1 SGD": Task("MLP", "A1", (784,), 10, 32, "sgd", 0.05),
    "T1 Adam": Task("MLP", "A1", (784,), 10, 32, "adam", 0.001),
    "T2": Task("MNIST network, Adam", "T2", (28, 28, 1), 10, 64, "adam", 0.001, epochs=12, slow_epochs=2, rounds=3),
    "T3": Task("head on 1280 features, Adam", "T3", (1280,), 5, 16, "adam", 0.001),
    "T4": Task(
        "MobileNetV2, last 3 blocks, SGD", "B2", (224, 224, 3), 1000, 8, "sgd", 0.01, (*_LAST_BLOCKS, "Conv_1", "predictions"),
        batches=1, epochs=6, slow_epochs=2, rounds=3,
    ),
    "T5": Task(
        "MiniLM, 64 tokens, adapters of rank 8, Adam", "T5", (64, 384), 2, 4, "adam", 0.001, rank=8,
        batches=1, epochs=6, slow_epochs=2, slow=("wasm", "cpu"), rounds=1,
    ),
}  # fmt: skip
RUNNERS = {
    OURS: ("training_ours.js", ""),
    "wasm": ("training_tfjs.js", "wasm"),
    "cpu": ("training_tfjs.js", "cpu"),
}
ADAPTED = ("*kernel",)
TRAINING_WORKER = "py_edge.bench.training_worker"
Runner = Callable[[dict[str, Any]], dict[str, Any]]
"""A task as a message -> {times, losses, bytes}. Raises RuntimeError with the runner's sentence."""


def tasks_named(ids: Sequence[str]) -> dict[str, Task]:
    """Those whose first word is in `ids`; all when there is none."""
    return {name: task for name, task in TASKS.items() if name.split()[0] in ids} or TASKS


def measure(tasks: Mapping[str, Task], pinned: tuple[int, ...], quick: bool) -> dict[str, Any]:
    """Task -> runner -> {blocks_ms, steps, losses, bytes, problem, agree}: whether it loses as ours does; steps: of each
    training, of which the slow take fewer; bytes: peak of a step."""
    _write_adapters(tasks)
    with Server(MOUNTS) as server, chromium(pinned) as context:
        found = {}
        for name, task in tasks.items():
            print(f"training {name}", file=sys.stderr)
            runners = {who: _page(context, server.url, who) for who in RUNNERS}
            found[name] = _turns(task, runners, quick)
            for page in context.pages:
                page.close()
    return found


def measure_native(tasks: Mapping[str, Task], pinned: Sequence[int], quick: bool) -> dict[str, Any]:
    """The same on one thread of this machine, against TensorFlow."""
    _write_adapters(tasks)
    python = environment("tensorflow", TENSORFLOW)
    with (
        Worker(sys.executable, "ours", pinned, module=TRAINING_WORKER) as mine,
        Worker(python, "tensorflow", pinned, module=TRAINING_WORKER) as theirs,
    ):
        runners: dict[str, Runner] = {
            OURS: lambda message: dict(mine.ask(**message)),
            "tensorflow": lambda message: dict(theirs.ask(**message)),
        }
        found = {}
        for name, task in tasks.items():
            print(f"training {name}, native", file=sys.stderr)
            found[name] = _turns(task, runners, quick)
    return found


def _turns(task: Task, runners: Mapping[str, Runner], quick: bool) -> dict[str, Any]:
    rows: dict[str, dict[str, Any]] = {
        who: {"blocks_ms": [], "steps": 0, "losses": [], "bytes": 0, "problem": ""} for who in runners
    }
    for _ in range((task.rounds + 1) // 2 if quick else task.rounds):
        for who, run in runners.items():
            if not rows[who]["problem"]:
                _add(rows[who], run, task, task.slow_epochs if who in task.slow else task.epochs)
    for row in rows.values():
        row["agree"] = agree(rows[OURS]["losses"], row["losses"])
    return rows


def _add(row: dict[str, Any], run: Runner, task: Task, epochs: int) -> None:
    """One training more."""
    message = {
        "model": task.model, "trained": list(task.trained), "optimizer": task.optimizer, "rate": task.rate,
        "batch": task.batch, "batches": task.batches, "epochs": epochs, "classes": task.classes,
        "size": math.prod(task.input), "rank": task.rank, "adapted": list(ADAPTED),
        "format": "graph" if task.rank else "layers", "profile": not row["blocks_ms"],
    }  # fmt: skip
    try:
        got = run(message)
    except RuntimeError as error:
        row["problem"] = str(error)[:200]
        return
    times = got["times"]
    row["blocks_ms"].append(round(median(times[min(task.batches, len(times) // 2) :]), 4))
    row["steps"] = len(got["losses"]) * task.batches
    row["losses"] = row["losses"] or [round(loss, 5) for loss in got["losses"]]
    row["bytes"] = max(row["bytes"], int(got["bytes"]))


def _write_adapters(tasks: Mapping[str, Task]) -> None:
    """The first A of each adapter, by the name of its weight, for the peers."""
    BUILT.mkdir(parents=True, exist_ok=True)
    for task in (task for task in tasks.values() if task.rank):
        model = load(task.model)
        adapted = Adapted(model, Adapters(task.rank, patterns=ADAPTED), model.trainable)
        first = {
            name.removesuffix("/lora_a"): tensor.flat.tolist()
            for name, tensor in adapted.first.items()
            if name.endswith("/lora_a")
        }
        (BUILT / f"{task.model}.adapters.json").write_text(json.dumps(first))


def agree(ours: list[float], theirs: list[float]) -> bool | None:
    """Whether the epochs that both have lost alike; None when one has none."""
    pairs = list(zip(ours, theirs, strict=False))
    return all(abs(a - b) <= AGREE * max(abs(b), 0.1) for a, b in pairs[:2]) if pairs else None


def _page(context: Any, url: str, who: str) -> Runner:
    from playwright.sync_api import Error

    script, backend = RUNNERS[who]
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    page.goto(f"{url}/bench/training.html?script={script}&backend={backend}")

    def run(message: dict[str, Any]) -> dict[str, Any]:
        try:
            return dict(page.evaluate("message => run(message)", message))
        except Error as error:
            raise RuntimeError(error.message.split("\n")[0].removeprefix("Page.evaluate: ")) from error

    return run
