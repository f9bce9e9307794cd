"""The watch after a release: a version that breaks its promise goes by itself, a good one stays, and nothing swings."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest

from py_edge.chain.answers import keep_example
from py_edge.chain.simulate.loop import run_virtually
from py_edge.chain.simulate.place import SimClock, SimDisk
from py_edge.errors import StorageError
from py_edge.records import Example, Release
from py_edge.retrain.gate import GateRules
from py_edge.retrain.job import KIND, Retrainer, Schedule, gate_history
from py_edge.retrain.learner import Owned
from py_edge.retrain.release import current, make_release, publish, versions
from py_edge.retrain.watch import ALPHA, Watch, rollbacks, stake
from py_edge.storage.in_memory import MemoryBlobs, MemoryStore
from py_edge.storage.jobs import StoreJobs
from tests.node.asking import DEVICE, content
from tests.retrain.centroids import CentroidLearner, model_files

GOOD = {0: 0.0, 1: 10.0, 2: 20.0}
BAD = {0: 0.0, 1: 10.0, 3: 20.0}  # takes every two for a three
WORSE = {3: 0.0, 4: 10.0, 5: 20.0}
RISK = 0.05


class House:
    """A retrainer and its watch in virtual time, on a disk that outlives them."""

    def __init__(self, seed: int = 0) -> None:
        self.rng, self.clock, self.blobs = random.Random(seed), SimClock(), MemoryBlobs()
        self.disk = SimDisk(self.rng)
        self.number = 0
        self.open()

    def open(self) -> None:
        """Begin with what the disk holds."""

        async def here(work: Callable[[], Any]) -> Any:
            return work()

        self.store = MemoryStore(journal=self.disk, saved=self.disk.start())
        jobs = StoreJobs(self.store, self.clock.now_ms)
        owned = {"site": Owned("site", CentroidLearner(), 1)}
        self.watch = Watch(
            Retrainer(owned, self.store, self.blobs, jobs, self.clock, here, GateRules(), Schedule())
        )

    async def release(self, version: int, centroids: Mapping[int, float]) -> None:
        """A version that promises 5 % where it is at least 80 % sure."""
        metadata = {"threshold": 0.8, "promise": {"risk": RISK}}
        now = self.clock.now_ms()
        made = make_release(self.blobs, "site", version, model_files(centroids), metadata, now)
        await self.write(partial(publish, release=made))

    async def audit(self) -> None:
        """A person judges one more answer, a little later."""
        await self.clock.sleep(1)
        self.number += 1
        label = self.number % 3
        value = GOOD[label] + self.number / 10_000
        heard = Example(
            DEVICE, self.number, "digits", content(value), label, audit=True, at_ms=self.clock.now_ms()
        )
        await self.write(partial(keep_example, example=heard))

    async def write(self, work: Callable[[Any], Any]) -> None:
        """Once, however often the disk fails meanwhile."""
        while True:
            try:
                return await self.store.write(work)
            except StorageError:
                self.open()

    async def look(self) -> list[Release]:
        """What the watch does now; a failing disk ends this process and begins the next."""
        try:
            return await self.watch.look()
        except StorageError:
            self.open()
            return []

    async def until_back(self) -> Release:
        """Audit after audit until a release goes back; forty are more than enough."""
        for _ in range(40):
            await self.audit()
            if back := await self.look():
                return back[0]
        raise AssertionError("it was not taken back")

    async def in_use(self) -> tuple[int, Any]:
        """The version, and the one whose files it has again."""
        found = await self.store.read(lambda tx: current(tx, "site"))
        assert found is not None
        return found.version, found.metadata.get("rollback_to")


def test_a_version_that_breaks_its_promise_is_taken_back_once() -> None:
    """Five wrong of few are enough; the version before is released again, with the reason; then all is quiet."""

    async def story() -> None:
        house = House()
        await house.release(1, GOOD)
        await house.release(2, BAD)
        await house.until_back()
        assert await house.in_use() == (3, 1)
        (event,) = await house.store.read(gate_history)
        assert (event["decision"], event["from_version"], event["to_version"]) == ("rolled_back", 2, 1)
        assert event["reason"].endswith("audited answers wrong; at most 5.0% promised")
        for _ in range(60):
            await house.audit()
            assert await house.look() == []
        assert await house.store.read(rollbacks) == {"site": 1}

    run_virtually(story())


def test_after_a_rollback_the_watch_goes_on() -> None:
    """The next version is bad too: the good one comes again."""

    async def story() -> None:
        house = House()
        for version, centroids in ((1, GOOD), (2, BAD)):
            await house.release(version, centroids)
        await house.until_back()
        await house.release(4, WORSE)
        back = await house.until_back()
        first = (await house.store.read(lambda tx: versions(tx, "site")))[0]
        assert (back.version, back.files) == (5, first.files)

    run_virtually(story())


def test_what_was_audited_before_a_release_says_nothing_about_it() -> None:
    """Fifteen audits of the version before and six of this one: two of six wrong is no proof yet."""

    async def story() -> None:
        house = House()
        await house.release(1, GOOD)
        for _ in range(15):
            await house.audit()
        await house.release(2, BAD)
        for _ in range(6):
            await house.audit()
            assert await house.look() == []

    run_virtually(story())


def test_a_world_that_changed_is_certified_anew_and_nothing_swings() -> None:
    """Every version is wrong about today's audits: none is released again, and retraining, which certifies, is queued."""

    async def story() -> None:
        house = House()
        await house.release(1, WORSE)
        await house.release(2, BAD | {4: 10.0, 1: 90.0})
        for _ in range(60):
            await house.audit()
            assert await house.look() == []
        assert await house.in_use() == (2, None)
        assert await house.watch.job.jobs.take(KIND, 60) is not None

    run_virtually(story())


@pytest.mark.parametrize("seed", range(20))
def test_killed_and_failing_disks_still_one_rollback(seed: int) -> None:
    """In the simulated world commits fail with and without effect, again and again: exactly one rollback, to version 1."""

    async def story() -> tuple[tuple[int, Any], dict[str, int], list[int]]:
        house = House(seed)
        await house.release(1, GOOD)
        await house.release(2, BAD)
        house.disk.faults = house.disk.faults.__class__(disk=0.3)
        for _ in range(60):
            await house.audit()
            await house.look()
            if house.rng.random() < 0.2:
                house.open()
        known = await house.store.read(lambda tx: [release.version for release in versions(tx, "site")])
        return await house.in_use(), await house.store.read(rollbacks), known

    assert run_virtually(story()) == ((3, 1), {"site": 1}, [1, 2, 3])


def test_a_kept_promise_is_hardly_ever_broken_off_and_a_broken_one_soon() -> None:
    """Looked at after every audit: at the promised risk at most alpha of all histories end, at four times it nearly all."""
    rng = random.Random(5)

    def ends(risk: float, audits: int) -> bool:
        errors = 0
        for n in range(1, audits + 1):
            errors += rng.random() < risk
            if stake(errors, n, RISK) >= 1 / ALPHA:
                return True
        return False

    histories = 2_000
    assert sum(ends(RISK, 400) for _ in range(histories)) / histories <= ALPHA
    assert sum(ends(4 * RISK, 100) for _ in range(histories)) / histories >= 0.95
