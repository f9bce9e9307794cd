"""One contract, every body: memory, SQLite with and without threads, and PostgreSQL do the same (rows: test_rows.py)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

from py_edge.errors import ConflictError
from py_edge.storage.in_memory import MemoryStore
from py_edge.storage.jobs import StoreJobs
from py_edge.storage.ports import Store, Transaction
from py_edge.storage.tables import COUNTERS, DELIVERIES, FACTS, TASKS

Open = Callable[[], Store]


def live(open_store: Open, story: Callable[[Store], Awaitable[None]]) -> None:
    """Open, live, close."""

    async def whole() -> None:
        store = open_store()
        try:
            await story(store)
        finally:
            await store.close()

    asyncio.run(whole())


def fact(name: str, value: str = "") -> dict[str, Any]:
    """A row of FACTS."""
    return {"name": name, "value": value}


def task(name: str, **changes: Any) -> dict[str, Any]:
    """A row of TASKS."""
    row = {
        "task": name, "digest": "d", "state": "open", "priority": 0.0, "created_at_ms": 1, "deadline_ms": 0,
        "gold": 0, "gold_index": -1, "revision": 0, "body": "{}",
    }  # fmt: skip
    return row | changes


def test_every_verb(open_store: Open) -> None:
    """insert, insert_all, put, update, delete, get, select, count, tally, next_number."""

    async def story(store: Store) -> None:
        def work(tx: Transaction) -> None:
            assert tx.insert(FACTS, fact("a", "1"))
            assert not tx.insert(FACTS, fact("a", "2"))
            assert tx.get(FACTS, "a") == fact("a", "1")
            tx.put(FACTS, fact("a", "3"))
            assert tx.get(FACTS, "a") == fact("a", "3")
            assert tx.update(FACTS, ("a",), value="4")
            assert not tx.update(FACTS, ("b",), value="4")
            assert tx.get(FACTS, "b") is None
            tx.insert_all(FACTS, [fact("a", "5"), fact("c", "6"), fact("d", "7")])
            assert [tx.get(FACTS, name) for name in "acd"] == [fact("a", "4"), fact("c", "6"), fact("d", "7")]
            assert [tx.next_number("n") for _ in range(3)] == [1, 2, 3]
            for name, priority in (("x", 0.5), ("y", 0.1 + 0.2), ("z", -1e300)):
                tx.insert(TASKS, task(name, priority=priority, state="done" if name == "z" else "open"))
            assert tx.tally(TASKS, "state") == {"open": 2, "done": 1}
            assert tx.count(TASKS, ("state", "=", "open")) == 2
            assert tx.delete(TASKS, ("state", "=", "done")) == 1
            assert tx.delete(TASKS, ("state", "=", "done")) == 0

        await store.write(work)
        rows = await store.read(lambda tx: tx.select(TASKS, order=("-priority",)))
        assert [(row["task"], row["priority"]) for row in rows] == [("x", 0.5), ("y", 0.1 + 0.2)]
        assert await store.read(lambda tx: tx.get(COUNTERS, "n")) == {"name": "n", "value": 3}

    live(open_store, story)


def test_a_nul_is_no_trouble_for_any_verb(open_store: Open) -> None:
    """A text with NUL is kept under its name; a body that cannot keep the sign has the one for an unknown character."""

    async def story(store: Store) -> None:
        def work(tx: Transaction) -> None:
            tx.insert_all(FACTS, [fact("a\0", "1"), fact("b\0", "2")])
            assert not tx.insert(FACTS, fact("a\0", "3"))
            assert tx.update(FACTS, ("b\0",), value="\0")
            tx.put(FACTS, fact("c\0", "4"))
            assert tx.delete(FACTS, ("name", "in", ("c\0",))) == 1

        await store.write(work)
        found = [(row["name"], row["value"]) for row in await store.read(lambda tx: tx.select(FACTS))]
        sign = found[0][0][1:]
        assert sign in ("\0", "\ufffd")
        assert found == [(f"a{sign}", "1"), (f"b{sign}", sign)]

    live(open_store, story)


COMPARISONS = (
    (("priority", "=", 2.0), "bC"), (("priority", "!=", 2.0), "aAé"), (("priority", "<", 2.0), "a"),
    (("priority", "<=", 2.0), "abC"), (("priority", ">", 2.0), "Aé"), (("priority", ">=", 2.0), "AbCé"),
    (("task", "in", ("a", "C", "none")), "aC"), (("task", "in", ()), ""),
)  # fmt: skip


def test_every_comparison(open_store: Open) -> None:
    """All seven operators, also the empty list."""

    async def story(store: Store) -> None:
        def fill(tx: Transaction) -> None:
            for name, priority in zip("abCAé", (1.0, 2.0, 2.0, 3.0, 4.0), strict=True):
                tx.insert(TASKS, task(name, priority=priority))

        await store.write(fill)
        for where, expected in COMPARISONS:
            found = await store.read(lambda tx, where=where: tx.select(TASKS, where))  # type: ignore[misc]
            assert {row["task"] for row in found} == set(expected), where

    live(open_store, story)


def test_text_is_ordered_by_code_point(open_store: Open) -> None:
    """Capitals before small letters, both before é and 字; also with a limit and downwards."""

    async def story(store: Store) -> None:
        names = ["B", "a", "b", "é", "字", "_", "1", "\U0001f9ea"]
        await store.write(lambda tx: [tx.insert(FACTS, fact(name)) for name in names])
        up = await store.read(lambda tx: tx.select(FACTS))
        down = await store.read(lambda tx: tx.select(FACTS, order=("-name",), limit=3))
        assert [row["name"] for row in up] == sorted(names)
        assert [row["name"] for row in down] == sorted(names, reverse=True)[:3]

    live(open_store, story)


def test_a_failed_function_leaves_nothing_and_hurts_nobody(open_store: Open) -> None:
    """One of many at once raises: its rows are gone, its numbers too, the others are there."""

    async def story(store: Store) -> None:
        def work(number: int) -> Callable[[Transaction], int]:
            def inner(tx: Transaction) -> int:
                tx.put(FACTS, fact(f"f{number}"))
                counted = tx.next_number("n")
                if number % 3 == 0:
                    raise ConflictError(got=number)
                return counted

            return inner

        found = await asyncio.gather(*[store.write(work(n)) for n in range(30)], return_exceptions=True)
        assert [isinstance(each, ConflictError) for each in found] == [n % 3 == 0 for n in range(30)]
        assert sorted(each for each in found if isinstance(each, int)) == list(range(1, 21))
        assert await store.read(lambda tx: tx.count(FACTS)) == 20
        assert store.trouble == ""

    live(open_store, story)


def test_what_many_want_is_done_together_and_each_gets_its_own(open_store: Open) -> None:
    """Of a hundred, those with a taken key hear so, one that fails fails alone, and no row is written twice or lost."""

    def add(tx: Transaction, names: list[str]) -> list[tuple[str, bool]]:
        if "bad" in names:
            raise ConflictError("no")
        return [(name, tx.insert_new(FACTS, {"name": name, "value": name.upper()})) for name in names]

    async def add_all(store: Store, names: list[str]) -> list[Any]:
        return await asyncio.gather(
            *[store.write_together(add, name) for name in names], return_exceptions=True
        )

    async def story(store: Store) -> None:
        names = [f"n{number}" for number in range(100)]
        assert await add_all(store, names) == [(name, True) for name in names]
        twice, once = await add_all(store, ["n7", "new"])
        assert (twice, once) == (("n7", False), ("new", True))
        assert await add_all(store, ["same", "same"]) == [("same", True), ("same", False)]
        good, bad = await add_all(store, ["good", "bad"])
        assert (good, type(bad)) == (("good", True), ConflictError)
        await store.write(lambda tx: tx.put(FACTS, {"name": "plain", "value": "PLAIN"}))
        rows = await store.read(lambda tx: tx.select(FACTS, ("name", "in", ("n7", "same", "nobody"))))
        assert [row["value"] for row in rows] == ["N7", "SAME"]
        assert await store.read(lambda tx: tx.count(FACTS)) == 104
        assert store.trouble == ""

    live(open_store, story)


def test_what_was_written_is_there_after_a_restart(open_store: Open) -> None:
    """Unusual text and the largest numbers come back as they were."""
    if open_store is MemoryStore:
        return
    delivery = {
        "event": (1 << 53) - 1,
        "asker": "ä\n\t'\"%s%(a)s:x",
        "device": "d",
        "sequence": 1,
        "revision": 0,
    }

    async def write(store: Store) -> None:
        await store.write(lambda tx: tx.insert(DELIVERIES, delivery))

    async def read(store: Store) -> None:
        assert await store.read(lambda tx: tx.get(DELIVERIES, (1 << 53) - 1)) == delivery

    live(open_store, write)
    live(open_store, read)


def test_a_topic_wakes_after_the_commit(open_store: Open) -> None:
    """Who is woken finds the row."""

    async def story(store: Any) -> None:
        def work(tx: Transaction) -> None:
            tx.put(FACTS, fact("a"))
            tx.notify("news")

        with store.bus.listen("news") as waiter:
            task = asyncio.create_task(store.write(work))
            assert await waiter.wait(5)
            assert await store.read(lambda tx: tx.get(FACTS, "a")) == fact("a")
            await task

    live(open_store, story)


def test_jobs_are_taken_once(open_store: Open) -> None:
    """Of many takers one gets the job; its lease frees it."""

    async def story(store: Store) -> None:
        now = [1000]
        jobs = StoreJobs(store, lambda: now[0])
        assert await jobs.put("k", "a", "payload")
        assert not await jobs.put("k", "a")
        taken = await asyncio.gather(*[jobs.take("k", 1.0) for _ in range(10)])
        assert [each for each in taken if each] == [("a", "payload")]
        now[0] += 1001
        assert await jobs.take("k", 1.0) == ("a", "payload")
        await jobs.done("k", "a")
        assert await jobs.put("k", "a")

    live(open_store, story)


def test_random_work_leaves_the_same_rows(open_store: Open) -> None:
    """Two hundred random transactions, against the body in memory."""

    async def story(store: Store) -> None:
        model, rng = MemoryStore(), random.Random(5)
        for _ in range(200):
            name, value = f"f{rng.randrange(8)}", str(rng.random())
            verb = rng.randrange(5)

            def work(tx: Transaction, name: str = name, value: str = value, verb: int = verb) -> Any:
                return (
                    lambda: tx.insert(FACTS, fact(name, value)),
                    lambda: tx.put(FACTS, fact(name, value)),
                    lambda: tx.update(FACTS, (name,), value=value),
                    lambda: tx.delete(FACTS, ("value", "<", value)),
                    lambda: tx.next_number(name),
                )[verb]()

            assert await store.write(work) == model.write_now(work)
        for table in (FACTS, COUNTERS):
            assert await store.read(lambda tx, t=table: tx.select(t)) == await model.read(  # type: ignore[misc]
                lambda tx, t=table: tx.select(t)  # type: ignore[misc]
            )

    live(open_store, story)
