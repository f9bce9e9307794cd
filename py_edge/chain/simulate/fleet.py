"""A fleet in the simulated world: many devices, one site, one desk with limited minutes; what is asked, waited, sent.

The chain is the real one; what is drawn is how sure a device is of a picture. Such confidences are calibrated by
construction: an answer of confidence c is right with probability c.
"""

from __future__ import annotations

import asyncio
import random
from base64 import b64encode
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from py_edge.chain.answers import PERSON_TIER, settle
from py_edge.chain.identity import make_question
from py_edge.chain.ports import Response
from py_edge.chain.simulate.faults import Faults
from py_edge.chain.simulate.link import Link
from py_edge.chain.simulate.loop import VirtualLoop
from py_edge.chain.simulate.place import Place, truth
from py_edge.chain.states import PENDING
from py_edge.errors import ValueRangeError
from py_edge.records import Answer
from py_edge.storage.ports import Transaction
from py_edge.storage.tables import DELIVERIES, QUESTIONS

LOOK_S = 120.0
ANSWER_S = 10.0
TAKE_S = 30.0
SURE = (6.0, 1.0)  # Beta: most pictures are easy, their mean confidence 0.86
BOUNDS = {"devices": (1, 200), "threshold": (0, 1), "people_minutes": (0, 6000), "loss": (0, 0.9)}


@dataclass(frozen=True)
class World:
    """threshold: below it a device asks; people_minutes: work at the desk per hour; loss: share of messages lost."""

    devices: int = 50
    threshold: float = 0.8
    people_minutes: float = 70.0
    loss: float = 0.05
    seed: int = 0


@dataclass
class Tally:
    """What is counted: pictures seen, answered alone, of those wrong; waiting (s) of each answer; bytes sent."""

    seen: int = 0
    alone: int = 0
    wrong: int = 0
    asked: int = 0
    sent_bytes: int = 0
    waited_s: list[float] = field(default_factory=list)


@dataclass
class CountedLink(Link):
    """A link that counts the bytes of its requests and replies."""

    tally: Tally = field(default_factory=Tally)

    async def request(self, method: str, path: str, body: bytes | None = None) -> Response:
        """See chain.ports.Network. What is lost was sent all the same."""
        self.tally.sent_bytes += len(path) + len(body or b"")
        response = await super().request(method, path, body)
        self.tally.sent_bytes += len(response.body)
        return response


class Member(Place):
    """A place of a calm world, which need not look after itself every second."""

    house_s = 60.0


class Desk(Member):
    """The top: people who answer the oldest question, right, one after the other, as fast as their minutes allow."""

    pause_s = 0.0

    async def _person(self) -> None:
        while True:
            await asyncio.sleep(self.pause_s or LOOK_S)
            if self.pause_s:
                await self.store.write(self._answer_oldest)

    def _answer_oldest(self, tx: Transaction) -> None:
        rows = tx.select(QUESTIONS, ("state", "in", PENDING), order=("asked_at_ms",), limit=1)
        for row in rows:
            label, now_ms = truth(row["digest"]), self.clock.now_ms()
            answer = Answer(
                device=row["device"], sequence=row["sequence"], revision=1, label_index=label, label=str(label),
                source="person", tier=PERSON_TIER, annotators=("ann",), answered_at_ms=now_ms,
            )  # fmt: skip
            settle(tx, row, answer, now_ms)


class Fleet:
    """`run` some minutes of virtual time, as often as wanted. Raises ValueRangeError: a world out of bounds."""

    def __init__(self, world: World) -> None:
        for name, (least, most) in BOUNDS.items():
            if not least <= getattr(world, name) <= most:
                raise ValueRangeError(f"{least} to {most}", where=name, got=getattr(world, name))
        self.world, self.tally = world, Tally()
        self.rng = random.Random(world.seed)
        self.loop = VirtualLoop()
        self.loop.run_until_complete(self._begin())

    def run(self, minutes: float) -> dict[str, Any]:
        """Live so many minutes; gives where the world stands since its beginning.

        minute; seen, asked, answered, unanswered, at_desk: counts; coverage: share answered on the device; risk: share
        of those that is wrong; waited_s: median seconds to an answer, None without one; bytes_per_device_hour.
        """
        told: dict[str, Any] = self.loop.run_until_complete(self._live(minutes * 60))
        return told

    def close(self) -> None:
        """The world ends."""
        self.loop.run_until_complete(self._end())
        self.loop.close()

    async def _begin(self) -> None:
        self.desk = Desk("desk", 2, self.rng, top=True)
        self.desk.pause_s = ANSWER_S * 60 / self.world.people_minutes if self.world.people_minutes else 0.0
        site = Member("site", 1, self.rng)
        self.devices = [
            Member(f"{self.rng.getrandbits(128):032x}", 0, self.rng) for _ in range(self.world.devices)
        ]
        loss = self.world.loss
        faults = Faults(lose=loss, lose_reply=loss, break_stream=loss)
        for child, parent in [(site, self.desk), *((device, site) for device in self.devices)]:
            child.network = CountedLink(child, parent, self.rng, [], faults, look_s=TAKE_S, tally=self.tally)
        self.asked_s: dict[tuple[str, int], float] = {}
        self.places = [self.desk, site, *self.devices]
        for place in self.places:
            place.start()
        self.users = [asyncio.create_task(self._use(device)) for device in self.devices]

    async def _live(self, seconds: float) -> dict[str, Any]:
        await asyncio.sleep(seconds)
        tally, hours = self.tally, self.loop.time() / 3600
        waiting = await self.desk.store.read(lambda tx: tx.count(QUESTIONS, ("state", "in", PENDING)))
        return {
            "minute": round(hours * 60, 1),
            "seen": tally.seen,
            "asked": tally.asked,
            "answered": len(tally.waited_s),
            "coverage": tally.alone / max(1, tally.seen),
            "risk": tally.wrong / max(1, tally.alone),
            "at_desk": waiting,
            "unanswered": len(self.asked_s),
            "waited_s": median(tally.waited_s) if tally.waited_s else None,
            "bytes_per_device_hour": tally.sent_bytes / self.world.devices / hours,
        }

    async def _end(self) -> None:
        for user in self.users:
            user.cancel()
        await asyncio.gather(*self.users, return_exceptions=True)
        for place in self.places:
            await place.kill()

    async def _use(self, device: Place) -> None:
        """A picture now and then; what is sure is answered here, the rest is asked."""
        taking = asyncio.create_task(self._take(device))
        try:
            while True:
                await asyncio.sleep(self.rng.expovariate(1 / LOOK_S))
                await self._look(device)
        finally:
            taking.cancel()

    async def _look(self, device: Place) -> None:
        confidence = self.rng.betavariate(*SURE)
        self.tally.seen += 1
        if confidence >= self.world.threshold:
            self.tally.alone += 1
            self.tally.wrong += self.rng.random() >= confidence
            return
        data = b64encode(self.rng.randbytes(64)).decode()
        content = {"shape": [64], "dtype": "uint8", "data": data}
        question = await device.store.write(
            lambda tx: make_question(tx, self.rng, device.clock.now_ms(), model="m", content=content)
        )
        await device.tier.ask(question, device.name)
        self.tally.asked += 1
        self.asked_s[device.name, question.sequence] = self.loop.time()

    async def _take(self, device: Place) -> None:
        """Answers that came home, once each."""

        def work(tx: Transaction) -> list[int]:
            rows = tx.select(DELIVERIES, ("asker", "=", device.name))
            for row in rows:
                tx.delete(DELIVERIES, ("event", "=", row["event"]))
            return [row["sequence"] for row in rows]

        while True:
            with device.store.bus.listen(f"asker:{device.name}") as waiter:
                await waiter.wait(TAKE_S)
            if not await device.store.read(lambda tx: tx.count(DELIVERIES)):
                continue
            for sequence in await device.store.write(work):
                asked_s = self.asked_s.pop((device.name, sequence), None)
                if asked_s is not None:
                    self.tally.waited_s.append(self.loop.time() - asked_s)
