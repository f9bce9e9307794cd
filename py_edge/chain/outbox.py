"""Questions on their way up: a row stands in the transaction that decided to ask, and goes when the parent has it.

Order is by uncertainty and age together: everything ages alike, so `priority` is written once and nothing starves.
"""

from __future__ import annotations

from collections.abc import Collection

from py_edge.chain.retry import LONGEST_S
from py_edge.chain.states import PENDING, enter, heal
from py_edge.errors import NotFoundError
from py_edge.records import STATES
from py_edge.storage.ports import Reading, Row, Transaction
from py_edge.storage.tables import DEAD_LETTERS, OUTBOX, QUESTIONS

AGE_OF_ONE_MS = 600_000  # waiting this long counts as much as being wholly unsure

FORGOTTEN_MS = 3_600_000  # without an answer for so long, the parent is asked whether it still knows


def priority(confidence: float, now_ms: int) -> float:
    """Higher goes first; compare only within one node."""
    return (1.0 - confidence) - now_ms / AGE_OF_ONE_MS


def send_later(tx: Transaction, row: Row, now_ms: int, kind: str = "question") -> None:
    """Put a question (or its cancellation) in the outbox."""
    sending = {
        "device": row["device"],
        "sequence": row["sequence"],
        "kind": kind,
        "priority": row["priority"],
    }
    waiting = {"attempts": 0, "next_try_ms": now_ms, "failure": "", "reason": "", "created_at_ms": now_ms}
    if not tx.insert_new(OUTBOX, sending | waiting):
        tx.put(OUTBOX, sending | waiting)
    tx.notify("outbox")


def ask_again(tx: Transaction, now_ms: int) -> int:
    """Send what has had no answer for long once more, one question per content; gives how many.

    A parent that lost its disk, or was restored from an older backup, knows them again; any other sees the same ids.
    """
    rows = tx.select(QUESTIONS, ("state", "in", PENDING), ("changed_at_ms", "<=", now_ms - FORGOTTEN_MS))
    # What changed later than now was written by a clock that ran ahead: nobody knows how long it waits.
    rows += tx.select(QUESTIONS, ("state", "in", PENDING), ("changed_at_ms", ">", now_ms))
    strange = tuple(set(tx.tally(QUESTIONS, "state")) - set(STATES))
    for row in tx.select(QUESTIONS, ("state", "in", strange)) if strange else []:
        rows += [healed] if (healed := heal(tx, row, now_ms))["state"] in PENDING else []
    waiting = {(row["device"], row["sequence"]) for row in tx.select(OUTBOX)}
    once = {row["digest"]: row for row in reversed(rows)}.values()
    forgotten = [row for row in once if (row["device"], row["sequence"]) not in waiting]
    for row in forgotten:
        send_later(tx, row, now_ms)
    return len(forgotten)


def due(tx: Reading, now_ms: int, limit: int, flying: Collection[tuple[str, int, str]]) -> list[Row]:
    """What may be sent now and is not in flight, most urgent first."""
    room = limit + len(flying)
    rows = tx.select(OUTBOX, ("next_try_ms", "<=", now_ms), order=("-priority",), limit=room)
    # A try farther away than the longest back-off was written by a clock that ran ahead.
    far = ("next_try_ms", ">", now_ms + int(LONGEST_S * 1000))
    rows += tx.select(
        OUTBOX, far, order=("next_try_ms",), limit=room
    )  # by the index: there are hardly ever any
    return [row for row in rows if key_of(row) not in flying][:limit]


def next_try(tx: Reading) -> int | None:
    """When the earliest row wants to be sent; None when there is none."""
    rows = tx.select(OUTBOX, order=("next_try_ms",), limit=1)
    return int(rows[0]["next_try_ms"]) if rows else None


def sent(tx: Transaction, device: str, sequence: int, kind: str = "question") -> None:
    """The parent has it, or it is not wanted any more."""
    tx.delete(OUTBOX, ("device", "=", device), ("sequence", "=", sequence), ("kind", "=", kind))


def try_again(tx: Transaction, row: Row, failure: str, reason: str, at_ms: int) -> None:
    """Write down why it failed and when it goes out again."""
    changes = {
        "attempts": row["attempts"] + 1,
        "failure": failure,
        "reason": reason[:500],
        "next_try_ms": at_ms,
    }
    tx.update(OUTBOX, key_of(row), **changes)


def wake(tx: Transaction, failure: str, now_ms: int) -> None:
    """The link is back: everything that failed for this reason may go at once."""
    for row in tx.select(OUTBOX, ("failure", "=", failure), ("next_try_ms", ">", now_ms)):
        tx.update(OUTBOX, key_of(row), next_try_ms=now_ms)


def bury(tx: Transaction, row: Row, status: int, reason: str, body: str, now_ms: int) -> int:
    """Move a row that was refused for good to the dead letters, with its payload; gives its number."""
    number = tx.next_number("dead_letters")
    letter = {"number": number, "device": row["device"], "sequence": row["sequence"], "kind": row["kind"]}
    tx.insert(
        DEAD_LETTERS, letter | {"status": status, "reason": reason[:500], "at_ms": now_ms, "body": body}
    )
    sent(tx, row["device"], row["sequence"], row["kind"])
    return number


def replay(tx: Transaction, number: int, now_ms: int) -> None:
    """Send a dead letter again. Raises NotFoundError, ConflictError when its question is over."""
    letter = tx.get(DEAD_LETTERS, number)
    row = tx.get(QUESTIONS, letter["device"], letter["sequence"]) if letter else None
    if letter is None or row is None:
        raise NotFoundError("no such dead letter", where=str(number))
    send_later(tx, enter(tx, row, "queued", now_ms, f"dead letter {number} again"), now_ms)
    tx.delete(DEAD_LETTERS, ("number", "=", number))


def key_of(row: Row) -> tuple[str, int, str]:
    """The primary key of an outbox row."""
    return row["device"], row["sequence"], row["kind"]
