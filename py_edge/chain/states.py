"""The state machine of a question: the table stands in `records.TRANSITIONS`; here it is walked and written down."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from py_edge.chain.tell import tell
from py_edge.errors import ConflictError, GoneError, PyEdgeError
from py_edge.records import ERASED, TERMINAL
from py_edge.records import TRANSITIONS as ALLOWED
from py_edge.storage.ports import Row, Transaction
from py_edge.storage.tables import QUESTIONS, TRANSITIONS

PENDING = tuple(state for state in ALLOWED if state not in TERMINAL)


def enter(tx: Transaction, row: Row, state: str, now_ms: int, reason: str = "", **changes: Any) -> Row:
    """Move a question to a state, write the step down, and give the new row.

    Raises ConflictError when there is no way from its state to this one; from a word that is none of ours, which only
    the disk can have made, every way is open.
    """
    if state not in ALLOWED.get(row["state"], ALLOWED):
        raise ConflictError(
            "a question cannot go there", where=f"{row['device']}:{row['sequence']}", got=f"{row['state']} -> {state}",
            want=", ".join(ALLOWED[row["state"]]) or "nothing: the state is final",
        )  # fmt: skip
    changes |= {"state": state, "changed_at_ms": now_ms}
    _add_step(tx, row, state, now_ms, reason)
    tx.update(QUESTIONS, (row["device"], row["sequence"]), **changes)
    tx.notify("status")
    return {**row, **changes}


def heal(tx: Transaction, row: Row, now_ms: int) -> Row:
    """Give a question whose state the disk has changed to no word of ours the one that the rest of its row speaks for."""
    final = row["revision"] > 0 and not row["provisional"]
    state = ERASED if not row["body"] else "answered" if final else "queued"
    tell("damaged", question=f"{row['device']}:{row['sequence']}", got=row["state"])
    return enter(tx, row, state, now_ms, "its state was damaged")


def begin(tx: Transaction, row: Row, steps: Sequence[tuple[str, str]], now_ms: int) -> Row:
    """Write a new question with its first steps (state, reason) at once; gives the row in the last of them.

    Raises ConflictError when there is a question with its id, GoneError when there was one.
    """
    for (before, _), (after, _) in pairwise(steps):
        assert after in ALLOWED[before], f"{before} -> {after}"
    row = {**row, "state": steps[-1][0]}
    if not tx.insert_new(QUESTIONS, row):
        raise id_is_taken(tx.get(QUESTIONS, row["device"], row["sequence"]) or row, row["digest"])
    tx.insert_all(
        TRANSITIONS,
        [_step(row, number, state, now_ms, reason) for number, (state, reason) in enumerate(steps, 1)],
    )
    tx.notify("status")
    return row


def id_is_taken(row: Row, digest: str) -> PyEdgeError:
    """Why a question with this digest cannot have the id of the row."""
    if row["state"] == ERASED:
        return it_is_gone(row)
    return ConflictError(
        "the same id was used for another question", where="/digest", got=digest, want=row["digest"],
        remedy="a new question needs a new sequence",
    )  # fmt: skip


def it_is_gone(row: Row) -> GoneError:
    """Why nothing can be said of an erased question."""
    return GoneError(where=f"{row['device']}:{row['sequence']}")


def _add_step(tx: Transaction, row: Row, state: str, now_ms: int, reason: str = "") -> None:
    """Add one step to the history."""
    number = tx.count(TRANSITIONS, ("device", "=", row["device"]), ("sequence", "=", row["sequence"])) + 1
    tx.insert(TRANSITIONS, _step(row, number, state, now_ms, reason))


def _step(row: Row, number: int, state: str, now_ms: int, reason: str) -> Row:
    return {
        "device": row["device"], "sequence": row["sequence"], "number": number, "state": state, "at_ms": now_ms,
        "reason": reason[:500],
    }  # fmt: skip
