"""A database with very many questions that were asked, answered and learnt from: real rows, copied with other ids."""

from __future__ import annotations

import base64
import random
from pathlib import Path
from typing import Any

from py_edge.chain.tier import Tier
from py_edge.node.node import SystemClock
from py_edge.records import Answer, Question, digest_of_content
from py_edge.storage.in_memory import MemoryStore
from py_edge.storage.ports import Reading, Row, Transaction
from py_edge.storage.sqlite import SqliteStore
from py_edge.storage.tables import ALL, COUNTERS, FACTS, OUTBOX, Table

DEVICE, AT_ONCE = f"{1:032x}", 2_000
ONCE = (COUNTERS, FACTS)  # tables that have no row for each question


async def fill(path: Path, questions: int, size: int) -> int:
    """Write as many as asked for, each of about `size` bytes; gives the number of rows."""
    pattern = await one_answered(size)
    store = SqliteStore(path)
    for first in range(1, questions + 1, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, questions + 1))

        def work(tx: Transaction, numbers: range = numbers) -> None:
            for table, row in pattern:
                tx.insert_all(table, [another(table, row, number) for number in numbers])

        await store.write(work)
    await store.close()
    return questions * len(pattern)


async def one_answered(size: int) -> list[tuple[Table, Row]]:
    """Every row that a node keeps of a question which was answered from above and brought home."""
    raw = bytes(size * 3 // 4)
    content = {"shape": [len(raw)], "dtype": "uint8", "data": base64.b64encode(raw).decode()}
    asked = Question(DEVICE, 1, digest_of_content(content, "digits"), "digits", content)
    store = MemoryStore()
    tier = Tier("site", 1, store, SystemClock(), random.Random(0))
    await tier.ask(asked, DEVICE)
    answer = Answer(DEVICE, 1, 1, "4", 4, source="person", tier=4, answered_at_ms=1)
    await tier.bring_home("parent", [answer])
    (delivery,) = await tier.deliveries(DEVICE, 0)
    await tier.acknowledge(DEVICE, [delivery.event])
    await store.write(lambda tx: tx.delete(OUTBOX, ("device", "=", DEVICE)))

    def everything(tx: Reading) -> list[tuple[Table, Row]]:
        return [(table, row) for table in ALL if table not in ONCE for row in tx.select(table)]

    return await store.read(everything)


def another(table: Table, row: Row, number: int) -> dict[str, Any]:
    """The same row about another question."""
    changed = {"sequence": number} | ({"digest": f"{number:064x}"} if "digest" in table.columns else {})
    return {**row, **changed}
