"""The way home: an answer is pushed to everyone who asked, again and again, until each acknowledges.

A delivery is one row with an event number; numbers grow in the order of commits, so "everything after N" misses
nothing. A delivery of revision 0 tells that there will be no answer (expired, cancelled, failed, erased).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from hashlib import sha256
from typing import Any

from py_edge.chain.tell import tell
from py_edge.errors import PyEdgeError
from py_edge.fields import canonical_json, read_json
from py_edge.records import Answer
from py_edge.storage.ports import Reading, Row, Transaction
from py_edge.storage.tables import ANSWERS, COUNTERS, DELIVERIES, EVENTS, PATHS, QUESTIONS

_NAMES = {field.name for field in fields(Answer)}


@dataclass(frozen=True)
class Delivery:
    """One thing to tell an asker: an answer, or the state in which the question ended without one."""

    event: int
    device: str
    sequence: int
    answer: Answer | None
    state: str

    def to_json(self) -> dict[str, Any]:
        """As the poll route gives it."""
        outcome = {"device": self.device, "sequence": self.sequence, "state": self.state}
        return {
            "event": self.event,
            "answer": self.answer.to_json() if self.answer else None,
            "outcome": None if self.answer else outcome,
        }


def add_asker(tx: Transaction, device: str, sequence: int, asker: str) -> bool:
    """Remember who wants this answer; False when that is known already."""
    return tx.insert(PATHS, path_of(device, sequence, asker))


def path_of(device: str, sequence: int, asker: str) -> Row:
    """The row that leads an answer home."""
    return {"device": device, "sequence": sequence, "asker": asker}


def deliver(tx: Transaction, row: Row, revision: int, only: str = "") -> int:
    """Queue a revision for every asker (or only one) and wake them; gives the last event number."""
    askers = [only] if only else [path["asker"] for path in _paths(tx, row)]
    event = 0
    for asker in askers:
        event = tx.next_number(EVENTS)
        known = {"device": row["device"], "sequence": row["sequence"], "revision": revision}
        tx.insert(DELIVERIES, {"event": event, "asker": asker, **known})
        tx.notify(f"asker:{asker}")
    return event


def pending(tx: Reading, asker: str, after: int = 0, limit: int = 100) -> list[Delivery]:
    """What this asker has not acknowledged, oldest first. A number that was never given here, but by a disk that is
    lost, leaves nothing out."""
    last = tx.get(COUNTERS, EVENTS)
    after = after if last is not None and after <= last["value"] else 0
    rows = tx.select(DELIVERIES, ("asker", "=", asker), ("event", ">", after), order=("event",), limit=limit)
    return [each for each in (_load(tx, row) for row in rows) if each is not None]


def pending_event(tx: Reading, asker: str, row: Row) -> int | None:
    """The newest unacknowledged event about one question, if any."""
    mine = (("device", "=", row["device"]), ("sequence", "=", row["sequence"]), ("asker", "=", asker))
    rows = tx.select(DELIVERIES, *mine, order=("-event",), limit=1)
    return int(rows[0]["event"]) if rows else None


def acknowledge(tx: Transaction, asker: str, events: Iterable[int]) -> int:
    """Forget deliveries; only one's own. Gives how many there were; doing it twice is harmless."""
    done = 0
    for event in events:
        done += tx.delete(DELIVERIES, ("event", "=", event), ("asker", "=", asker))
    return done


def last_answer(tx: Reading, row: Row) -> Answer | None:
    """The answer that counts now."""
    if row["revision"] == 0:
        return None
    return _answer(tx, row["device"], row["sequence"], row["revision"])


def _load(tx: Reading, delivery: Row) -> Delivery | None:
    device, sequence, revision = delivery["device"], delivery["sequence"], delivery["revision"]
    answer = _answer(tx, device, sequence, revision) if revision else None
    if revision and answer is None:
        return None
    question = tx.get(QUESTIONS, device, sequence)
    return Delivery(delivery["event"], device, sequence, answer, question["state"] if question else "failed")


def keep_answer(tx: Transaction, answer: Answer, now_ms: int) -> None:
    """Write a revision down, under a seal."""
    key = {"device": answer.device, "sequence": answer.sequence, "revision": answer.revision}
    body = answer.canonical().decode()
    tx.insert(ANSWERS, key | {"at_ms": now_ms, "body": f'{{"seal":"{_seal(body.encode())}",{body[1:]}'})


def revisions(tx: Reading, row: Row) -> list[Answer]:
    """Every answer that a question ever had."""
    rows = tx.select(ANSWERS, ("device", "=", row["device"]), ("sequence", "=", row["sequence"]))
    return [answer for answer in map(_open, rows) if answer is not None]


def _answer(tx: Reading, device: str, sequence: int, revision: int) -> Answer | None:
    row = tx.get(ANSWERS, device, sequence, revision)
    return _open(row) if row else None


def _open(row: Row) -> Answer | None:
    """The answer in this row; None when the disk has changed it, which is told: no answer is better than a wrong one."""
    try:
        value = read_json(row["body"])
        seal = value.pop("seal", None)
        if seal is None:  # a row of an older release, which wrote down only what it knew
            return Answer.from_json({name: value[name] for name in _NAMES & value.keys()})
        if seal == _seal(canonical_json(value)):
            return Answer.from_json(value)
    except (PyEdgeError, AttributeError):
        pass
    tell("damaged", question=f"{row['device']}:{row['sequence']}", revision=row["revision"])
    return None


def _seal(body: bytes) -> str:
    return sha256(body).hexdigest()[:16]


def _paths(tx: Reading, row: Row) -> list[Row]:
    return tx.select(PATHS, ("device", "=", row["device"]), ("sequence", "=", row["sequence"]))
