"""Erasure: a question loses its content here and wherever it went; its id, its steps and the time stay as a tombstone.

A place empties everything in one transaction. The wish travels up as a kind of its own in the outbox, and down as the
outcome "erased". Who asked the same keeps what is theirs and waits on in their own name; copies that this place made
by itself, for audits, go too. An answer that an equal question has already stays with it; if only the erased one had
gone up, a later correction finds no way to it.

A whole device is erased some questions at a time, each as above, so that others get their turn; the wish stands in
the store until the last is done, and goes up as well, for what only the places above still know.
"""

from __future__ import annotations

from collections.abc import Callable

from py_edge.chain import downstream, outbox
from py_edge.chain.answers import twins_of
from py_edge.chain.states import begin, enter, it_is_gone
from py_edge.records import ERASED, STATES
from py_edge.storage.ports import Reading, Row, Transaction
from py_edge.storage.tables import (
    ANSWERS,
    DEAD_LETTERS,
    DELIVERIES,
    EXAMPLES,
    FACTS,
    OUTBOX,
    PATHS,
    QUESTIONS,
)

Shred = Callable[[Transaction, str], None]  # told a digest that nobody asks about any more
EMPTY = {"digest": "", "body": "", "revision": 0, "tier": 0, "answered_by": "", "provisional": 0}
HOLD_CONTENT = (ANSWERS, DELIVERIES, OUTBOX, DEAD_LETTERS, EXAMPLES)
NOT_ERASED = tuple(state for state in STATES if state != ERASED)
ONE, ALL_OF_DEVICE = "erase", "erase_device"  # kinds in the outbox; the second bears no sequence
_WISH = "erasing:"  # and the device


def erase(
    tx: Transaction, device: str, sequence: int, now_ms: int, shred: Shred | None
) -> tuple[list[Row], list[Row]]:
    """Empty a question; gives the rows as they were that lost their content, and those of others with the same.

    What never came here gets its tombstone too, so that a late copy is refused. Doing it twice is harmless.
    """
    row = tx.get(QUESTIONS, device, sequence)
    if row is None:
        return [_bury_unseen(tx, device, sequence, now_ms)], []
    if row["state"] == ERASED:
        return [], []
    same = twins_of(tx, row, NOT_ERASED)
    others = [twin for twin in same if _is_asked(tx, twin)]
    gone = [row] if others else [row, *same]
    if not others and shred is not None:
        shred(tx, row["digest"])
    for each in gone:
        _delete_content(tx, each)
        downstream.deliver(tx, enter(tx, each, ERASED, now_ms, "on request", **EMPTY), 0)
    return gone, others


def refuse_erased(tx: Reading, device: str, sequence: int) -> None:
    """Raises GoneError when this id was erased."""
    row = tx.get(QUESTIONS, device, sequence)
    if row is not None and row["state"] == ERASED:
        raise it_is_gone(row)


def wish_device_erased(tx: Transaction, device: str, now_ms: int, goes_up: bool) -> None:
    """Write down that everything of a device is to go, here and, if it goes up, in every place above."""
    tx.put(FACTS, {"name": _WISH + device, "value": ""})
    if goes_up:
        row = {"device": device, "sequence": 0, "priority": outbox.priority(0.0, now_ms)}
        outbox.send_later(tx, row, now_ms, kind=ALL_OF_DEVICE)


def devices_to_erase(tx: Reading) -> list[str]:
    """Whose erasure was begun and has not come to its end."""
    rows = tx.select(FACTS, ("name", ">", _WISH), ("name", "<", _WISH + "~"), order=("name",))
    return [row["name"].removeprefix(_WISH) for row in rows]


def some_of_device(tx: Transaction, device: str, after: int, limit: int) -> list[int]:
    """The next sequences under which something of a device is kept; with none left the wish is fulfilled."""
    mine = (("device", "=", device), ("sequence", ">", after))
    asked = tx.select(QUESTIONS, *mine, ("state", "in", NOT_ERASED), order=("sequence",), limit=limit)
    told = tx.select(EXAMPLES, *mine, order=("sequence",), limit=limit)
    found = sorted({row["sequence"] for row in (*asked, *told)})[:limit]
    if not found:
        tx.delete(FACTS, ("name", "=", _WISH + device))
    return found


def _bury_unseen(tx: Transaction, device: str, sequence: int, now_ms: int) -> Row:
    row = {
        "device": device, "sequence": sequence, "model": "", "asked_at_ms": now_ms, "deadline_ms": 0, "priority": 0.0,
        "audit": 0, "place": -1, "estimate_s": -1.0, "changed_at_ms": now_ms,
    }  # fmt: skip
    _delete_content(tx, row)
    return begin(tx, row | EMPTY, [(ERASED, "before it came here")], now_ms)


def _delete_content(tx: Transaction, row: Row) -> None:
    for table in HOLD_CONTENT:
        tx.delete(table, ("device", "=", row["device"]), ("sequence", "=", row["sequence"]))


def _is_asked(tx: Reading, row: Row) -> bool:
    """Whether somebody waits or waited for it; nobody does for an audit's copy."""
    mine = (("device", "=", row["device"]), ("sequence", "=", row["sequence"]))
    return bool(tx.select(PATHS, *mine, limit=1))
