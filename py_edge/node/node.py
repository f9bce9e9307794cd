"""The running node: storage opened, tier and desk joined, links and loops started and stopped.

Everything with a choice is handed in as `Parts`; the rest follows from `Settings`.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from py_edge.chain.inbox import Escalate
from py_edge.chain.listener import Listener
from py_edge.chain.ports import Answerer, Chance, Clock, Network
from py_edge.chain.tier import Tier, to_parent
from py_edge.chain.upstream import Upstream
from py_edge.desk.tasks import close_task, erase_task, open_task, pace, place_and_estimate
from py_edge.desk.verdict import Rules
from py_edge.errors import CapacityError
from py_edge.node.follow import Follower
from py_edge.node.settings import Settings
from py_edge.records import Question, Receipt, Release
from py_edge.retrain.gate import GateRules
from py_edge.retrain.job import Retrainer, Schedule
from py_edge.retrain.learner import Files, Owned
from py_edge.retrain.release import current, read_files
from py_edge.retrain.watch import Watch
from py_edge.storage.in_memory import MemoryBlobs, MemoryBus, MemoryStore
from py_edge.storage.jobs import StoreJobs
from py_edge.storage.ports import BlobStore, Reading, Row, Store
from py_edge.storage.tables import OUTBOX, TASKS

logger = logging.getLogger("py_edge.node")
HOUSEKEEPING_S = 1.0
INTERRUPTED_S = 60.0
IN_BROWSER = sys.platform == "emscripten"


class SystemClock:
    """The time of this machine."""

    def now_ms(self) -> int:
        """See chain.ports.Clock."""
        return time.time_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        """See chain.ports.Clock."""
        await asyncio.sleep(seconds)


@dataclass
class Parts:
    """What a node is handed; every part has a default.

    answerer answers by itself; when `answerer_model` names a model, `load(release, files)` is called on it with
    every new version. owned: the models retrained here. network: the link to the parent, made from the settings
    when None.
    """

    answerer: Answerer | None = None
    answerer_model: str = ""
    load: Callable[[Release, Files], None] | None = None
    owned: tuple[Owned, ...] = ()
    network: Network | None = None
    gate: GateRules | None = None
    clock: Clock | None = None
    chance: Chance | None = None
    store: Store | None = None
    blobs: BlobStore | None = None


class Node:
    """One place of the chain, running between `start` and `stop`."""

    def __init__(self, settings: Settings, parts: Parts) -> None:
        self.settings, self.parts = settings, parts
        self.clock: Clock = parts.clock or SystemClock()
        self.chance: Chance = parts.chance or random.SystemRandom()
        self.bus = MemoryBus()
        self.rules = Rules(settings.votes_least, settings.votes_most, settings.votes_sure)
        self.children: dict[str, int] = {}
        self.closing = False
        self.listening = 0
        self.arriving = 0  # questions being taken in, not yet counted in `crowd`
        self.pace_s: float | None = None  # seconds per vote
        self.crowd = 0  # questions that wait here, refreshed every second
        self.started_ms = self.clock.now_ms()
        self.loaded_version = 0
        self.network: Network | None = None
        self.upstream: Upstream | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Open the store and start the loops. Raises StorageError."""
        self.store, self.blobs = self._open()
        has_parent = bool(self.settings.parent or self.parts.network)
        escalate: Escalate = to_parent if has_parent else open_task
        self.tier = Tier(
            self.settings.name, self.settings.level, self.store, self.clock, self.chance, escalate,
            self.parts.answerer, aside_answer, None if has_parent else close_task,
            self.settings.audit_share, None if has_parent else self._last_place,
            None if has_parent else place_and_estimate, "" if has_parent else self.settings.name,
            erase_task,
        )  # fmt: skip
        self.retrainer = Retrainer(
            {owned.name: owned for owned in self.parts.owned}, self.store, self.blobs,
            StoreJobs(self.store, self.clock.now_ms), self.clock, aside, self.parts.gate or GateRules(),
            Schedule(self.settings.retrain_after, self.settings.retrain_every_s), self.settings.seed,
        )  # fmt: skip
        self.watch = Watch(self.retrainer)
        await self.retrainer.ensure_first()
        await self.load_current()
        self._spawn(self._keep_house, self._retrain, self._go_on_erasing)
        if has_parent:
            self._connect()

    async def stop(self) -> None:
        """Stop the loops, then close the store; what was acknowledged is on disk already."""
        self.end_streams()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        close = getattr(self.network, "close", None)
        if close is not None:
            await close()
        getattr(self.parts.answerer, "close", lambda: None)()
        await self.store.close()

    async def load_current(self) -> None:
        """Hand the newest version of its model to the answerer."""
        name, load = self.parts.answerer_model, self.parts.load
        if not name or load is None:
            return
        release = await self.store.read(lambda tx: current(tx, name))
        if release is not None and release.version != self.loaded_version:
            await aside(lambda: load(release, read_files(self.blobs, release)))
            self.loaded_version = release.version

    def end_streams(self) -> None:
        """Let every open stream finish; they would hold the server otherwise."""
        self.closing = True
        self.bus.publish("closing")

    async def ask(self, question: Question, asker: str) -> tuple[Receipt, bool]:
        """`Tier.ask`, and the crowd counted."""
        self.arriving += 1
        try:
            receipt, new = await self.tier.ask(question, asker)
        finally:
            self.arriving -= 1
        self.crowd += new
        return receipt, new

    def check_room(self) -> None:
        """Refuse politely before the queue grows without bound. Raises CapacityError."""
        if self.crowd + self.arriving >= self.settings.outbox_limit:
            raise CapacityError(
                "too many questions wait here", got=self.crowd, want=self.settings.outbox_limit
            )

    def _last_place(self, tx: Reading, row: Row) -> tuple[int | None, float | None]:
        """Behind everyone who waits: right for who comes last, and known without counting."""
        return self.crowd, None if self.pace_s is None else round((self.crowd + 1) * self.pace_s, 1)

    def saw_child(self, name: str) -> None:
        """Remember when a child was heard last."""
        self.children[name] = self.clock.now_ms()

    def _open(self) -> tuple[Store, BlobStore]:
        if self.parts.store is not None:
            self.bus = getattr(self.parts.store, "bus", self.bus)
            return self.parts.store, self.parts.blobs or MemoryBlobs()
        return self._open_store(), self.parts.blobs or self._open_blobs()

    def _open_store(self) -> Store:
        if self.settings.database:
            from py_edge.storage.postgres import PostgresStore

            return PostgresStore(self.settings.database, self.bus)
        if self.settings.data == "memory:":
            return MemoryStore(self.bus)
        from py_edge.storage.sqlite import SqliteStore

        return SqliteStore(Path(self.settings.data) / "node.db", self.bus, threaded=not IN_BROWSER)

    def _open_blobs(self) -> BlobStore:
        if self.settings.data == "memory:":
            return MemoryBlobs()
        from py_edge.storage.blobs import FolderBlobs

        return FolderBlobs(Path(self.settings.data) / "blobs")

    def _connect(self) -> None:
        network = self.parts.network
        if network is None:
            from py_edge.node.network import HttpNetwork

            network = HttpNetwork(self.settings.parent, self.settings.name, self.settings.parent_token)
        origin = self.settings.parent or "parent"  # another parent numbers its answers anew
        upstream = Upstream(self.tier, network, self.bus, origin)
        who = f"device=*&node={self.settings.name}"
        listener = Listener(self.tier, network, who, origin, upstream.reconnected)
        upstream.acknowledge = listener.acknowledge
        owned = frozenset(owned.name for owned in self.parts.owned)
        follower = Follower(network, self.store, self.blobs, self.clock, self.chance, owned)
        self._spawn(upstream.run, listener.run, follower.run)
        self.network, self.upstream = network, upstream

    def _spawn(self, *loops: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._tasks += [asyncio.create_task(self._for_ever(loop)) for loop in loops]

    async def _for_ever(self, loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """A loop that fails says why and begins again: one surprise must not silence a node."""
        while not self.store.trouble:
            try:
                await loop()
            except Exception:
                logger.exception(
                    "%s of node %s stopped; it begins again", loop.__qualname__, self.settings.name
                )
            await self.clock.sleep(HOUSEKEEPING_S)

    async def _keep_house(self) -> None:
        while not self.store.trouble:
            await self.tier.expire()
            if self.upstream is not None:
                await self.tier.ask_again()
            self.crowd, self.pace_s = await self.store.read(_look_at_queue)
            await self.clock.sleep(HOUSEKEEPING_S)

    async def _go_on_erasing(self) -> None:
        await self.tier.go_on_erasing()
        await self.clock.sleep(INTERRUPTED_S)

    async def _retrain(self) -> None:
        with self.bus.listen("examples", "releases") as waiter:
            while not self.store.trouble:
                await self.watch.look()
                await self.load_current()
                await self.retrainer.queue_due()
                await self.retrainer.run_waiting()
                await self.load_current()
                await waiter.wait(5.0)


def _look_at_queue(tx: Reading) -> tuple[int, float | None]:
    return tx.count(OUTBOX, ("kind", "=", "question")) + tx.count(TASKS, ("state", "=", "open")), pace(tx)


async def aside(work: Callable[[], Any]) -> Any:
    """Run slow work off the event loop, where there are threads."""
    return work() if IN_BROWSER else await asyncio.to_thread(work)


async def aside_answer(answer: Callable[[Any], Any], question: Any) -> Any:
    """Run an answerer off the event loop, where there are threads."""
    return answer(question) if IN_BROWSER else await asyncio.to_thread(answer, question)
