"""The outbox: what goes first, what goes again, and what is never sent twice or forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from py_edge.chain import outbox
from py_edge.chain.retry import LONGEST_S
from py_edge.storage.in_memory import MemoryStore
from py_edge.storage.ports import Row, Transaction
from py_edge.storage.tables import DEAD_LETTERS, OUTBOX, QUESTIONS

NOW = 10_000_000
LONGEST_MS = int(LONGEST_S * 1000)
T = TypeVar("T")


def question(sequence: int, **changes: Any) -> Row:
    """A row of QUESTIONS."""
    row = {
        "device": "device", "sequence": sequence, "digest": f"digest {sequence}", "model": "m", "state": "queued",
        "asked_at_ms": 0, "deadline_ms": 0, "priority": 0.0, "audit": 0, "revision": 0, "tier": 0, "answered_by": "",
        "provisional": 0, "place": 0, "estimate_s": 0.0, "changed_at_ms": NOW, "body": "{}",
    }  # fmt: skip
    return row | changes


def kept(*work: Callable[[Transaction], T]) -> list[T]:
    """What each piece of work gives, one transaction after the other on one store."""

    async def live() -> list[T]:
        store = MemoryStore()
        results = [await store.write(each) for each in work]
        await store.close()
        return results

    return asyncio.run(live())


def waiting(*rows: Row) -> Callable[[Transaction], None]:
    """These questions, each in the outbox since NOW."""

    def work(tx: Transaction) -> None:
        for row in rows:
            tx.insert(QUESTIONS, row)
            outbox.send_later(tx, row, NOW)

    return work


def numbers(rows: list[Row]) -> list[int]:
    return [row["sequence"] for row in rows]


def test_the_most_urgent_goes_first_and_what_flies_is_left_out() -> None:
    """Of six due rows two fly; the two most urgent others are given, not fewer because the flying ones come first."""
    rows = [question(n, priority=float(n)) for n in range(6)]
    flying = {("device", 5, "question"), ("device", 4, "question")}
    elsewhere = {("device", 99, "question")}
    found = kept(
        waiting(*rows),
        lambda tx: numbers(outbox.due(tx, NOW, 2, flying)),
        lambda tx: numbers(outbox.due(tx, NOW, 2, elsewhere)),
    )
    assert found[1:] == [[3, 2], [5, 4]]


def test_a_row_waits_for_its_time_unless_no_clock_of_ours_wrote_it() -> None:
    """Not before next_try_ms; a time farther away than the longest back-off is a clock's mistake and counts as now."""

    def failed(tx: Transaction) -> None:
        for row, at_ms in zip(
            tx.select(OUTBOX), (NOW + 1, NOW + LONGEST_MS, NOW + LONGEST_MS + 1), strict=True
        ):
            outbox.try_again(tx, row, "network", "no answer", at_ms)

    found = kept(
        waiting(*map(question, range(3))),
        failed,
        lambda tx: numbers(outbox.due(tx, NOW, 9, ())),
        lambda tx: numbers(outbox.due(tx, NOW + 1, 9, ())),
        outbox.next_try,
    )
    assert found[2:] == [[2], [0], NOW + 1]


def test_every_failure_is_counted() -> None:
    """Attempts grow by one each time, and the last reason stands, cut to what a row may hold."""

    def failed(tx: Transaction) -> None:
        (row,) = tx.select(OUTBOX)
        outbox.try_again(tx, row, "busy", "x" * 1000, NOW)

    *_, rows = kept(waiting(question(0)), failed, failed, lambda tx: tx.select(OUTBOX))
    assert [(row["attempts"], row["failure"], len(row["reason"])) for row in rows or []] == [(2, "busy", 500)]


def test_a_link_that_is_back_wakes_what_it_made_fail_and_nothing_else() -> None:
    """`wake` concerns one reason of failure."""

    def failed(tx: Transaction) -> None:
        for row, failure in zip(tx.select(OUTBOX), ("network", "busy"), strict=True):
            outbox.try_again(tx, row, failure, "", NOW + 1000)

    found = kept(
        waiting(question(0), question(1)),
        failed,
        lambda tx: outbox.wake(tx, "network", NOW),
        lambda tx: numbers(outbox.due(tx, NOW, 9, ())),
    )
    assert found[-1] == [0]


def test_only_what_is_long_unanswered_and_not_waiting_is_asked_again() -> None:
    """One question per content; not one that was asked lately, ended, or stands in the outbox as it is."""
    long_ago = NOW - outbox.FORGOTTEN_MS
    forgotten = [
        question(1, digest="a", changed_at_ms=long_ago),
        question(2, digest="a", changed_at_ms=long_ago),
    ]
    others = [question(3, changed_at_ms=long_ago + 1), question(4, changed_at_ms=long_ago, state="answered")]

    def known(tx: Transaction) -> None:
        tx.insert_all(QUESTIONS, [*forgotten, *others])

    found = kept(
        waiting(question(0, changed_at_ms=long_ago)),
        known,
        lambda tx: outbox.ask_again(tx, NOW),
        lambda tx: sorted(numbers(tx.select(OUTBOX))),
    )
    assert found[2:] == [1, [0, 1]]


def test_a_dead_letter_leaves_the_outbox_and_keeps_its_payload() -> None:
    """What was refused for good is sent no more, and can be read."""

    def bury(tx: Transaction) -> int:
        (row,) = tx.select(OUTBOX)
        return outbox.bury(tx, row, 422, "no such model", '{"x": 1}', NOW)

    found = kept(
        waiting(question(0)),
        bury,
        lambda tx: tx.select(OUTBOX),
        lambda tx: [(row["status"], row["reason"], row["body"]) for row in tx.select(DEAD_LETTERS)],
    )
    assert found[2:] == [[], [(422, "no such model", '{"x": 1}')]]
