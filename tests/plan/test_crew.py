"""Threads of a run: the same bits, only where there is enough to share, and gone with the run."""

from __future__ import annotations

import gc
import multiprocessing
import sys
import threading

import numpy as np
import pytest

from py_edge.graph import Builder
from py_edge.kernels.load import library
from py_edge.plan import Plan, Run, compile_graph
from py_edge.tensor import Tensor


def _plan(rows: int) -> Plan:
    b = Builder()
    weights = Tensor.of(np.random.default_rng(1).standard_normal((256, 512), np.float32))
    b.output(
        "y", b.op("softmax", b.op("tanh", b.op("matmul", b.input("x", (rows, 256)), b.constant(weights))))
    )
    return compile_graph(b.graph, library().panel)


def _helpers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("py_edge kernels")}


def test_more_threads_change_no_bit() -> None:
    """Two and three threads give exactly what one gives, run after run."""
    plan = _plan(509)
    x = np.random.default_rng(2).standard_normal((509, 256), np.float32)
    alone = Run(plan, library())({"x": x})["y"].tolist()
    for threads in (2, 3):
        run = Run(plan, library(), threads)
        assert run.threads == threads
        for _ in range(5):
            assert run({"x": x})["y"].tolist() == alone


def test_a_small_plan_stays_with_one_thread() -> None:
    """Where waking a thread costs more than it saves, none is made."""
    assert Run(_plan(4), library(), 2).threads == 1


@pytest.mark.skipif(sys.platform != "linux", reason="forks a process with threads")
def test_a_forked_process_goes_on_alone() -> None:
    """A process forked from one with helpers has none of them: it predicts with one thread, and does not wait."""
    context = multiprocessing.get_context("fork")
    x = np.random.default_rng(2).standard_normal((509, 256), np.float32)
    run = Run(_plan(509), library(), 2)
    wanted = run({"x": x})["y"].tolist()
    queue = context.SimpleQueue()
    child = context.Process(target=lambda: queue.put((run({"x": x})["y"].tolist() == wanted, run.threads)))
    child.start()
    child.join(60)
    if child.is_alive():
        child.kill()
    assert child.exitcode == 0
    assert queue.get() == (True, 1)
    assert run.threads == 2


def test_helpers_end_with_their_run() -> None:
    """A collected run leaves no thread behind."""
    before = _helpers()
    run = Run(_plan(509), library(), 3)
    own = _helpers() - before
    assert len(own) == 2
    del run
    gc.collect()
    for thread in own:
        thread.join(30)
    assert not any(thread.is_alive() for thread in own)
