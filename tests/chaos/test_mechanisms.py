"""One small test per mechanism that keeps a promise; `make sabotage` takes each away and wants to see it red."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from py_edge.chain import retry
from py_edge.chain.tier import Tier
from py_edge.desk.assignment import lease_ms, lease_next
from py_edge.desk.tasks import open_task
from py_edge.desk.verdict import Rules
from py_edge.errors import IntegrityError
from py_edge.node.node import SystemClock
from py_edge.records import Question
from py_edge.storage.in_memory import MemoryStore
from py_edge.storage.sqlite import SqliteStore
from py_edge.storage.tables import FACTS
from tests.node.asking import question


def test_a_digest_that_is_not_the_contents_is_refused() -> None:
    """One other byte of content and the question is not believed."""
    wire = question(1).to_json()
    assert Question.from_json(wire).id == question(1).id
    with pytest.raises(IntegrityError, match="digest"):
        Question.from_json({**wire, "input": question(2).to_json()["input"]})


def test_an_expired_lease_frees_its_task() -> None:
    """A task leased by one person is hidden from others until the lease ends, and no sweeper is needed."""
    clock, rules = SystemClock(), Rules(1, 1, 0.95)

    async def story() -> None:
        store = MemoryStore()
        tier = Tier("site", 1, store, clock, random.Random(1), open_task)
        await tier.ask(question(1), "device")
        now = clock.now_ms()

        def look(who: str, at: int) -> Any:
            return store.write_now(lambda tx: lease_next(tx, who, at, rules))

        assert look("ann", now) is not None
        assert look("ben", now + 1) is None
        assert look("ben", now + await store.read(lease_ms) + 1) is not None

    asyncio.run(story())


def test_a_crowd_disperses() -> None:
    """A thousand that failed in one moment: no tenth of the waiting time brings back more than a fifth of them."""
    chance = random.Random(3)
    for attempt in (0, 3, 20):
        longest = min(retry.LONGEST_S, retry.FIRST_S * 2**attempt)
        waits = [retry.delay_s(attempt, chance) for _ in range(1000)]
        tenths = [sum(int(10 * wait / longest) == tenth for wait in waits) for tenth in range(10)]
        assert max(tenths) < 200
        assert sum(tenths) == 1000


def test_nobody_is_told_before_the_commit(tmp_path: Path) -> None:
    """While the commit is under way the writer still waits; only afterwards does it hear."""

    async def story() -> None:
        store = SqliteStore(tmp_path / "node.db")
        events: list[str] = []
        connection: Any = store._writer._connection
        commit = connection.commit

        def slow_commit() -> None:
            asyncio.run(asyncio.sleep(0.05))
            commit()
            events.append("committed")

        connection.commit = slow_commit
        await store.write(lambda tx: tx.put(FACTS, {"name": "a", "value": "1"}))
        events.append("told")
        await store.close()
        assert events == ["committed", "told"]

    asyncio.run(story())
