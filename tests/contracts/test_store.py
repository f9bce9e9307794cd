"""The contract of a Store, kept by every body."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from py_edge.errors import ConflictError, StorageError
from py_edge.storage.in_memory import MemoryStore
from py_edge.storage.ports import Store, Transaction
from py_edge.storage.sqlite import SqliteStore
from py_edge.storage.tables import ALL, FACTS, OUTBOX, PATHS, QUESTIONS

Body = Callable[[Path], Store]
BODIES: dict[str, Body] = {
    "in_memory": lambda path: MemoryStore(),
    "sqlite": lambda path: SqliteStore(path / "node.db"),
    "sqlite_one_thread": lambda path: SqliteStore(path / "node.db", threaded=False),
}


@pytest.fixture(params=sorted(BODIES))
def body(request: pytest.FixtureRequest) -> Body:
    """One body after the other."""
    return BODIES[request.param]


def run(body: Body, path: Path, story: Callable[[Any], Awaitable[None]]) -> None:
    """Open a store, live through the story, close it."""

    async def whole() -> None:
        store = body(path)
        try:
            await story(store)
        finally:
            await store.close()

    asyncio.run(whole())


def outbox_row(sequence: int, **changes: Any) -> dict[str, Any]:
    """A row of the outbox."""
    row = {
        "device": "ab" * 8, "sequence": sequence, "kind": "question", "priority": 0.5, "attempts": 0,
        "next_try_ms": 0, "failure": "", "reason": "", "created_at_ms": sequence,
    }  # fmt: skip
    return row | changes


def test_a_row_comes_back_as_it_was(body: Body, tmp_path: Path) -> None:
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

    run(body, tmp_path, story)


def test_insert_keeps_the_first(body: Body, tmp_path: Path) -> None:
    """A taken key is told, not replaced; put replaces; update tells whether there was a row."""

    async def story(store: Store) -> None:
        def work(tx: Transaction) -> None:
            assert tx.insert(FACTS, {"name": "a", "value": "1"})
            assert not tx.insert(FACTS, {"name": "a", "value": "2"})
            assert tx.get(FACTS, "a") == {"name": "a", "value": "1"}
            tx.put(FACTS, {"name": "a", "value": "3"})
            assert tx.get(FACTS, "a") == {"name": "a", "value": "3"}
            assert tx.update(FACTS, ("a",), value="4")
            assert not tx.update(FACTS, ("b",), value="4")
            assert tx.get(FACTS, "a") == {"name": "a", "value": "4"}

        await store.write(work)
        path = {"device": "d", "sequence": 1, "asker": "d"}
        assert await store.write(lambda tx: (tx.insert(PATHS, path), tx.insert(PATHS, path))) == (True, False)
        await store.write(lambda tx: tx.put(PATHS, path))

    run(body, tmp_path, story)


def test_select_filters_orders_and_limits(body: Body, tmp_path: Path) -> None:
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

    run(body, tmp_path, story)


def test_a_failed_write_leaves_nothing(body: Body, tmp_path: Path) -> None:
    """All or nothing, and the others in the same group are not harmed."""

    async def story(store: Store) -> None:
        def fails(tx: Transaction) -> None:
            tx.put(FACTS, {"name": "a", "value": "bad"})
            tx.next_number("events")
            tx.notify("never")
            raise ConflictError("no")

        def works(tx: Transaction) -> int:
            tx.put(FACTS, {"name": "b", "value": "good"})
            return tx.next_number("events")

        results = await asyncio.gather(
            *[store.write(work) for work in (works, fails, works, fails)], return_exceptions=True
        )
        assert [type(result) for result in results] == [int, ConflictError, int, ConflictError]
        assert [results[0], results[2]] == [1, 2]
        assert await store.read(lambda tx: tx.get(FACTS, "a")) is None
        assert await store.read(lambda tx: tx.get(FACTS, "b")) == {"name": "b", "value": "good"}
        assert store.trouble == ""

    run(body, tmp_path, story)


def test_rows_that_nobody_waits_for_are_seen_by_every_verb(body: Body, tmp_path: Path) -> None:
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

    run(body, tmp_path, story)


def test_rows_that_nobody_waits_for_fall_with_their_transaction(body: Body, tmp_path: Path) -> None:
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

    run(body, tmp_path, story)


def test_listeners_wake_after_the_commit(body: Body, tmp_path: Path) -> None:
    """A topic wakes its listeners once the row can be read, and not when the write failed."""

    async def story(store: Any) -> None:
        with store.bus.listen("answers") as waiter:
            assert not await waiter.wait(0.01)
            await store.write(lambda tx: (tx.put(FACTS, {"name": "a", "value": "1"}), tx.notify("answers")))
            assert await waiter.wait(1)
            assert await store.read(lambda tx: tx.get(FACTS, "a"))
            assert not await waiter.wait(0.01)

    run(body, tmp_path, story)


def test_many_writers_count_without_gaps(body: Body, tmp_path: Path) -> None:
    """A hundred writes at once get a hundred different numbers."""

    async def story(store: Store) -> None:
        numbers = await asyncio.gather(*[store.write(lambda tx: tx.next_number("n")) for _ in range(100)])
        assert sorted(numbers) == list(range(1, 101))

    run(body, tmp_path, story)


def test_a_row_must_fit_its_table(body: Body, tmp_path: Path) -> None:
    """A missing column is an error of ours that is noticed, never a half row."""

    async def story(store: Store) -> None:
        with pytest.raises(StorageError, match="does not fit"):
            await store.write(lambda tx: tx.insert(FACTS, {"name": "a"}))
        assert await store.read(lambda tx: tx.count(FACTS)) == 0

    run(body, tmp_path, story)


def test_every_table_can_be_read(body: Body, tmp_path: Path) -> None:
    """Each declared table exists in each body."""

    async def story(store: Store) -> None:
        assert await store.read(lambda tx: [tx.count(table) for table in ALL]) == [0] * len(ALL)
        assert await store.read(lambda tx: tx.tally(QUESTIONS, "state")) == {}

    run(body, tmp_path, story)


def test_sqlite_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    """What was written is there when the file is opened again."""
    path = tmp_path / "node.db"

    async def first() -> None:
        store = SqliteStore(path)
        await store.write(lambda tx: tx.put(FACTS, {"name": "a", "value": "1"}))
        with pytest.raises(StorageError, match="another node"):
            SqliteStore(path)
        await store.close()

    async def second() -> None:
        store = SqliteStore(path)
        assert await store.read(lambda tx: tx.get(FACTS, "a")) == {"name": "a", "value": "1"}
        await store.close()

    asyncio.run(first())
    asyncio.run(second())
