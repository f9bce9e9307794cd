"""An erasure that dies on its way, of one question and then of all that its device asked: the story, told for any body."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from py_edge.chain.erasure import HOLD_CONTENT
from py_edge.chain.tier import Tier
from py_edge.node.node import SystemClock
from py_edge.storage.ports import Reading, Store
from py_edge.storage.tables import DELIVERIES, OUTBOX, QUESTIONS
from tests.node.asking import DEVICE, question

ASKED = [question(number, 1234.5 + number) for number in range(1, 5)]
WHOLE: tuple[set[int], ...] = (
    set(),
    {1},
    {1, 2, 3, 4},
)  # what may be gone once what was begun has been ended


def erasing_script(open_store: str, once_open: str = "") -> str:
    """A program that erases and writes `ack N` for what it has acknowledged. Given: how it opens the store that its
    argument names, and what it does once that is open."""
    return f"""
import asyncio, os, random, sys
from pathlib import Path
from py_edge.storage.sqlite import SqliteStore
from py_edge.storage.postgres import PostgresStore
from py_edge.chain.tier import Tier
from py_edge.node.node import SystemClock

async def main():
    store = {open_store}
    {once_open}
    tier = Tier("site", 1, store, SystemClock(), random.Random(0), erased_at_once=2)
    await tier.erase("{DEVICE}", 1)
    os.write(1, b"ack 1\\n")
    await tier.erase_device("{DEVICE}")
    for n in range(2, 5):
        os.write(1, b"ack %d\\n" % n)
    await store.close()

asyncio.run(main())
"""


def ask_four(open_store: Callable[[], Store]) -> None:
    """Four questions wait; nobody sends."""

    async def ask() -> None:
        store = open_store()
        for each in ASKED:
            await _tier(store).ask(each, DEVICE)
        await store.close()

    asyncio.run(ask())


def whole_erasures(open_store: Callable[[], Store]) -> set[int]:
    """Which questions a new process finds erased, after it has ended what was begun; the others are whole."""

    async def restart() -> set[int]:
        store = open_store()
        await _tier(store).go_on_erasing()
        gone = await store.read(_look)
        await store.close()
        return gone

    found = asyncio.run(restart())
    assert found in WHOLE
    return found


def _tier(store: Store) -> Tier:
    return Tier("site", 1, store, SystemClock(), random.Random(0))


def _look(tx: Reading) -> set[int]:
    gone = set()
    for row in tx.select(QUESTIONS):
        mine = (("device", "=", DEVICE), ("sequence", "=", row["sequence"]))
        kept = {table.name: tx.count(table, *mine) for table in HOLD_CONTENT if table is not DELIVERIES}
        (sending,) = [each["kind"] for each in tx.select(OUTBOX, *mine)]
        assert sum(kept.values()) == kept[OUTBOX.name]
        assert (row["body"] == "", sending) == (
            (True, "erase") if row["state"] == "erased" else (False, "question")
        )
        gone |= {row["sequence"]} if row["state"] == "erased" else set()
    return gone
