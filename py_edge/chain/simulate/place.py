"""One place of the simulated world: the real tier on a simulated disk, which can be killed and started again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

from py_edge.chain.answers import PERSON_TIER, settle
from py_edge.chain.listener import Listener
from py_edge.chain.ports import Answerer, Guess, Network
from py_edge.chain.simulate.faults import Faults
from py_edge.chain.states import PENDING
from py_edge.chain.tier import Tier, to_parent
from py_edge.chain.upstream import Upstream
from py_edge.errors import PyEdgeError
from py_edge.records import Answer, Question
from py_edge.storage.in_memory import Change, Key, MemoryStore
from py_edge.storage.ports import Reading, Row, Transaction
from py_edge.storage.tables import QUESTIONS

EPOCH_MS = 1_700_000_000_000


class SimClock:
    """Virtual time plus how wrong this place's clock is."""

    def __init__(self) -> None:
        self.wrong_ms = 0

    def now_ms(self) -> int:
        """See chain.ports.Clock."""
        return max(1, EPOCH_MS + int(asyncio.get_running_loop().time() * 1000) + self.wrong_ms)

    async def sleep(self, seconds: float) -> None:
        """See chain.ports.Clock."""
        await asyncio.sleep(seconds)


class SimDisk:
    """What survives a kill: rows by key. A commit takes a moment and may fail, with or without effect; then all fail."""

    def __init__(self, rng: random.Random) -> None:
        self.rows: dict[tuple[str, Key], Row] = {}
        self.rng, self.faults = rng, Faults()
        self.starts = 0
        self.failed = self.dead = False

    def start(self) -> list[Change]:
        """Everything, for the next process; what the one before has not written by now never comes."""
        self.starts += 1
        self.failed = self.dead = False
        return [(name, key, row) for (name, key), row in self.rows.items()]

    async def commit(self, changes: list[Change]) -> None:
        """See storage.in_memory.Journal."""
        start = self.starts
        await asyncio.sleep(self.rng.random() * 0.002)
        if start != self.starts:
            raise OSError("simulated kill before")
        # As the real stores: after an error nobody knows what is on the disk, so nothing is added.
        if self.failed:
            raise OSError("simulated I/O error before")
        fails = self.rng.random() < (0.5 if self.dead else self.faults.disk)
        if not fails or self.rng.random() < 0.5:
            for name, key, row in changes:
                if row is None:
                    self.rows.pop((name, key), None)
                else:
                    self.rows[name, key] = row
        if fails:
            self.failed = True
            raise OSError("simulated I/O error")


def keep(tx: Transaction, row: Row, question: Question, now_ms: int) -> None:
    """At the top there is nowhere to send a question: it waits for the person."""


def truth(digest: str) -> int:
    """What a person sees in this content."""
    return int(digest[:8], 16) % 10


class Model:
    """A model at a node: what it is sure of is right; of the rest it has an idea, or none."""

    threshold = 0.9
    labels = tuple("0123456789")

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def answer(self, question: Question) -> Guess:
        """See chain.ports.Answerer."""
        kind = self.rng.random()
        label = truth(question.digest) if kind < 0.3 else self.rng.randrange(10)
        confidence = 0.95 if kind < 0.3 else 0.4 if kind < 0.9 else float("nan")
        return Guess(label, [confidence if n == label else (1 - confidence) / 9 for n in range(10)])


class Place:
    """A device, a node, or the top with its person."""

    house_s = 1.0
    slip_chance = 0.0
    answerer: Answerer | None = None
    origin = "parent"  # which parent it is, by name
    takes_many = True  # whether it knows the route for many questions; an older version does not

    def __init__(self, name: str, level: int, rng: random.Random, top: bool = False) -> None:
        self.name, self.level, self.rng, self.top = name, level, rng, top
        self.disk, self.clock = SimDisk(rng), SimClock()
        self.network: Network | None = None
        self.up = False
        self.starts = 0
        self.tasks: list[asyncio.Task[None]] = []
        self.slips: set[str] = set()  # contents about which the person was wrong, and has not yet said so

    def start(self) -> None:
        """Begin with what the disk holds."""
        self.store = MemoryStore(journal=self.disk, saved=self.disk.start())
        self.tier = Tier(
            self.name,
            self.level,
            self.store,
            self.clock,
            self.rng,
            keep if self.top else to_parent,
            self.answerer,
            erased_at_once=2,
        )
        self.up, self.starts = True, self.starts + 1
        loops: list[Coroutine[Any, Any, None]] = [self._keep_house()]
        if self.network is not None:
            upstream = Upstream(self.tier, self.network, self.store.bus, self.origin)
            who = f"device=*&node={self.name}" if self.level else f"device={self.name}"
            listener = Listener(self.tier, self.network, who, self.origin, upstream.reconnected)
            upstream.acknowledge = listener.acknowledge
            loops += [upstream.run(), listener.run()]
        if self.top:
            loops.append(self._person())
        self.tasks = [asyncio.create_task(self._until_trouble(loop)) for loop in loops]

    async def kill(self) -> None:
        """Everything that is not on the disk is gone."""
        self.up, self.disk.dead = False, True
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.tasks = []

    async def _until_trouble(self, loop: Coroutine[Any, Any, None]) -> None:
        try:
            await loop
        except PyEdgeError:
            self.disk.failed = True  # like a real node: trouble with the disk ends the process

    async def _keep_house(self) -> None:
        await self.tier.go_on_erasing()
        while True:
            await self.tier.expire()
            if self.network is not None:
                await self.tier.ask_again()
            await asyncio.sleep(self.house_s)

    async def _person(self) -> None:
        """Looks at one waiting question after the other, and sometimes thinks again."""
        while True:
            await asyncio.sleep(0.2 + self.rng.random() * 2)
            row = await self.store.read(self._pick)
            if row is None:
                continue
            seen = truth(row["digest"])
            slip = self.rng.random() < self.slip_chance
            label = (seen + 1) % 10 if slip else seen
            answer = Answer(
                device=row["device"], sequence=row["sequence"], revision=1, label_index=label, label=str(label),
                source="person", tier=PERSON_TIER, annotators=("ann",), answered_at_ms=self.clock.now_ms(),
            )  # fmt: skip
            self.slips.add(row["digest"])
            await self.store.write(lambda tx, row=row, answer=answer: self._answer(tx, row, answer))  # type: ignore[misc]
            if not slip:
                self.slips.discard(row["digest"])

    def _pick(self, tx: Reading) -> Row | None:
        rows = tx.select(QUESTIONS, ("state", "in", PENDING), order=("-priority",), limit=3)
        if not rows and self.slips:
            rows = tx.select(
                QUESTIONS, ("digest", "in", tuple(sorted(self.slips))), ("state", "=", "answered")
            )
        return rows[self.rng.randrange(len(rows))] if rows else None

    def _answer(self, tx: Transaction, row: Row, answer: Answer) -> None:
        for asked in tx.select(QUESTIONS, ("digest", "=", row["digest"])):
            now = tx.get(QUESTIONS, asked["device"], asked["sequence"])
            if now is not None:
                settle(tx, now, answer, self.clock.now_ms())
