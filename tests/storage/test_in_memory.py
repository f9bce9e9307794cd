"""The store of the tab and of the simulator: its journal decides what happened, whoever gives up waiting."""

from __future__ import annotations

import asyncio

import pytest

from py_edge.errors import StorageError
from py_edge.storage.in_memory import Change, MemoryBus, MemoryStore
from py_edge.storage.tables import FACTS

ROW = {"name": "a", "value": "1"}


class SlowJournal:
    """Takes a moment, then keeps the changes or fails."""

    def __init__(self, fails: bool = False) -> None:
        self.kept: list[Change] = []
        self.fails = fails

    async def commit(self, changes: list[Change]) -> None:
        """See in_memory.Journal."""
        await asyncio.sleep(0.02)
        if self.fails:
            raise OSError("quota")
        self.kept += changes


def test_who_gives_up_waiting_does_not_tear_a_commit() -> None:
    """Cancelled in the middle, even twice: the caller is cancelled, and memory and journal agree."""

    async def story() -> None:
        journal = SlowJournal()
        store = MemoryStore(MemoryBus(), journal)
        task = asyncio.create_task(store.write(lambda tx: tx.put(FACTS, ROW)))
        for _ in range(2):
            await asyncio.sleep(0.005)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert journal.kept == [("facts", ("a",), ROW)]
        assert await store.read(lambda tx: tx.get(FACTS, "a")) == ROW

    asyncio.run(story())


def test_what_the_journal_refused_did_not_happen() -> None:
    """A full quota is a StorageError, and memory is as before; nothing more is taken, for what was kept is unknown."""

    async def story() -> None:
        journal = SlowJournal(fails=True)
        store = MemoryStore(journal=journal)
        for journal.fails in (True, False):
            with pytest.raises(StorageError, match="quota"):
                await store.write(lambda tx: tx.put(FACTS, ROW))
        assert await store.read(lambda tx: tx.count(FACTS)) == 0
        assert (journal.kept, "quota" in store.trouble) == ([], True)

    asyncio.run(story())


def test_a_store_is_made_again_from_its_journal() -> None:
    """Changes kept are all that is needed to begin where it stopped."""

    async def story() -> None:
        journal = SlowJournal()
        await MemoryStore(journal=journal).write(lambda tx: tx.put(FACTS, ROW))
        assert await MemoryStore(saved=journal.kept).read(lambda tx: tx.get(FACTS, "a")) == ROW

    asyncio.run(story())


def test_a_cancelled_listener_stays_cancelled() -> None:
    """Woken and cancelled in the same moment: the cancellation is not swallowed."""

    async def story() -> None:
        bus = MemoryBus()
        with bus.listen("x") as waiter:
            task = asyncio.create_task(waiter.wait(10))
            await asyncio.sleep(0)
            bus.publish("x")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(story())
