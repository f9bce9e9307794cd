"""One native runtime in a process of its own: `python -m py_edge.bench.native_worker ours|onnxruntime [THREADS]`.

Reads requests from stdin, one JSON per line ({"load": model} or {"block": seconds}), answers each with one line.
Input goes in and outputs come out in every call.
"""

from __future__ import annotations

import json
import sys
import time
from array import array
from collections.abc import Callable
from statistics import median
from typing import Any

from py_edge.bench.places import MODELS

Call = Callable[[int], list[Any]]
"""Runs on the n-th input; returns flat outputs."""


def ours(model: str, card: dict[str, Any], threads: int) -> Call:
    from py_edge.bench.plans import load
    from py_edge.kernels.load import library
    from py_edge.plan import Run
    from py_edge.tensor import Tensor

    run = Run(load(model).plan(1), library(), threads)
    name = run.plan.inputs[0].name
    inputs = [{name: Tensor(memoryview(x), tuple(card["input"]), "float32")} for x in _inputs(card)]
    return lambda turn: [tensor.flat for tensor in run(inputs[turn]).values()]


def onnxruntime(model: str, card: dict[str, Any], threads: int) -> Call:
    import numpy as np
    import onnxruntime as ort  # type: ignore[import-not-found]

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = ort.InferenceSession(
        str(MODELS / model / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    inputs = [{name: np.frombuffer(x, np.float32).reshape(card["input"])} for x in _inputs(card)]
    return lambda turn: [output.ravel() for output in session.run(None, inputs[turn])]


def _inputs(card: dict[str, Any]) -> list[array[float]]:
    flat = array("f", (MODELS / card["id"] / "input.f32").read_bytes())
    size = len(flat) // card["count"]
    return [flat[i * size : (i + 1) * size] for i in range(card["count"])]


def difference(call: Call, card: dict[str, Any]) -> float:
    """Largest difference to Keras over all inputs and outputs, relative to the largest output."""
    worst = 0.0
    for index in range(len(card["outputs"])):
        wanted = array("f", (MODELS / card["id"] / f"output{index}.f32").read_bytes())
        size = len(wanted) // card["count"]
        for turn in range(card["count"]):
            want = wanted[turn * size : (turn + 1) * size]
            scale = max(map(abs, want))
            fits = [
                max(abs(g - w) for g, w in zip(got, want, strict=True))
                for got in call(turn)
                if len(got) == size
            ]
            worst = max(worst, float(min(fits)) / scale)
    return worst


def block(call: Call, count: int, seconds: float) -> float:
    """Median over groups of calls of about 5 ms, in ms per call."""
    group = 1
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        before = time.perf_counter()
        for turn in range(group):
            call(turn % count)
        ms = (time.perf_counter() - before) * 1000
        if ms < 5 and group < 10_000:
            group *= 2
        else:
            times.append(ms / group)
    return median(times)


def main() -> None:
    """Serve until stdin ends."""
    make = {"ours": ours, "onnxruntime": onnxruntime}[sys.argv[1]]
    threads = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    call: Call = lambda turn: []  # noqa: E731
    card: dict[str, Any] = {"count": 1}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "load" in request:
                card = json.loads((MODELS / request["load"] / "card.json").read_text())
                call = make(request["load"], card, threads)
                answer: Any = difference(call, card)
            else:
                answer = block(call, card["count"], request["block"])
            print(json.dumps({"value": answer}), flush=True)
        except Exception as error:
            print(json.dumps({"error": f"{type(error).__name__}: {error}"[:300]}), flush=True)


if __name__ == "__main__":
    main()
