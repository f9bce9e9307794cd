"""The same models natively: ours against onnxruntime's CPU provider, one thread each, and ours with two, in turns."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from py_edge.bench import machine
from py_edge.bench.environments import NATIVE, environment
from py_edge.bench.places import ROOT
from py_edge.bench.session import Pace, Series
from py_edge.bench.suite import OURS, TOLERANCE

NATIVE_PEER = "onnxruntime"
TWO = "two threads"
"""Ours, on all cores; the other two stay on one."""
NATIVE_WORKER = "py_edge.bench.native_worker"


class Worker:
    """One runtime in its own process, pinned; `ask` sends a request and waits for the answer."""

    def __init__(
        self,
        python: Path | str,
        runtime: str,
        pinned: Sequence[int],
        threads: int = 1,
        module: str = NATIVE_WORKER,
    ) -> None:
        self.pinned = set(pinned)
        self.process = subprocess.Popen(
            [str(python), "-m", module, runtime, str(threads)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self.pinned and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self.process.pid, self.pinned)

    def ask(self, **request: Any) -> Any:
        """Raises RuntimeError with the worker's sentence."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline() or '{"error": "the worker ended"}')
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["value"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def measure(models: Sequence[str], pinned: Sequence[int], pace: Pace) -> dict[str, dict[str, Series]]:
    """Model -> runtime -> series. Both workers stay alive and take turns, so one core serves both."""
    found = {}
    with (
        Worker(sys.executable, "ours", pinned) as mine,
        Worker(environment("native", NATIVE), "onnxruntime", pinned) as theirs,
        Worker(sys.executable, "ours", (), 2) as two,
    ):
        workers = {OURS: mine, NATIVE_PEER: theirs, TWO: two}
        for model in models:
            print(f"native {model}", file=sys.stderr)
            found[model] = _one(model, workers, pace)
    return found


def _one(model: str, workers: dict[str, Worker], pace: Pace) -> dict[str, Series]:
    series = {name: Series() for name in workers}
    able = []
    for name, worker in workers.items():
        try:
            series[name].error = error = worker.ask(load=model)
            if not error <= TOLERANCE:
                raise RuntimeError(f"differs from Keras by {error:.1e}")
            worker.ask(block=pace.warm_s / 2)
            able.append(name)
        except RuntimeError as problem:
            series[name].problem = str(problem)
    rng = random.Random(0)
    kept = rejected = 0
    while able and kept < pace.sessions * pace.rounds:
        before = machine.now()
        blocks = {name: workers[name].ask(block=pace.block_s) for name in rng.sample(able, len(able))}
        if not machine.load_between(before, machine.now()).quiet and rejected < 2 * pace.rounds:
            rejected += 1
            continue
        kept += 1
        for name, ms in blocks.items():
            series[name].blocks.append(ms)
            series[name].rejected = rejected
    return series
