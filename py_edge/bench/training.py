"""Training steps in one browser: ours in Pyodide against TF.js, WebAssembly and plain JavaScript.

A step is: rows in, forward, backward, update, loss out. Same weights, same batches; losses of the first epochs must agree.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from statistics import median
from typing import Any

from py_edge.bench.browser import chromium
from py_edge.bench.mounts import MOUNTS
from py_edge.bench.server import Server

AGREE = 1e-3
TIMEOUT_MS = 600_000
_LAST_BLOCKS = tuple(
    f"block_{block}_{part}" for block in (14, 15, 16) for part in ("expand", "depthwise", "project")
)


@dataclass(frozen=True)
class Task:
    """trained: layers by name, none for all; seconds of patience per runtime decide how many epochs."""

    title: str
    model: str
    input: tuple[int, ...]
    classes: int
    batch: int
    optimizer: str
    rate: float
    trained: tuple[str, ...] = ()
    batches: int = 4
    epochs: int = 60
    slow_epochs: int = 3


TASKS = {
    "T1 SGD": Task("MLP", "A1", (784,), 10, 32, "sgd", 0.05),
    "T1 Adam": Task("MLP", "A1", (784,), 10, 32, "adam", 0.001),
    "T2": Task("MNIST network, Adam", "T2", (28, 28, 1), 10, 64, "adam", 0.001, epochs=12, slow_epochs=2),
    "T3": Task("head on 1280 features, Adam", "T3", (1280,), 5, 16, "adam", 0.001),
    "T4": Task(
        "MobileNetV2, last 3 blocks, SGD", "B2", (224, 224, 3), 1000, 8, "sgd", 0.01, (*_LAST_BLOCKS, "Conv_1", "predictions"),
        batches=2, epochs=3, slow_epochs=1,
    ),
}  # fmt: skip
RUNNERS = {
    "ours": ("training_ours.js", ""),
    "wasm": ("training_tfjs.js", "wasm"),
    "cpu": ("training_tfjs.js", "cpu"),
}
MODELS_NEEDED = ("A1", "T2", "T3", "B2")


def measure(pinned: tuple[int, ...], quick: bool) -> dict[str, Any]:
    """Task -> runner -> {ms, losses, steps} or {problem}; `agree` tells whether the losses do."""
    found: dict[str, Any] = {}
    with Server(MOUNTS) as server, chromium(pinned) as context:
        for name, task in TASKS.items():
            print(f"training {name}", file=sys.stderr)
            rows = {who: _run(context, server.url, task, who, quick) for who in RUNNERS}
            found[name] = {"title": task.title, **rows}
            for who in ("wasm", "cpu"):
                rows[who]["agree"] = agree(rows["ours"].get("losses", []), rows[who].get("losses", []))
    return found


def agree(ours: list[float], theirs: list[float]) -> bool | None:
    """Whether the epochs that both have lost alike; None when one has none."""
    pairs = list(zip(ours, theirs, strict=False))
    return all(abs(a - b) <= AGREE * max(abs(b), 0.1) for a, b in pairs[:2]) if pairs else None


def _run(context: Any, url: str, task: Task, who: str, quick: bool) -> dict[str, Any]:
    from playwright.sync_api import Error

    script, backend = RUNNERS[who]
    epochs = task.slow_epochs if who == "cpu" or quick else task.epochs
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    try:
        page.goto(f"{url}/bench/training.html?script={script}&backend={backend}")
        message = {
            "model": task.model, "trained": list(task.trained), "optimizer": task.optimizer, "rate": task.rate,
            "batch": task.batch, "batches": task.batches, "epochs": epochs, "classes": task.classes,
            "size": math.prod(task.input),
        }  # fmt: skip
        got = page.evaluate("message => run(message)", message)
    except Error as error:
        return {"problem": error.message.split("\n")[0].removeprefix("Page.evaluate: ")[:200]}
    finally:
        page.close()
    times = got["times"]
    kept = times[min(task.batches, len(times) // 2) :]
    return {
        "ms": round(median(kept), 4),
        "steps": len(times),
        "losses": [round(loss, 5) for loss in got["losses"]],
    }
