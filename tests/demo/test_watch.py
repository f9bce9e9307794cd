"""A node seen from outside: what its gate decided about candidates, without what was only taken back."""

from __future__ import annotations

from typing import Any

from py_edge.demo.watch import Watch
from py_edge.node.node import Parts
from py_edge.retrain.learner import Owned
from py_edge.retrain.release import version_of
from py_edge.retrain.rollback import roll_back
from py_edge.retrain.watch import ROLLED_BACK, Live
from tests.chain.test_scenarios import run_on
from tests.node.conftest import Start, start
from tests.retrain.centroids import CentroidLearner, model_files

__all__ = ["start"]


def test_a_rollback_is_no_decision_about_a_candidate(start: Start) -> None:
    """Taken back by the node itself, then told to retrain: what it waits for is the gate's word, the rollback is none."""
    owned = Owned("site", CentroidLearner(), 1, (model_files({0: 0.0, 1: 10.0}), {}))
    node = start("site", parts=Parts(owned=(owned,)))

    def take_back(tx: Any) -> None:
        first = version_of(tx, "site", 1)
        second = roll_back(tx, "site", 1, 1, "for once")
        assert node.node.watch._go_back(tx, second, first, Live(100, 50, 0.05, 1e6))

    watch = Watch(node.url)
    try:
        run_on(node, lambda: node.node.store.write(take_back))
        every = [gate["decision"] for gate in node.http.get("/v1/gates").json()["gates"]]
        assert (every, watch.gates("site"), watch.version("site")) == ([ROLLED_BACK], [], 3)
        decided = watch.retrain("site")
        assert decided["decision"] in ("released", "refused")
        assert watch.gates("site") == watch.gates() == [decided]
        assert watch.gates("another") == []
    finally:
        watch.close()
