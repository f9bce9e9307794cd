"""One history: devices ask while everything fails, then the world heals, and an outside checker looks at the end.

Checked: nothing acknowledged is lost, every question ends, each answer belongs to its content, and takes effect on
its device exactly once per revision; no outbox, delivery or lane is left behind; the parent keeps what it accepted;
what was erased is gone at every place.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from py_edge.chain.answers import PERSON_TIER
from py_edge.chain.erasure import HOLD_CONTENT
from py_edge.chain.identity import make_question
from py_edge.chain.simulate.faults import HEALED, draw_faults
from py_edge.chain.simulate.link import Link, guard
from py_edge.chain.simulate.loop import run_virtually
from py_edge.chain.simulate.place import Place, truth
from py_edge.errors import ConflictError, NotFoundError, PyEdgeError
from py_edge.fields import read_json
from py_edge.records import ERASED, TERMINAL, Question
from py_edge.storage.ports import Transaction
from py_edge.storage.tables import DELIVERIES, EXAMPLES, OUTBOX, QUESTIONS

CHAOS_S = 120.0
QUIET_LIMIT_S = 7_200.0
EMPTIED = {table.name for table in HOLD_CONTENT} - {DELIVERIES.name}


@dataclass(frozen=True)
class Plan:
    """How big a history is."""

    tiers: int = 0  # nodes between device and person; 0: drawn from 1 to 6
    devices: int = 2
    questions: int = 4
    contents: int = 5  # few contents: equal questions are common
    deadlines: bool = True
    erasures: float = 0.0  # share of questions that their device erases some time after
    leaving: float = 0.0  # share of devices that at some time erase everything they have asked so far


@dataclass
class Outcome:
    """What came of it: troubles found (none is well), a digest of everything that happened, and some counts."""

    seed: int
    troubles: list[str] = field(default_factory=list)
    digest: str = ""
    asked: int = 0
    answered: int = 0
    kills: int = 0
    messages: int = 0
    virtual_s: float = 0.0


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
        elif what == 1:
            self.rng.choice(self.links).cut = True
        elif what == 2:
            for link in self.links:
                link.cut = link.cut and self.rng.random() < 0.5
        elif what == 3:
            years = self.rng.choice((-10, -0.001, 0, 0.001, 10))
            self.rng.choice(self.places).clock.wrong_ms = int(years * 365 * 86_400_000)

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
            if place.up:
                await self._ask(place)
        consumer.cancel()
        await asyncio.gather(consumer, return_exceptions=True)

    async def _ask(self, place: Place) -> None:
        content = {
            "shape": [1],
            "dtype": "uint8",
            "data": f"{'ABCDEFGHIJ'[self.rng.randrange(self.plan.contents)]}A==",
        }
        details: dict[str, Any] = {}
        if self.plan.deadlines and self.rng.random() < 0.15:
            now = place.clock.now_ms()
            details = {"deadline_ms": now + self.rng.randrange(1, 60_000)}
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
        end = asyncio.get_running_loop().time() + QUIET_LIMIT_S
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
            left = await place.store.read(
                lambda tx: (tx.count(OUTBOX), tx.count(DELIVERIES), tx.tally(QUESTIONS, "state"))
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


async def check(world: World) -> list[str]:
    """Look at the end from outside."""
    troubles = await world.unfinished()
    devices = {place.name: place for place in world.devices}
    for told in world.told.values():
        told.erased |= was_swept_up(world, told.question)
    for key, told in world.told.items():
        place = devices[told.question.device]
        row = place.disk.rows.get(("questions", (place.name, told.question.sequence)))
        if row is None:
            troubles.append(f"{key}: acknowledged, but lost")
            continue
        if told.erased:
            troubles += check_erased(world, told.question)
            continue
        ends = (
            {"answered"}
            | ({"expired"} if told.has_deadline else set())
            | ({"cancelled"} if told.cancelled else set())
        )
        if row["state"] not in ends:
            troubles.append(f"{key}: ended as {row['state']}")
        troubles += check_answers(
            place,
            told,
            row["revision"],
            may_be_wrong=was_left_behind(world, (place.name, told.question.sequence), told.question.digest),
        )
        said = revisions_said(world.nodes[0], told.question.digest)
        if row["revision"] > said and not world.plan.erasures:  # what was erased is not counted any more
            troubles.append(f"{key}: {row['revision']} revisions, told only {said}")
    for place in world.nodes:
        troubles += check_examples(world, place)
    return troubles


def revisions_said(place: Place, digest: str) -> int:
    """How many revisions a node has given on this content, to whoever asked: a child cannot have more."""
    rows = place.disk.rows.items()
    return sum(
        row["revision"] for (name, _), row in rows if name == QUESTIONS.name and row["digest"] == digest
    )


def check_erased(world: World, question: Question) -> list[str]:
    """Where it came, a tombstone; its content only in rows of others that asked the same, and never without them."""
    found, key = [], (question.device, question.sequence)
    for place in world.places:
        rows = place.disk.rows
        row = rows.get((QUESTIONS.name, key))
        if row is not None and row["state"] != ERASED:
            found.append(f"{question.id}: still {row['state']} at {place.name}")
        same = [
            k
            for (name, k), row in rows.items()
            if name == QUESTIONS.name and row["digest"] == question.digest
        ]
        for (name, _), row in rows.items():
            of = (row.get("device"), row.get("sequence"))
            if (question.digest in str(row) and of not in same) or (name in EMPTIED and of == key):
                found.append(f"{question.id}: {place.name} keeps it in {name}")
    return found


def was_swept_up(world: World, question: Question) -> bool:
    """Asked while its device was erasing everything: it may be gone too."""
    rows = (
        place.disk.rows.get((QUESTIONS.name, (question.device, question.sequence))) for place in world.devices
    )
    return question.device in world.left and any(row is not None and row["state"] == ERASED for row in rows)


def was_left_behind(world: World, key: tuple[Any, ...], digest: str) -> bool:
    """The person never heard of it, only of an equal one that was erased: so no correction comes home."""
    known = world.nodes[-1].disk.rows.get((QUESTIONS.name, key))
    erased = [told for told in world.told.values() if told.erased and told.question.digest == digest]
    return known is None and bool(erased)


def check_answers(place: Place, told: Told, revision: int, may_be_wrong: bool = False) -> list[str]:
    """Every revision is right for its content and took effect once."""
    found = []
    sequence = told.question.sequence
    for number in range(1, revision + 1):
        answer = read_json(place.disk.rows["answers", (place.name, sequence, number)]["body"])
        wrong = answer["label_index"] != truth(told.question.digest)
        if number == revision and wrong and not may_be_wrong:
            found.append(f"{told.question.id}: the last answer is not the right one")
        effects = place.disk.rows.get(("counters", (f"effect:{sequence}:{number}",)), {"value": 0})["value"]
        if effects != 1:
            found.append(f"{told.question.id} revision {number}: {effects} effects")
    return found


def check_examples(world: World, place: Place) -> list[str]:
    """One example per answered question, with the right label."""
    rows = place.disk.rows
    answered = {
        key for (name, key), row in rows.items() if name == QUESTIONS.name and row["tier"] == PERSON_TIER
    }
    examples = {key: row for (name, key), row in rows.items() if name == EXAMPLES.name}
    digests = {key: rows[QUESTIONS.name, key]["digest"] for key in examples}
    wrong = [
        key
        for key, row in examples.items()
        if row["label_index"] != truth(digests[key]) and not was_left_behind(world, key, digests[key])
    ]
    found = [f"{place.name}: example of another question {key}" for key in wrong]
    if answered - set(examples):
        found.append(f"{place.name}: answers without examples: {sorted(answered - set(examples))[:3]}")
    return found


def run_history(seed: int, plan: Plan | None = None) -> Outcome:
    """Live one history and check it."""
    world = World(seed, plan or Plan())

    async def whole() -> Outcome:
        await world.live()
        troubles = await check(world)
        words = repr(world.log) + repr([sorted(map(repr, place.disk.rows.items())) for place in world.places])
        outcome = Outcome(seed, troubles, sha256(words.encode()).hexdigest())
        outcome.asked, outcome.kills, outcome.messages = len(world.told), world.kills, len(world.log)
        outcome.virtual_s = asyncio.get_running_loop().time()
        outcome.answered = sum(
            row["state"] == "answered"
            for place in world.devices
            for (name, _), row in place.disk.rows.items()
            if name == QUESTIONS.name
        )
        for place in world.places:
            await place.kill()
        return outcome

    return run_virtually(whole())
