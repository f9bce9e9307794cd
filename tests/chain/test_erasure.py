"""Erasing at one tier, step by step: what was in flight meanwhile brings nothing back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from py_edge.chain.erasure import devices_to_erase
from py_edge.chain.ports import Response, ServerEvent
from py_edge.chain.tier import Tier
from py_edge.chain.upstream import Upstream
from py_edge.errors import GoneError
from py_edge.node.node import SystemClock
from py_edge.records import Answer
from py_edge.storage.in_memory import MemoryStore
from py_edge.storage.sqlite import SqliteStore
from py_edge.storage.tables import DEAD_LETTERS, EXAMPLES, OUTBOX, QUESTIONS
from tests.node.asking import DEVICE, question

ASKED = question(1, 1234.5678)
MANY = 1_000
ANSWER = Answer(DEVICE, 1, 1, label="4", label_index=4, source="person", tier=99)


def small_tier() -> Tier:
    """A tier with a parent."""
    return Tier("site", 1, MemoryStore(), SystemClock(), random.Random(0))


def content_of(store: MemoryStore) -> list[str]:
    """Where the payload or its digest stands."""
    words = (ASKED.digest[:32], ASKED.input["data"])
    return [name for name, _, row in store.dump() if any(word in str(row) for word in words)]


def test_a_late_answer_changes_nothing() -> None:
    """It comes home after the erasure and is taken for good, so that it does not come again; nothing is learnt from it."""

    async def story() -> None:
        tier = small_tier()
        await tier.ask(ASKED, DEVICE)
        await tier.erase(DEVICE, 1)
        assert await tier.bring_home("parent", [ANSWER]) == 0
        assert await tier.store.read(lambda tx: tx.count(EXAMPLES)) == 0
        assert content_of(tier.store) == []  # type: ignore[arg-type]
        with pytest.raises(GoneError):
            await tier.history(DEVICE, 1)

    asyncio.run(story())


def test_a_device_with_many_questions_is_erased_in_turns(tmp_path: Path) -> None:
    """Others write between its batches and see it grow less step by step; one wish goes up beside each question's own."""

    async def story() -> None:
        store = SqliteStore(tmp_path / "node.db")
        tier = Tier("site", 1, store, SystemClock(), random.Random(0))
        await asyncio.gather(*[tier.ask(question(number), DEVICE) for number in range(1, MANY + 1)])
        erasing = asyncio.create_task(tier.erase_device(DEVICE))
        seen = []
        while not erasing.done():
            seen.append(await store.write(lambda tx: tx.count(QUESTIONS, ("state", "=", "erased"))))
        assert await erasing == MANY
        assert len({count for count in seen if 0 < count < MANY}) > 3
        sending = await store.read(lambda tx: tx.tally(OUTBOX, "kind"))
        assert sending == {"erase": MANY, "erase_device": 1}
        assert await store.read(devices_to_erase) == []
        await store.close()

    asyncio.run(story())


class Parent:
    """Answers each request as told, and lets something happen before it does."""

    def __init__(self, status: int, meanwhile: Callable[[], object] | None = None) -> None:
        self.status, self.meanwhile = status, meanwhile
        self.asked: list[str] = []

    async def request(self, method: str, path: str, body: bytes | None = None) -> Response:
        """See chain.ports.Network."""
        self.asked.append(method)
        if method == "DELETE":
            return Response(405 if self.asked.count("DELETE") == 1 else 200)
        if self.meanwhile is not None:
            await self.meanwhile()  # type: ignore[misc]
        return Response(self.status)

    def stream(self, path: str) -> AsyncIterator[ServerEvent]:
        """Not listened to here."""
        raise NotImplementedError


@pytest.mark.parametrize("status", [202, 422, 503, 410])
def test_what_was_in_flight_brings_nothing_back(status: int) -> None:
    """Erased while it is on its way up; taken, refused, put off or gone there, no copy stays, and the wish follows it
    until the parent understands."""

    async def story() -> None:
        tier = small_tier()
        store: MemoryStore = tier.store  # type: ignore[assignment]
        parent = Parent(status, lambda: tier.erase(DEVICE, 1))
        upstream = Upstream(tier, parent, store.bus)
        running = asyncio.create_task(upstream.run())
        await tier.ask(ASKED, DEVICE)
        async with asyncio.timeout(10):
            while parent.asked.count("DELETE") < 2:
                await asyncio.sleep(0.01)
            while await store.read(lambda tx: tx.count(OUTBOX)):
                await asyncio.sleep(0.01)
        running.cancel()
        assert parent.asked == ["PUT", "DELETE", "DELETE"]
        assert await store.read(lambda tx: tx.count(DEAD_LETTERS)) == 0
        assert await store.read(lambda tx: tx.tally(QUESTIONS, "state")) == {"erased": 1}
        assert content_of(store) == []

    asyncio.run(story())
