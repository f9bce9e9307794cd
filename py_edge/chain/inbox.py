"""A question arrives from below: it is taken in once, joined to its equals, and sent on if nobody here knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from py_edge.chain import downstream, outbox
from py_edge.chain.answers import has_pending_twin, known_answer, settle
from py_edge.chain.states import begin, id_is_taken
from py_edge.errors import PolicyError
from py_edge.records import HOP_LIMIT, Answer, Question, Receipt
from py_edge.storage.ports import Reading, Row, Transaction
from py_edge.storage.tables import PATHS, QUESTIONS

Escalate = Callable[[Transaction, Row, Question, int], None]

Place = Callable[[Reading, Row], tuple[int | None, float | None]]


class Arrival(NamedTuple):
    """Everything about one arrival that is known before the transaction."""

    question: Question
    asker: str
    own: Answer | None  # what this tier thinks, provisional when it is not sure
    own_tier: int
    now_ms: int


def check_hops(question: Question, name: str) -> None:
    """Refuse what was here before. Raises PolicyError."""
    if name in question.hops or len(question.hops) >= HOP_LIMIT:
        raise PolicyError(
            "the question goes in a circle", where="/hops", got=" > ".join(question.hops),
            want=f"at most {HOP_LIMIT} hops, none of them twice", remedy="look at the --parent of each node",
        )  # fmt: skip


def seen_before(tx: Reading, question: Question) -> Row | None:
    """The row of a question that was asked before. Raises ConflictError: its content was another; GoneError: erased."""
    row = tx.get(QUESTIONS, question.device, question.sequence)
    if row is not None and row["digest"] != question.digest:
        raise id_is_taken(row, question.digest)
    return row


def take_question(
    tx: Transaction, arrival: Arrival, escalate: Escalate, digests: set[str]
) -> tuple[Row, bool]:
    """Take a question in; asked again, it is found as it stands. Gives its row and whether it is new.

    digests: those of `known_digests` that it may have; its own is added.
    """
    question, now_ms = arrival.question, arrival.now_ms
    known = question.digest in digests
    digests.add(question.digest)
    row = seen_before(tx, question) if known else None  # else `begin` finds out whether the id is free
    if row is not None:
        _ask_again(tx, row, arrival.asker)
        return row, False
    row = _new_row(question, now_ms)
    asked = ("asked", f"from {arrival.asker or 'here'}")
    if arrival.asker:
        tx.insert_all(PATHS, [downstream.path_of(question.device, question.sequence, arrival.asker)])
    found = known_answer(tx, question.digest, question.audit, arrival.own_tier) if known else None
    answer = found or (None if question.audit else arrival.own)
    if answer is not None and not answer.provisional:
        settle(tx, begin(tx, row, [asked], now_ms), answer, now_ms)
        return tx.get(QUESTIONS, question.device, question.sequence) or row, True
    joined = known and has_pending_twin(tx, question)
    way = "with an equal question" if joined else "to the next tier"
    row = begin(tx, row, [asked, ("unresolved", "nobody here is sure"), ("queued", way)], now_ms)
    if not joined:
        escalate(tx, row, question, now_ms)
    if answer is not None and question.patience_ms is not None:
        settle(tx, row, answer, now_ms)
        row = tx.get(QUESTIONS, question.device, question.sequence) or row
    return row, True


def receipt_of(
    tx: Reading, row: Row, asker: str, find_place: Place | None = None, owner: str = ""
) -> Receipt:
    """What the asker is told: where it stands, the place and wait if known, the answer if there is one."""
    answer = downstream.last_answer(tx, row)
    place, estimate_s = None, None
    if row["state"] in ("queued", "working"):
        place, estimate_s = (find_place or said_by_parent)(tx, row)
    return Receipt(
        state=row["state"],
        place=place,
        estimate_s=estimate_s,
        answer=answer,
        event=downstream.pending_event(tx, asker, row) if answer else None,
        owner=row["answered_by"] if row["state"] == "answered" and row["answered_by"] != "person" else owner,
    )


def said_by_parent(tx: Reading, row: Row) -> tuple[int | None, float | None]:
    """Place and wait as the parent gave them when it took the question."""
    place, estimate_s = row["place"], row["estimate_s"]
    return (None if place < 0 else place), (None if estimate_s < 0 else estimate_s)


def _ask_again(tx: Transaction, row: Row, asker: str) -> None:
    new = downstream.add_asker(tx, row["device"], row["sequence"], asker)
    if new and row["revision"] > 0:
        downstream.deliver(tx, row, row["revision"], only=asker)


def _new_row(question: Question, now_ms: int) -> Row:
    deadline = question.deadline_ms
    # Clocks differ: what counts is how long the device gave us, from now.
    limit = now_ms + max(0, deadline - question.asked_at_ms) if deadline is not None else 0
    return {
        "device": question.device, "sequence": question.sequence, "digest": question.digest, "model": question.model,
        "state": "asked", "asked_at_ms": now_ms, "deadline_ms": limit,
        "priority": outbox.priority(question.confidence, now_ms), "audit": int(question.audit), "revision": 0,
        "tier": 0, "answered_by": "", "provisional": 0, "place": -1, "estimate_s": -1.0, "changed_at_ms": now_ms,
        "body": question.canonical().decode(),
    }  # fmt: skip
