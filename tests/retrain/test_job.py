"""One run of the retraining job on a real store: what is released, what is refused, and what keeps a certificate alive."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import pytest

from py_edge.chain.answers import keep_example
from py_edge.confidence.certify import NEVER_SURE
from py_edge.confidence.policy import make_policy
from py_edge.node.node import SystemClock
from py_edge.records import Example, Release
from py_edge.retrain.gate import GateRules
from py_edge.retrain.job import Retrainer, Schedule, gate_history
from py_edge.retrain.learner import Owned
from py_edge.retrain.release import current, read_files
from py_edge.storage.in_memory import MemoryBlobs, MemoryStore
from py_edge.storage.jobs import StoreJobs
from tests.node.asking import DEVICE, content
from tests.retrain.centroids import CentroidLearner, model_files, read_centroids

CENTRES = {0: 0.0, 1: 10.0, 2: 20.0}
TAUGHT, AUDITED, GOLD = 1, 1_000, 9_000
pytestmark = pytest.mark.anyio


class Certified(CentroidLearner):
    """Promises what the product's own certificate allows."""

    def certify(
        self, files: Mapping[str, bytes], audits: Sequence[Example], gold: Sequence[Example]
    ) -> tuple[Mapping[str, bytes], dict[str, Any]]:
        """See Learner."""
        outputs = [guess.probabilities for guess in self.evaluate(files, audits)]
        policy = make_policy(outputs, [example.label_index for example in audits])
        return files, {"threshold": policy.threshold, "certificate": asdict(policy.certificate)}


def example(number: int, label: int, audit: bool = False, value: float | None = None) -> Example:
    """A person's word on this value, or on something near the centre of number % 3."""
    value = CENTRES[number % 3] + (number % 7) / 20 if value is None else value
    return Example(
        DEVICE, number, "digits", content(value), label, tier=99, audit=audit, annotators=("ann",), at_ms=number
    )  # fmt: skip


def right(first: int, count: int, audit: bool = False) -> list[Example]:
    """So many true words."""
    return [example(number, number % 3, audit) for number in range(first, first + count)]


class House:
    """A retrainer with its store."""

    def __init__(self, gold: Sequence[Example] | None = None) -> None:
        self.store, self.blobs, clock = MemoryStore(), MemoryBlobs(), SystemClock()
        owned = Owned(
            "site", Certified(), 1, (model_files(CENTRES), {}), right(GOLD, 30) if gold is None else gold
        )

        async def here(work: Callable[[], Any]) -> Any:
            return work()

        self.job = Retrainer(
            {"site": owned}, self.store, self.blobs, StoreJobs(self.store, clock.now_ms), clock, here, GateRules(),
            Schedule(),
        )  # fmt: skip

    async def hear(self, examples: Sequence[Example]) -> None:
        """Words of persons."""
        for one in examples:
            await self.store.write(partial(keep_example, example=one))

    async def run(self) -> tuple[bool, Release]:
        """One run; whether the candidate passed, and what is in use then."""
        await self.job.ensure_first()
        decision = await self.job.run("site")
        release = await self.store.read(lambda tx: current(tx, "site"))
        assert release is not None
        return decision.passed, release


async def test_audits_keep_a_certificate_alive() -> None:
    """The weights stay, the promise follows the newest audits: none, then kept, then broken by a drift, then climbing all."""
    house = House()
    await house.hear(right(TAUGHT, 60))
    _, unproven = await house.run()
    assert unproven.metadata["threshold"] == NEVER_SURE
    await house.hear(right(AUDITED, 90, audit=True))
    passed, certified = await house.run()
    assert (passed, certified.files) == (False, unproven.files)
    assert certified.metadata["threshold"] <= 1 < NEVER_SURE
    assert certified.metadata["certificate"]["n"] == 90
    _, again = await house.run()
    assert again.version == certified.version
    drifted = [example(number, (number + 1) % 3, audit=True) for number in range(2_000, 2_060)]
    await house.hear(drifted)
    passed, broken = await house.run()
    assert (passed, broken.files) == (False, certified.files)
    assert broken.version == certified.version + 1
    assert broken.metadata["threshold"] == NEVER_SURE


async def test_a_worse_candidate_is_refused_and_the_model_in_use_stays() -> None:
    """Sixty false words make a candidate that gold and audits know better than; nothing of it is released."""
    house = House()
    await house.hear(right(AUDITED, 90, audit=True))
    await house.hear([example(number, (number + 1) % 3) for number in range(1, 61)])
    passed, release = await house.run()
    assert not passed
    assert read_files(house.blobs, release) == model_files(CENTRES)
    gates = await house.store.read(gate_history)
    assert [(gate["decision"], gate["reason"]) for gate in gates] == [
        ("refused", "not better than the current model")
    ]
    assert gates[0]["metrics"]["accuracy_new"] < gates[0]["metrics"]["accuracy_old"]


async def test_a_learner_in_trouble_is_a_refusal_with_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training that fails leaves the model in use and says why."""

    def fail(self: Any, base: Any, examples: Any, seed: int) -> Any:
        raise ArithmeticError("the loss is not finite")

    monkeypatch.setattr(Certified, "train", fail)
    house = House()
    await house.hear(right(TAUGHT, 60))
    passed, release = await house.run()
    assert (passed, release.version) == (False, 1)
    assert "the loss is not finite" in (await house.store.read(gate_history))[0]["reason"]


async def test_scenario_01_round_two_of_learning_deploys_as_round_one_did() -> None:
    """Two drifts, two rounds: each releases one version more, made from the one before, and the second is learnt too (Sedna #381)."""
    house = House(gold=[])
    first = (await house.run())[1]
    for round_, place in enumerate((1, 2), 1):
        shifted = [
            example(
                3 * n + place + 300 * round_, (place + 5) % 10, value=CENTRES[place] + 40 * round_ + n / 50
            )
            for n in range(40)
        ]
        await house.hear(shifted)
        passed, release = await house.run()
        assert (passed, release.version) == (True, first.version + round_)
        learnt = read_centroids(read_files(house.blobs, release))
        assert learnt[(place + 5) % 10] == pytest.approx(CENTRES[place] + 40 * round_ + 0.4, abs=0.2)
    assert set(learnt) >= {6, 7}
