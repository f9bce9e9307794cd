"""The places, links and people of one history: devices ask while everything fails, then the world heals and comes to rest."""

from __future__ import annotations

import asyncio
import random
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

from py_edge.chain.identity import make_question
from py_edge.chain.simulate.faults import HEALED, draw_faults
from py_edge.chain.simulate.link import Link, asker_of, guard
from py_edge.chain.simulate.place import Model, Place
from py_edge.errors import ConflictError, NotFoundError, PyEdgeError
from py_edge.records import TERMINAL, Question
from py_edge.storage.ports import Transaction
from py_edge.storage.tables import DELIVERIES, OUTBOX, QUESTIONS

CHAOS_S = 120.0
QUIET_LIMIT_S = 7_200.0
QUIET_AFTER_LOSSES_S = 20_000.0  # what a parent forgot is asked again after an hour


@dataclass(frozen=True)
class Plan:
    """How big a history is."""

    tiers: int = 0  # nodes between device and person; 0: drawn from 1 to 6
    devices: int = 2
    questions: int = 4
    burst: int = 1  # so many at once, so that they go up together
    contents: int = 5  # few contents: equal questions are common
    deadlines: bool = True
    erasures: float = 0.0  # share of questions that their device erases some time after
    leaving: float = 0.0  # share of devices that at some time erase everything they have asked so far
    models: float = 0.0  # share of nodes with a model; then half of the questions are in a hurry
    losses: float = 0.0  # share of the kills of a node that take its disk as well
    moves: float = 0.0  # share of the kills of a node after which it starts with another parent
    slips: float = 0.1  # share of the person's words that are wrong, until the person thinks again


@dataclass
class Told:
    """What the outside saw of one question."""

    question: Question
    has_deadline: bool = False
    cancelled: bool = False
    erased: bool = False


class World:
    """All places and links of one history."""

    def __init__(self, seed: int, plan: Plan) -> None:
        self.rng = random.Random(seed)
        self.plan = plan
        self.log: list[tuple[Any, ...]] = []
        self.told: dict[str, Told] = {}
        self.kills = 0
        self.erasers: list[asyncio.Task[None]] = []
        self.left: set[str] = set()
        tiers = plan.tiers or self.rng.randrange(1, 7)
        self.nodes = [Place(f"n{n}", n, self.rng, top=n == tiers) for n in range(1, tiers + 1)]
        self.devices = [Place("", 0, self.rng) for _ in range(plan.devices)]
        self.links = [self._link(a, b) for a, b in zip(self.nodes, self.nodes[1:], strict=False)]
        for place in self.devices:
            place.name = f"{self.rng.getrandbits(128):032x}"
            place.disk.rows["facts", ("device",)] = {"name": "device", "value": place.name}
            self.links.append(self._link(place, self.nodes[0]))
        self.nodes[-1].slip_chance = plan.slips
        for place in self.nodes[:-1]:
            if plan.models and self.rng.random() < plan.models:
                place.answerer = Model(self.rng)
        versions = random.Random(f"{seed} versions")
        for place in self.nodes:
            place.takes_many = versions.random() < 0.75

    @property
    def places(self) -> list[Place]:
        """Everyone."""
        return [*self.nodes, *self.devices]

    def _link(self, child: Place, parent: Place) -> Link:
        link = Link(child, parent, self.rng, self.log)
        child.network = link
        return link

    async def live(self) -> None:
        """Chaos, healing, quiet."""
        for place in self.places:
            place.start()
        faults = draw_faults(self.rng)
        for place in self.places:
            place.disk.faults = faults
        for link in self.links:
            link.faults = faults
        askers = [asyncio.create_task(self._use(place)) for place in self.devices]
        end = asyncio.get_running_loop().time() + CHAOS_S
        while asyncio.get_running_loop().time() < end:
            await asyncio.sleep(self.rng.random() * 8)
            await self._mischief()
            await self._revive(chance=0.5)
        for place in self.places:
            place.disk.faults, place.clock.wrong_ms = HEALED, 0
        for link in self.links:
            link.faults, link.cut = HEALED, False
        await asyncio.gather(*askers)
        await self._settle_down()

    async def _mischief(self) -> None:
        what = self.rng.randrange(5)
        if what == 0:
            place = self.rng.choice(self.places)
            if place.up:
                self.kills += 1
                self.log.append(("kill", place.name))
                await place.kill()
                self._strike(place)
        elif what == 1:
            self.rng.choice(self.links).cut = True
        elif what == 2:
            for link in self.links:
                link.cut = link.cut and self.rng.random() < 0.5
        elif what == 3:
            years = self.rng.choice((-10, -0.001, 0, 0.001, 10))
            self.rng.choice(self.places).clock.wrong_ms = int(years * 365 * 86_400_000)

    def _strike(self, place: Place) -> None:
        """A node that was killed may lose its disk, or be told of another parent, any one above it."""
        if place not in self.nodes:
            return
        if self.plan.losses and self.rng.random() < self.plan.losses:
            self.log.append(("lost", place.name))
            place.disk.rows.clear()
        if self.plan.moves and not place.top and self.rng.random() < self.plan.moves:
            (link,) = [link for link in self.links if link.child is place]
            link.parent = self.rng.choice(self.nodes[place.level :])
            place.origin = link.parent.name
            self.log.append(("moved", place.name, place.origin))

    async def _revive(self, chance: float) -> None:
        for place in self.places:
            if place.up and place.disk.failed:
                self.kills += 1
                await place.kill()
            if not place.up and self.rng.random() < chance:
                self.log.append(("start", place.name))
                place.start()

    async def _use(self, place: Place) -> None:
        """A page on a device: asks now and then, sometimes cancels; takes answers in as they come."""
        consumer = asyncio.create_task(self._consume(place))
        if self.plan.leaving and self.rng.random() < self.plan.leaving:
            self.erasers.append(asyncio.create_task(self._leave(place)))
        for _ in range(self.plan.questions):
            await asyncio.sleep(self.rng.random() * CHAOS_S / self.plan.questions)
            for _ in range(self.plan.burst):
                if place.up:
                    await self._ask(place)
        consumer.cancel()
        await asyncio.gather(consumer, return_exceptions=True)

    async def _ask(self, place: Place) -> None:
        content = {
            "shape": [1],
            "dtype": "uint8",
            "data": b64encode(bytes([self.rng.randrange(self.plan.contents)])).decode(),
        }
        details: dict[str, Any] = {}
        if self.plan.deadlines and self.rng.random() < 0.15:
            now = place.clock.now_ms()
            details = {"deadline_ms": now + self.rng.randrange(1, 60_000)}
        if self.plan.models and self.rng.random() < 0.5:
            details["patience_ms"] = 100
        store, tier = place.store, place.tier
        try:
            question = await store.write(
                lambda tx: make_question(
                    tx, self.rng, place.clock.now_ms(), model="m", content=content, **details
                )
            )
            await tier.ask(question, place.name)
        except PyEdgeError:
            place.disk.failed = True  # never acknowledged: the page knows that it is not kept
            return
        self.told[question.id] = Told(question, bool(details))
        self.log.append(("asked", question.id))
        if self.plan.erasures and self.rng.random() < self.plan.erasures:
            self.erasers.append(asyncio.create_task(self._erase(place, question)))
        if self.rng.random() < 0.1:
            try:
                await tier.cancel(place.name, question.sequence, place.name)
                self.told[question.id].cancelled = True
            except (ConflictError, NotFoundError):
                pass
            except PyEdgeError:
                place.disk.failed = True
                self.told[question.id].cancelled = True  # unknown: may be or not

    async def _erase(self, place: Place, question: Question) -> None:
        """Some time after, and again until the device has taken it."""
        told = self.told[question.id]
        while not told.erased:
            await asyncio.sleep(
                self.rng.random() ** 4 * CHAOS_S / 2
            )  # often while the question is on its way
            if place.up:
                try:
                    await place.tier.erase(place.name, question.sequence)
                    told.erased = True
                except PyEdgeError:
                    place.disk.failed = True

    async def _leave(self, place: Place) -> None:
        """Until the wish is on the disk of the device; the rest is the affair of whoever starts it again."""
        asked: list[Told] = []
        await asyncio.sleep(self.rng.random() * CHAOS_S)
        while place.name not in self.left:
            await asyncio.sleep(self.rng.random() * 5)
            if place.up:
                asked = [told for told in self.told.values() if told.question.device == place.name]
                try:
                    await guard(place.tier.erase_device(place.name), place, place.starts)
                    self.left.add(place.name)
                except PyEdgeError:
                    place.disk.failed = True
                if any("erasing:" in key[0] for name, key in place.disk.rows if name == "facts"):
                    self.left.add(place.name)
        for told in asked:
            told.erased = True

    async def _consume(self, place: Place) -> None:
        """Effect and acknowledgement in one transaction, as the page does it."""
        while True:
            await asyncio.sleep(0.3)
            if place.up:
                try:
                    await take_effects(place)
                except PyEdgeError:
                    place.disk.failed = True

    async def _settle_down(self) -> None:
        limit_s = QUIET_AFTER_LOSSES_S if self.plan.losses or self.plan.moves else QUIET_LIMIT_S
        end = asyncio.get_running_loop().time() + limit_s
        while asyncio.get_running_loop().time() < end:
            await self._revive(chance=1.0)
            await asyncio.sleep(5.0)
            for place in self.devices:
                await take_effects(place)
            if not await self.unfinished():
                return

    async def unfinished(self) -> list[str]:
        """What is still on its way."""
        top = self.nodes[-1]
        said = {
            row["digest"]
            for (name, _), row in top.disk.rows.items()
            if name == QUESTIONS.name and row["tier"]
        }
        found = [f"the person has not corrected {digest}" for digest in sorted(top.slips & said)]
        found += ["a device has not erased yet" for eraser in self.erasers if not eraser.done()]
        for place in self.places:
            near = {asker_of(link.child) for link in self.links if link.parent is place} | {place.name}
            left = await place.store.read(
                lambda tx, near=near: (  # type: ignore[misc]
                    tx.count(OUTBOX),
                    tx.count(DELIVERIES, ("asker", "in", tuple(sorted(near)))),
                    tx.tally(QUESTIONS, "state"),
                )
            )
            waiting = {state: n for state, n in left[2].items() if state not in TERMINAL}
            if left[0] or left[1] or waiting:
                found.append(f"{place.name} has outbox {left[0]}, deliveries {left[1]}, waiting {waiting}")
        return found


async def take_effects(place: Place) -> None:
    """Let every pending answer take effect on the device, once."""

    def work(tx: Transaction) -> None:
        for row in tx.select(DELIVERIES, ("asker", "=", place.name)):
            tx.next_number(f"effect:{row['sequence']}:{row['revision']}")
            tx.delete(DELIVERIES, ("event", "=", row["event"]))

    await place.store.write(work)
