"""An answer takes effect: one revision more, told to everyone who asked the same, and an example to learn from.

Everything here happens in the caller's transaction, so it happens once or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence

from py_edge.chain import downstream, outbox
from py_edge.chain.states import PENDING, enter
from py_edge.fields import read_json
from py_edge.records import ERASED, NO_LABEL, Answer, Example, Question
from py_edge.storage.ports import Reading, Row, Transaction
from py_edge.storage.tables import COUNT, EXAMPLES, FACTS, INBOX, QUESTIONS

PERSON_TIER = 99


def take_home(tx: Transaction, origin: str, answer: Answer, now_ms: int) -> bool | None:
    """An answer arrived from above: note it, and let it take effect unless it was here before or is overtaken.

    None: nobody here knows the question.

    A parent that lost its disk counts anew: its old numbers say nothing about the new ones. A count is known by its id,
    whatever its node is called here by now; an older parent does not give one, so its first final word counts, whatever
    its number.
    """
    row = tx.get(QUESTIONS, answer.device, answer.sequence)
    if row is None:
        return None
    known = {"origin": answer.numbered_by or origin, "device": answer.device, "sequence": answer.sequence}
    new = tx.insert(INBOX, known | {"revision": answer.revision, "at_ms": now_ms})
    newer = (("revision", ">", answer.revision), *((name, "=", value) for name, value in known.items()))
    first_word = not answer.provisional and (row["revision"] == 0 or bool(row["provisional"]))
    return (first_word or (new and tx.count(INBOX, *newer) == 0)) and settle(tx, row, answer, now_ms)


def settle(tx: Transaction, row: Row, answer: Answer, now_ms: int) -> bool:
    """Give a question this answer, and every question of the same digest too; False if it is no better."""
    if not _settle_one(tx, row, answer, now_ms):
        return False
    if not answer.provisional:
        for twin in twins_of(tx, row, (*PENDING, "answered")):
            if not twin["audit"] or answer.tier == PERSON_TIER:
                _settle_one(tx, twin, answer, now_ms)
    return True


def end_without_answer(tx: Transaction, row: Row, state: str, now_ms: int, reason: str) -> Row:
    """Expire, cancel or fail a question and tell its askers."""
    row = enter(tx, row, state, now_ms, reason)
    outbox.sent(tx, row["device"], row["sequence"])
    downstream.deliver(tx, row, 0)
    return row


def pending_twins(tx: Reading, row: Row) -> list[Row]:
    """Other questions with the same content that still wait."""
    return twins_of(tx, row, PENDING)


def known_digests(tx: Reading, digests: Sequence[str]) -> set[str]:
    """Which contents were ever asked about here; most are new, and then nothing else need be looked up."""
    return set(tx.tally(QUESTIONS, "digest", ("digest", "in", tuple(digests))))


def has_pending_twin(tx: Reading, question: Question) -> bool:
    """Whether this content waits already; an audit joins audits only, for models may answer the others."""
    same = (("digest", "=", question.digest), ("state", "in", PENDING), ("audit", ">=", int(question.audit)))
    return tx.exists(QUESTIONS, *same)


def twins_of(tx: Reading, row: Row, states: tuple[str, ...]) -> list[Row]:
    """Other questions with the same content in one of these states."""
    same = (("digest", "=", row["digest"]), ("state", "in", states))
    rows = tx.select(QUESTIONS, *same, order=("changed_at_ms",))
    return [twin for twin in rows if (twin["device"], twin["sequence"]) != (row["device"], row["sequence"])]


def known_answer(tx: Reading, digest: str, audit: bool, above_tier: int) -> Answer | None:
    """The best final answer that the same content already has from a higher tier; audits want a person's."""
    least = PERSON_TIER if audit else above_tier + 1
    same = (("digest", "=", digest), ("state", "=", "answered"), ("tier", ">=", least))
    rows = tx.select(QUESTIONS, *same, order=("-tier", "-changed_at_ms"), limit=1)
    return downstream.last_answer(tx, rows[0]) if rows else None


def _settle_one(tx: Transaction, row: Row, answer: Answer, now_ms: int) -> bool:
    final = row["revision"] > 0 and not row["provisional"]
    if row["state"] in ("cancelled", ERASED) or (final and (answer.provisional or answer.tier < row["tier"])):
        return False
    if final and _says_the_same(downstream.last_answer(tx, row), answer):
        return False
    revision = row["revision"] + 1
    count = tx.get(FACTS, COUNT)
    numbered = {"revision": revision, "numbered_by": count["value"] if count else ""}
    answer = answer.but(device=row["device"], sequence=row["sequence"], **numbered)
    downstream.keep_answer(tx, answer, now_ms)
    facts = {
        "revision": revision, "tier": answer.tier, "answered_by": answer.source, "provisional": int(answer.provisional)
    }  # fmt: skip
    if answer.provisional or row["state"] == "answered":
        tx.update(QUESTIONS, (row["device"], row["sequence"]), **facts)
        row = {**row, **facts}
    else:
        row = enter(tx, row, "answered", now_ms, f"by {answer.source}", **facts)
        outbox.sent(tx, row["device"], row["sequence"])
    downstream.deliver(tx, row, revision)
    if not answer.provisional:
        remember(tx, row, answer, now_ms)
    return True


def _says_the_same(before: Answer | None, answer: Answer) -> bool:
    """The word that counts already, come by another way, is nothing new."""
    return before is not None and (before.label_index, before.tier) == (answer.label_index, answer.tier)


def remember(tx: Transaction, row: Row, answer: Answer, now_ms: int) -> None:
    """Keep the pair to learn from; `tier` says who said it, for no model may learn from its own words."""
    label_index = NO_LABEL if _fits_no_label(row, answer) else answer.label_index
    if label_index is None or _is_judge(tx, row):
        return
    question = Question.from_json(read_json(row["body"]))
    if question.rung != "input":  # a part of an input, or features of it, is nothing that a model is asked
        return
    example = Example(
        device=row["device"], sequence=row["sequence"], model=question.model, input=question.input,
        label_index=label_index, label=answer.label, source=answer.source, tier=answer.tier,
        weight=1.0 if answer.tier == PERSON_TIER else answer.confidence, audit=question.audit,
        annotators=answer.annotators, at_ms=now_ms,
    )  # fmt: skip
    keep_example(tx, example)


def _fits_no_label(row: Row, answer: Answer) -> bool:
    """An audit shows a thing of an unknown kind: evidence against whoever named it, and nothing to learn from."""
    by_person = answer.tier == PERSON_TIER and answer.label_index is None
    return bool(row["audit"]) and by_person and answer.confidence > 0  # 0: nobody could tell


def _is_judge(tx: Transaction, row: Row) -> bool:
    """Content that a random audit asked about judges a model, so it must not also teach it."""
    if row["audit"]:
        for twin in twins_of(tx, row, ("answered",)):
            tx.delete(EXAMPLES, ("device", "=", twin["device"]), ("sequence", "=", twin["sequence"]))
        return False
    return tx.exists(QUESTIONS, ("digest", "=", row["digest"]), ("audit", "=", 1))


def keep_example(tx: Transaction, example: Example) -> None:
    """Write an example, or replace the older one of the same question."""
    words = ("device", "sequence", "model", "source", "tier", "weight", "label_index", "at_ms")
    row = {name: getattr(example, name) for name in words}
    tx.put(EXAMPLES, {**row, "audit": int(example.audit), "body": example.canonical().decode()})
    tx.notify("examples")
