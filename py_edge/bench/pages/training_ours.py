"""Runs inside Pyodide: one fine-tune, the time of each step and the loss of each epoch."""

import itertools
import math
import time
from typing import Any

from py_edge.model import load_model
from py_edge.tensor import Tensor
from py_edge.train.adapters import Adapters
from py_edge.train.finetune import finetune
from py_edge.train.start import start


def train(files: Any, x: Any, y: list[int], task: dict[str, Any]) -> dict[str, Any]:
    """files: name -> bytes; x: flat float32; task as in training.py. The same batches in the same order as the peer;
    with a rank, adapters beside every kernel learn to give the input back."""
    model = load_model({name: bytes(data) for name, data in files.items()})
    shape = tuple(model.tfjs.full_shapes(1)[model.inputs[0].name][1:])
    data = memoryview(x).cast("B")
    rows = len(data) // 4 // math.prod(shape)
    marks: list[float] = []
    plans: list[Any] = []

    def started(graph: Any) -> Any:
        run = start(graph)
        plans.append(run.plan)
        return run

    def mark(progress: Any) -> None:
        if not progress.done:
            marks.append(time.perf_counter())

    inputs = Tensor(data, (rows, *shape), "float32")
    history = finetune(
        model,
        inputs,
        inputs if task["rank"] else y,
        layers=_weights(model.trainable, task["trained"]) if task["trained"] else "all",
        adapters=Adapters(task["rank"], patterns=task["adapted"]) if task["rank"] else None,
        epochs=task["epochs"],
        batch=task["batch"],
        optimizer=task["optimizer"],
        learning_rate=task["rate"],
        metrics=(),
        shuffle=False,
        cache_features=False,
        callbacks=[mark],
        start=started,
    )
    times = [1000 * (b - a) for a, b in itertools.pairwise(marks)]
    size = max(plan.arena_bytes + plan.weights_bytes for plan in plans)
    return {"times": times, "losses": history.history["loss"], "bytes": size}


def _weights(names: list[str], layers: list[str]) -> list[str]:
    """Of these layers all weights but those of batch normalisation."""
    return [
        name
        for name in names
        if any(name.startswith(f"{layer}/") for layer in layers) and not name.endswith(("gamma", "beta"))
    ]
