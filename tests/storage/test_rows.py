"""Rows in every body: they come back as they were, are found and ordered alike, and those held back are never missed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from py_edge.errors import ConflictError, StorageError
from py_edge.storage.ports import Store, Transaction
from py_edge.storage.tables import ALL, FACTS, OUTBOX, QUESTIONS
from tests.storage.test_ports import Open, live


def outbox_row(sequence: int, **changes: Any) -> dict[str, Any]:
    """A row of the outbox."""
    row = {
        "device": "ab" * 8, "sequence": sequence, "kind": "question", "priority": 0.5, "attempts": 0,
        "next_try_ms": 0, "failure": "", "reason": "", "created_at_ms": sequence,
    }  # fmt: skip
    return row | changes


def test_a_row_comes_back_as_it_was(open_store: Open) -> None:
    """Text with every sign, big integers and reals survive."""
    fact = {"name": "é\"'%:\n\U0001f600", "value": "x" * 70_000}

    async def story(store: Store) -> None:
        assert await store.write(lambda tx: tx.insert(FACTS, fact))
        await store.write(
            lambda tx: tx.insert(OUTBOX, outbox_row(2**52, priority=0.1, next_try_ms=2**53 - 1))
        )
        assert await store.read(lambda tx: tx.get(FACTS, fact["name"])) == fact
        row = await store.read(lambda tx: tx.get(OUTBOX, "ab" * 8, 2**52, "question"))
        assert row == outbox_row(2**52, priority=0.1, next_try_ms=2**53 - 1)
        assert await store.read(lambda tx: tx.get(FACTS, "none")) is None

    live(open_store, story)


def test_select_filters_orders_and_limits(open_store: Open) -> None:
    """Every operator, order both ways, limit, count and tally agree in all bodies."""

    async def story(store: Store) -> None:
        def fill(tx: Transaction) -> None:
            for sequence in range(1, 9):
                tx.insert(OUTBOX, outbox_row(sequence, attempts=sequence % 3, next_try_ms=sequence * 10))

        await store.write(fill)

        def sequences(*where: Any, order: tuple[str, ...] = (), limit: int | None = None) -> Any:
            return store.read(
                lambda tx: [r["sequence"] for r in tx.select(OUTBOX, *where, order=order, limit=limit)]
            )

        assert await sequences() == [1, 2, 3, 4, 5, 6, 7, 8]
        assert await sequences(("next_try_ms", "<=", 30)) == [1, 2, 3]
        assert await sequences(("next_try_ms", "<", 30), ("next_try_ms", ">", 10)) == [2]
        assert await sequences(("next_try_ms", ">=", 70), ("attempts", "!=", 1)) == [8]
        assert await sequences(("attempts", "in", (0, 2)), order=("-attempts", "sequence")) == [2, 5, 8, 3, 6]
        assert await sequences(("attempts", "in", ())) == []
        assert await sequences(order=("-sequence",), limit=2) == [8, 7]
        assert await store.read(lambda tx: tx.count(OUTBOX, ("attempts", "=", 1))) == 3
        assert await store.read(lambda tx: tx.tally(OUTBOX, "attempts")) == {0: 2, 1: 3, 2: 3}
        assert await store.write(lambda tx: tx.delete(OUTBOX, ("attempts", "=", 1))) == 3
        assert await store.read(lambda tx: tx.count(OUTBOX)) == 5

    live(open_store, story)


def test_rows_that_nobody_waits_for_are_seen_by_every_verb(open_store: Open) -> None:
    """What insert_all added is there for whatever asks or writes next, and a taken key keeps its row."""
    fact, other = {"name": "a", "value": "1"}, {"name": "a", "value": "2"}
    verbs: dict[str, tuple[Callable[[Transaction], Any], Any]] = {
        "get": (lambda tx: tx.get(FACTS, "a"), fact),
        "select": (lambda tx: tx.select(FACTS, ("value", "=", "1")), [fact]),
        "exists": (lambda tx: tx.exists(FACTS, ("name", "=", "a")), True),
        "exists no other": (lambda tx: tx.exists(FACTS, ("name", "=", "b")), False),
        "count": (lambda tx: tx.count(FACTS), 1),
        "tally": (lambda tx: tx.tally(FACTS, "value"), {"1": 1}),
        "insert": (lambda tx: (tx.insert(FACTS, other), tx.get(FACTS, "a")), (False, fact)),
        "insert_new": (lambda tx: (tx.insert_new(FACTS, other), tx.get(FACTS, "a")), (False, fact)),
        "insert_all": (lambda tx: (tx.insert_all(FACTS, [other]), tx.get(FACTS, "a")), (None, fact)),  # type: ignore[func-returns-value]
        "put": (lambda tx: (tx.put(FACTS, other), tx.get(FACTS, "a")), (None, other)),  # type: ignore[func-returns-value]
        "update": (lambda tx: tx.update(FACTS, ("a",), value="3"), True),
        "delete": (lambda tx: tx.delete(FACTS, ("name", "=", "a")), 1),
    }

    async def story(store: Store) -> None:
        for name, (verb, wanted) in verbs.items():
            got = await store.write(lambda tx, verb=verb: (tx.insert_all(FACTS, [fact]), verb(tx))[1])  # type: ignore[misc]
            assert got == wanted, name
            await store.write(lambda tx: tx.delete(FACTS))
        await store.write(lambda tx: tx.insert_all(FACTS, [fact]))
        assert await store.read(lambda tx: tx.get(FACTS, "a")) == fact

    live(open_store, story)


def test_rows_that_nobody_waits_for_fall_with_their_transaction(open_store: Open) -> None:
    """In a group with one that fails, each keeps or loses its own; a row that does not fit is told to who wrote it."""

    async def story(store: Store) -> None:
        def fails(tx: Transaction) -> None:
            tx.insert_all(FACTS, [{"name": "bad", "value": "1"}])
            raise ConflictError("no")

        def works(name: str) -> Callable[[Transaction], None]:
            return lambda tx: tx.insert_all(FACTS, [{"name": name, "value": "1"}])

        def crooked(tx: Transaction) -> None:
            tx.insert_all(FACTS, [{"name": "crooked"}])

        works_and_fails = (works("a"), fails, works("b"), crooked, works("c"), fails)
        results = await asyncio.gather(
            *[store.write(work) for work in works_and_fails], return_exceptions=True
        )
        assert [type(result).__name__ for result in results] == [
            "NoneType", "ConflictError", "NoneType", "StorageError", "NoneType", "ConflictError",
        ]  # fmt: skip
        names = [row["name"] for row in await store.read(lambda tx: tx.select(FACTS))]
        assert names == ["a", "b", "c"]
        assert store.trouble == ""

    live(open_store, story)


def test_many_writers_count_without_gaps(open_store: Open) -> None:
    """A hundred writes at once get a hundred different numbers."""

    async def story(store: Store) -> None:
        numbers = await asyncio.gather(*[store.write(lambda tx: tx.next_number("n")) for _ in range(100)])
        assert sorted(numbers) == list(range(1, 101))

    live(open_store, story)


def test_a_row_must_fit_its_table(open_store: Open) -> None:
    """A missing column is an error of ours that is noticed, never a half row."""

    async def story(store: Store) -> None:
        with pytest.raises(StorageError, match="does not fit"):
            await store.write(lambda tx: tx.insert(FACTS, {"name": "a"}))
        assert await store.read(lambda tx: tx.count(FACTS)) == 0

    live(open_store, story)


def test_every_table_can_be_read(open_store: Open) -> None:
    """Each declared table exists in each body."""

    async def story(store: Store) -> None:
        assert await store.read(lambda tx: [tx.count(table) for table in ALL]) == [0] * len(ALL)
        assert await store.read(lambda tx: tx.tally(QUESTIONS, "state")) == {}

    live(open_store, story)
