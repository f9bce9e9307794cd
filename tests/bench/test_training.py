"""Training tasks: chosen by name, measured in turns."""

from __future__ import annotations

from typing import Any

from py_edge.bench.suite import OURS, TASK_IDS, TENSORFLOW_TARGET, TRAINING_TARGETS
from py_edge.bench.training import TASKS, _turns, tasks_named


def test_every_target_and_every_name_has_a_task() -> None:
    """What the tables of targets and the command line name is measured."""
    assert {name.split()[0] for name in TASKS} == set(TASK_IDS)
    assert {
        name for target in (*TRAINING_TARGETS, TENSORFLOW_TARGET) for name in target.models
    } <= TASKS.keys()
    assert list(tasks_named(["T1"])) == ["T1 SGD", "T1 Adam"]
    assert tasks_named([]) == TASKS


def test_runners_take_turns_and_a_failing_one_is_left_out() -> None:
    """Every round asks each runner once; the median of the steps after the first batches is a block."""
    order: list[str] = []

    def runner(who: str, loss: float) -> Any:
        def run(message: dict[str, Any]) -> dict[str, Any]:
            order.append(who)
            if who == "cpu":
                raise RuntimeError("no kernel")
            return {"times": [9.0, 1.0, 2.0, 1.0, 1.0, 1.0, 3.0, 1.0, 1.0], "losses": [loss], "bytes": 8}

        return run

    runners = {OURS: runner(OURS, 2.0), "wasm": runner("wasm", 2.1), "cpu": runner("cpu", 0.0)}
    rows = _turns(TASKS["T3"], runners, quick=True)
    rounds = (TASKS["T3"].rounds + 1) // 2
    assert order == [OURS, "wasm", "cpu", *[OURS, "wasm"] * (rounds - 1)]
    assert rows[OURS]["blocks_ms"] == [1.0] * rounds
    assert (rows[OURS]["agree"], rows["wasm"]["agree"], rows["cpu"]["agree"]) == (True, False, None)
    assert rows["cpu"]["problem"] == "no kernel"
