"""Who asks: a device id made once from 128 random bits, and a sequence that only counts up.

Both live in the store of the device, so a question sent again after a crash is the same question.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from py_edge.chain.ports import Chance
from py_edge.records import Question, digest_of_content
from py_edge.storage.ports import Transaction
from py_edge.storage.tables import COUNT, FACTS


def device_id(tx: Transaction, chance: Chance) -> str:
    """The id of this device; made and kept when there is none yet."""
    return _made_once(tx, "device", 128, chance)


def count_id(tx: Transaction, chance: Chance) -> str:
    """The id of this place's count of revisions; a lost disk takes it along, so the next count has another."""
    return _made_once(tx, COUNT, 64, chance)


def _made_once(tx: Transaction, name: str, bits: int, chance: Chance) -> str:
    row = tx.get(FACTS, name)
    if row is None:
        row = {"name": name, "value": f"{chance.getrandbits(bits):0{bits // 4}x}"}
        tx.put(FACTS, row)
    return str(row["value"])


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
