"""What the parent said of rows of the outbox: weighed, written down, and followed by what must come after.

`weigh` draws and decides, `book` writes many in one transaction (and may run twice), `follow` comes after the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from py_edge.chain import outbox, retry
from py_edge.chain.answers import end_without_answer, take_home
from py_edge.chain.ports import Response
from py_edge.chain.states import PENDING
from py_edge.chain.tell import tell
from py_edge.chain.tier import Tier
from py_edge.errors import PyEdgeError
from py_edge.fields import read_json
from py_edge.records import ERASED, TERMINAL, Question, Receipt
from py_edge.storage.ports import Row, Transaction
from py_edge.storage.tables import QUESTIONS

ANSWER_LIMIT_BYTES = 4 << 20
GONE = 410  # erased there


class Errand(NamedTuple):
    """A row of the outbox with its question, as it is sent; None when there is nothing left to send."""

    row: Row
    question: Question | None
    body: bytes


class Word(NamedTuple):
    """What the parent said of one errand, and what follows: `kind` as `retry.kind_of` has it, or ERASED."""

    errand: Errand
    response: Response
    kind: str
    receipt: Receipt | None
    again_ms: int  # of a row that is tried again: when


class Book:
    """Writes down, for `tier`, what the parent called `origin` says."""

    def __init__(self, tier: Tier, origin: str) -> None:
        self._tier, self._origin = tier, origin

    def weigh(self, errand: Errand, response: Response) -> Word:
        """Decide what follows."""
        row, question, _ = errand
        kind = retry.kind_of(response)
        if row["kind"] == "cancel" and kind == retry.REFUSED:
            kind = retry.DONE  # it is over there already, which is what was wanted
        if kind == retry.DONE:
            receipt = _receipt(response) if row["kind"] == "question" else None
            return Word(errand, response, kind, receipt, 0)
        if response.status == GONE and question is not None:
            return Word(errand, response, ERASED, None, 0)
        return Word(errand, response, kind, None, self._again(row, response))

    def book(self, tx: Transaction, words: Sequence[Word]) -> list[None]:
        """Write it down, for all of them (a `Store.write_together`)."""
        for word in words:
            self._book_one(tx, word)
        return [None] * len(words)

    async def follow(self, word: Word, acknowledge: Callable[[Iterable[int]], None] | None) -> None:
        """What comes after the commit."""
        (row, question, _), receipt, tier = word.errand, word.receipt, self._tier
        if word.kind == ERASED and question is not None:
            await tier.erase(question.device, question.sequence)
        elif word.kind == retry.REFUSED and question is not None:
            tell("refused", question=question.id, trace=question.trace, status=word.response.status)
        elif word.kind == retry.DONE:
            about = f"{row['device']}:{row['sequence']}"
            tell("sent", question=about, trace=question.trace if question else "", kind=row["kind"])
        if receipt is None:
            return
        if receipt.state in TERMINAL and receipt.state != "answered":
            # told once, perhaps to a lost disk
            await tier.hear_outcome(row["device"], row["sequence"], receipt.state)
        tier.owner = receipt.owner or tier.owner
        if receipt.event is not None and acknowledge is not None:
            acknowledge([receipt.event])

    def _book_one(self, tx: Transaction, word: Word) -> None:
        if word.kind == retry.DONE:
            self._taken(tx, word.errand.row, word.receipt)
        elif word.kind == retry.REFUSED and word.errand.question is not None:
            self._bury(tx, word)
        elif word.kind != ERASED:
            said = word.response.body[:200].decode(errors="replace")
            reason = f"{word.response.status}: {said}"
            outbox.try_again(tx, word.errand.row, word.kind, reason, word.again_ms)

    def _taken(self, tx: Transaction, row: Row, receipt: Receipt | None) -> None:
        """The parent has it; if it knew the answer, take it in the same transaction."""
        now = self._tier.clock.now_ms()
        key = outbox.key_of(row)[:2]
        outbox.sent(tx, *outbox.key_of(row))
        mine = (("device", "=", key[0]), ("sequence", "=", key[1]), ("state", "=", "cancelled"))
        if row["kind"] == "question" and tx.exists(QUESTIONS, *mine):
            outbox.send_later(tx, row, now, kind="cancel")  # cancelled while it was in flight
        if receipt is None:
            return
        place = -1 if receipt.place is None else receipt.place
        estimate_s = -1.0 if receipt.estimate_s is None else receipt.estimate_s
        tx.update(QUESTIONS, key, place=place, estimate_s=estimate_s)
        if receipt.answer is not None:
            answer = receipt.answer.but(hops=(*receipt.answer.hops, self._tier.name)[-16:])
            take_home(tx, self._origin, answer, now)

    def _bury(self, tx: Transaction, word: Word) -> None:
        row, _, body = word.errand
        found = tx.get(QUESTIONS, row["device"], row["sequence"])
        if found is None or found["state"] == ERASED:
            return  # while it was in flight; its content must not come back as a dead letter
        now, status = self._tier.clock.now_ms(), word.response.status
        outbox.bury(tx, row, status, word.response.body[:300].decode(errors="replace"), body.decode(), now)
        if found["state"] in PENDING:
            end_without_answer(tx, found, "failed", now, f"refused with {status}")

    def _again(self, row: Row, response: Response) -> int:
        chance = self._tier.chance
        wait_s = max(retry.delay_s(row["attempts"], chance), retry.wished_delay_s(response))
        return self._tier.clock.now_ms() + int(wait_s * 1000)


def _receipt(response: Response) -> Receipt | None:
    """What the parent said; nothing when it cannot be understood (the question is safe there all the same)."""
    try:
        return Receipt.from_json(read_json(response.body, limit_bytes=ANSWER_LIMIT_BYTES))
    except PyEdgeError:
        return None
