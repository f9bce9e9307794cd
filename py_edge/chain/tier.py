"""One tier of the chain, the same in a tab, a node and the simulator: answer if sure, else send on, and bring home.

`escalate` decides inside the transaction where an unsure question goes: to the outbox of a parent, or to a desk.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from py_edge.chain import downstream, outbox
from py_edge.chain.answers import end_without_answer, known_digests, pending_twins, take_home
from py_edge.chain.erasure import (
    ONE,
    Shred,
    devices_to_erase,
    erase,
    some_of_device,
    wish_device_erased,
)
from py_edge.chain.identity import begin_count, device_id
from py_edge.chain.inbox import Arrival, Escalate, Place, check_hops, receipt_of, seen_before, take_question
from py_edge.chain.ports import Answerer, Chance, Clock, Guess
from py_edge.chain.states import PENDING, it_is_gone
from py_edge.chain.tell import listened_to, tell, trace_for
from py_edge.errors import ConflictError, NotFoundError
from py_edge.fields import read_json
from py_edge.records import ERASED, Answer, Question, Receipt, Transition
from py_edge.storage.ports import Reading, Row, Store, Transaction
from py_edge.storage.tables import OUTBOX, QUESTIONS, TRANSITIONS

Think = Callable[[Callable[[Question], Any], Question], Awaitable[Any]]
Forget = Callable[[Transaction, Row, int], None]


async def think_here(answer: Callable[[Question], Any], question: Question) -> Any:
    """Run an answerer where we are; a node hands in a thread instead."""
    return answer(question)


def to_parent(tx: Transaction, row: Row, question: Question, now_ms: int) -> None:
    """The usual way to escalate: the outbox."""
    outbox.send_later(tx, row, now_ms)


@dataclass
class Tier:
    """A tier with what was handed to it. `name` goes into hops; `level` is its tier number (device 0)."""

    name: str
    level: int
    store: Store
    clock: Clock
    chance: Chance
    escalate: Escalate = to_parent
    answerer: Answerer | None = None
    think: Think = think_here
    forget: Forget | None = None  # told when a waiting question ends without an answer
    audit_share: float = 0.0  # of the answers given here, this share is put before a person too
    quick_place: Place | None = None  # the same for who asks just now, without looking at the whole queue
    place: Place | None = None  # finds place and wait; what the parent said when None
    owner: str = ""  # the node at whose desk a question ends: ours, or what the parent said last
    shred: Shred | None = None  # lets a desk erase what it keeps of a content
    erased_at_once: int = 50  # questions of a device in one transaction
    missing: set[tuple[str, int]] = field(default_factory=set)  # ended above, unknown here, since the start
    _asked_again_ms: int = 0

    async def ask(self, question: Question, asker: str) -> tuple[Receipt, bool]:
        """Take a question in; gives the receipt and whether it is new. Raises ConflictError, PolicyError."""
        check_hops(question, self.name)
        question = question if question.trace else question.but(trace=trace_for(question.id))
        own = None
        if self.answerer is not None and not question.audit:
            known = await self.store.read(lambda tx: seen_before(tx, question))
            own = None if known else await self._own_answer(question)
        arrival = Arrival(question, asker, own, self.level, self.clock.now_ms())

        receipt, new = await self.store.write_together(self._take, arrival)
        self.missing.discard((question.device, question.sequence))
        tell("asked", question=question.id, trace=question.trace, asker=asker, state=receipt.state, new=new)
        return receipt, new

    async def bring_home(self, origin: str, answers: Sequence[Answer]) -> int:
        """Answers came from above; gives how many were new."""
        now = self.clock.now_ms()
        homeward = [answer.but(hops=(*answer.hops, self.name)[-16:]) for answer in answers]

        def work(tx: Transaction) -> list[bool | None]:
            return [take_home(tx, origin, answer, now) for answer in homeward]

        taken = await self.store.write(work)
        for answer, new in zip(homeward, taken, strict=True):
            if new is None:
                self._miss(answer.device, answer.sequence)
        if listened_to():
            await self._tell_answers(homeward)
        return taken.count(True)

    async def hear_outcome(self, device: str, sequence: int, state: str) -> None:
        """The parent says there will be no answer."""
        now = self.clock.now_ms()

        def work(tx: Transaction) -> bool:
            """Whether this place knows the question, or need not."""
            row = tx.get(QUESTIONS, device, sequence)
            if state not in ("expired", "cancelled", "failed", ERASED):
                return True
            if row is None:
                return state == ERASED
            if state == ERASED:
                self._erase(tx, device, sequence, now)
                return True
            if row["state"] in PENDING:
                row = end_without_answer(tx, row, state, now, "the next tier said so")
            twins = pending_twins(tx, row)
            if twins and not any(
                tx.get(OUTBOX, twin["device"], twin["sequence"], "question") for twin in twins
            ):
                outbox.send_later(tx, twins[0], now)
            return True

        if not await self.store.write(work):
            self._miss(device, sequence)

    async def cancel(self, device: str, sequence: int, asker: str) -> Receipt:
        """The asker does not want it any more. Raises NotFoundError, GoneError, ConflictError when it is over."""
        now = self.clock.now_ms()

        def work(tx: Transaction) -> Receipt:
            row = _existing(tx, device, sequence)
            if row["state"] == "cancelled":
                return receipt_of(tx, row, asker)
            if row["state"] not in PENDING:
                raise ConflictError("the question is over", where=f"{device}:{sequence}", got=row["state"])
            return receipt_of(tx, self._end(tx, row, "cancelled", now, f"by {asker}"), asker)

        return await self.store.write(work)

    async def erase(self, device: str, sequence: int) -> Receipt:
        """Empty a question here and, durably, in every place it went; doing it twice is harmless."""
        now = self.clock.now_ms()
        await self.store.write(lambda tx: self._erase(tx, device, sequence, now))
        self.missing.discard((device, sequence))
        tell("erased", question=f"{device}:{sequence}")
        return Receipt(state=ERASED)

    async def erase_device(self, device: str) -> int:
        """Empty everything of a device here and, durably, in every place above; gives how many were emptied here.

        What it asks afterwards is new. Some at a time, so that others get their turn; `go_on_erasing` ends what was
        interrupted, and doing it twice is harmless.
        """
        now, goes_up = self.clock.now_ms(), self.escalate is to_parent
        await self.store.write(lambda tx: wish_device_erased(tx, device, now, goes_up))
        return await self._erase_all(device)

    async def go_on_erasing(self) -> int:
        """End what a crash or a full disk interrupted; gives how many questions that were."""
        return sum([await self._erase_all(device) for device in await self.store.read(devices_to_erase)])

    async def _erase_all(self, device: str) -> int:
        done, some = 0, [0]
        while some:
            some = await self.store.write(lambda tx, after=some[-1]: self._erase_some(tx, device, after))  # type: ignore[misc]
            done += len(some)
            await self.clock.sleep(0)  # a store in memory does not make us wait
        tell("erased", question=f"{device}:*", count=done)
        return done

    def _erase_some(self, tx: Transaction, device: str, after: int) -> list[int]:
        some = some_of_device(tx, device, after, self.erased_at_once)
        for sequence in some:
            self._erase(tx, device, sequence, self.clock.now_ms())
        return some

    async def expire(self) -> int:
        """End every question whose deadline has passed; gives how many."""
        now = self.clock.now_ms()

        def work(tx: Transaction) -> int:
            late = tx.select(
                QUESTIONS, ("state", "in", PENDING), ("deadline_ms", ">", 0), ("deadline_ms", "<=", now)
            )
            for row in late:
                self._end(tx, row, "expired", now, "deadline")
            return len(late)

        return await self.store.write(work)

    async def ask_again(self) -> None:
        """Once an hour, and at the start: does the parent still know what it took?"""
        now = self.clock.now_ms()
        # A clock that was set back may show a time before the last look.
        if self._asked_again_ms <= now < self._asked_again_ms + outbox.FORGOTTEN_MS:
            return
        self._asked_again_ms = now
        await self.store.write(lambda tx: outbox.ask_again(tx, now))

    async def history(self, device: str, sequence: int, asker: str = "") -> dict[str, Any]:
        """Everything known about one question. Raises NotFoundError, GoneError."""

        def work(tx: Reading) -> dict[str, Any]:
            row = _existing(tx, device, sequence)
            mine = (("device", "=", device), ("sequence", "=", sequence))
            steps = [
                Transition(step["number"], step["state"], step["at_ms"], step["reason"]).to_json()
                for step in tx.select(TRANSITIONS, *mine)
            ]
            answers = [answer.to_json() for answer in downstream.revisions(tx, row)]
            sending = tx.select(OUTBOX, *mine)
            return {
                **receipt_of(tx, row, asker, self.place, self.owner).to_json(),
                "question": read_json(row["body"]),
                "transitions": steps,
                "answers": answers,
                "sending": [
                    {name: each[name] for name in ("kind", "attempts", "reason", "next_try_ms")}
                    for each in sending
                ],
            }

        return await self.store.read(work)

    async def deliveries(self, asker: str, after: int, limit: int = 100) -> list[downstream.Delivery]:
        """What an asker has not acknowledged."""
        return await self.store.read(lambda tx: downstream.pending(tx, asker, after, limit))

    async def acknowledge(self, asker: str, events: Sequence[int]) -> int:
        """An asker has taken these."""
        return await self.store.write(lambda tx: downstream.acknowledge(tx, asker, events))

    def _end(self, tx: Transaction, row: Row, state: str, now_ms: int, reason: str) -> Row:
        """End one question; an equal one that still waits takes over its place in the outbox."""
        waiting = tx.get(OUTBOX, row["device"], row["sequence"], "question")
        was_waiting = waiting is not None
        if waiting is not None and state == "expired":
            outbox.bury(tx, waiting, 0, "its deadline passed before it could be sent", row["body"], now_ms)
        row = end_without_answer(tx, row, state, now_ms, reason)
        twins = pending_twins(tx, row)
        if twins and was_waiting:
            outbox.send_later(tx, twins[0], now_ms)
        if not twins:
            if self.forget is not None:
                self.forget(tx, row, now_ms)
            elif not was_waiting and state == "cancelled":
                outbox.send_later(tx, row, now_ms, kind="cancel")
        return row

    def _erase(self, tx: Transaction, device: str, sequence: int, now_ms: int) -> None:
        """Pass it on, and let an equal question that still waits be asked in its own name."""
        gone, others = erase(tx, device, sequence, now_ms, self.shred)
        if self.escalate is to_parent:
            for row in gone:
                outbox.send_later(tx, row, now_ms, kind=ONE)
        # Of one that had ended too: above, it may have stood for them.
        heirs = [row for row in others if row["state"] in PENDING]
        for heir in sorted(heirs, key=lambda row: row["audit"] != gone[0]["audit"])[:1]:
            self.escalate(tx, heir, Question.from_json(read_json(heir["body"])), now_ms)

    def _miss(self, device: str, sequence: int) -> None:
        """It was asked here, or the parent would not speak of it: it was lost with a disk, or came after a backup."""
        self.missing.add((device, sequence))
        tell("missing", question=f"{device}:{sequence}")

    async def _tell_answers(self, answers: Sequence[Answer]) -> None:
        """Say which questions got them, each with its trace."""
        for answer in answers:
            row = await self.store.read(lambda tx, a=answer: tx.get(QUESTIONS, a.device, a.sequence))  # type: ignore[misc]
            trace = read_json(row["body"])["trace"] if row and row["body"] else ""
            tell("answered", question=answer.id, trace=trace, source=answer.source, tier=answer.tier)

    def _take(self, tx: Transaction, arrivals: Sequence[Arrival]) -> list[tuple[Receipt, bool]]:
        begin_count(tx, self.chance)
        digests = known_digests(tx, [arrival.question.digest for arrival in arrivals])
        return [self._take_one(tx, arrival, digests) for arrival in arrivals]

    def _take_one(self, tx: Transaction, arrival: Arrival, digests: set[str]) -> tuple[Receipt, bool]:
        row, new = take_question(tx, arrival, self.escalate, digests)
        mine = arrival.own is not None and row["answered_by"] == self.name
        if mine and new and self.chance.random() < self.audit_share:
            self._audit(tx, arrival)
        return receipt_of(tx, row, arrival.asker, self.quick_place or self.place, self.owner), new

    def _audit(self, tx: Transaction, arrival: Arrival) -> None:
        """Ask the same again in our own name, for a person to judge; nobody waits for the answer."""
        asked = arrival.question
        mine = {"device": device_id(tx, self.chance), "sequence": tx.next_number("sequence")}
        audit = asked.but(**mine, audit=True, deadline_ms=None, patience_ms=None)
        take_question(tx, Arrival(audit, "", None, self.level, arrival.now_ms), self.escalate, {audit.digest})

    async def _own_answer(self, question: Question) -> Answer | None:
        """What our model thinks; provisional when it is not sure. Empty or not finite counts as no idea."""
        if self.answerer is None:
            return None
        guess = await self.think(self.answerer.answer, question)
        if guess is None:
            return None
        if not isinstance(guess, Guess):
            guess = Guess(*guess)
        chances = [float(value) for value in guess.probabilities]
        if not chances or not all(math.isfinite(value) for value in chances):
            return None
        confidence = min(1.0, max(0.0, max(chances)))
        labels = self.answerer.labels or question.labels or ()
        return Answer(
            device=question.device, sequence=question.sequence, revision=1, label_index=int(guess.label_index),
            label=labels[guess.label_index] if guess.label_index < len(labels) else None, source=self.name,
            tier=self.level, confidence=confidence, provisional=confidence < self.answerer.threshold,
            model_version=guess.model_version, answered_at_ms=self.clock.now_ms(), hops=(self.name,),
        )  # fmt: skip


def _existing(tx: Reading, device: str, sequence: int) -> Row:
    row = tx.get(QUESTIONS, device, sequence)
    if row is None:
        raise NotFoundError("no such question", where=f"{device}:{sequence}")
    if row["state"] == ERASED:
        raise it_is_gone(row)
    return row
