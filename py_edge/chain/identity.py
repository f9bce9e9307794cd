"""Who asks: a device id made once from 128 random bits, and a sequence that only counts up.

Both live in the store of the device, so a question sent again after a crash is the same question.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from py_edge.chain.ports import Chance
from py_edge.records import Question, digest_of_content
from py_edge.storage.ports import Transaction
from py_edge.storage.tables import COUNT, COUNTERS, EVENT_BITS, EVENTS, FACTS


def device_id(tx: Transaction, chance: Chance) -> str:
    """The id of this device; made and kept when there is none yet."""
    row = tx.get(FACTS, "device")
    if row is None:
        row = {"name": "device", "value": f"{chance.getrandbits(128):032x}"}
        tx.put(FACTS, row)
    return str(row["value"])


def begin_count(tx: Transaction, chance: Chance) -> None:
    """Once per disk: the id of this place's count of revisions, and a place far from any other for its events to begin.

    A lost disk takes both along. The askers still have its numbers in their hands, and an old acknowledgement must not
    take away what a new event has to tell.
    """
    if tx.get(FACTS, COUNT) is None:
        tx.put(FACTS, {"name": COUNT, "value": f"{chance.getrandbits(64):016x}"})
        last = tx.get(COUNTERS, EVENTS)
        first = (last["value"] if last else 0) + chance.getrandbits(EVENT_BITS)
        tx.put(COUNTERS, {"name": EVENTS, "value": first})


def make_question(
    tx: Transaction, chance: Chance, now_ms: int, *, model: str, content: Mapping[str, Any], **details: Any
) -> Question:
    """A new question of this device with the next sequence; `content` is {shape, dtype, data}."""
    return Question(
        device=device_id(tx, chance),
        sequence=tx.next_number("sequence"),
        digest=digest_of_content(content, model),
        model=model,
        input=content,
        asked_at_ms=now_ms,
        trace=f"{chance.getrandbits(64):016x}",
        **details,
    )
