"""The link to the parent, sending half: store and forward, with back-off, dead letters, and no blocked lane.

Several rows are in flight at once and each has its own next try, so one poisoned question delays only itself.
When the parent cannot be reached at all, one row at a time probes it; the first success frees all the others.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from py_edge.chain import outbox, retry
from py_edge.chain.answers import end_without_answer, take_home
from py_edge.chain.erasure import ALL_OF_DEVICE, ONE
from py_edge.chain.ports import Network, Response
from py_edge.chain.states import PENDING
from py_edge.chain.tell import tell
from py_edge.chain.tier import Tier
from py_edge.errors import ModelFormatError, NetworkError, PyEdgeError
from py_edge.fields import read_json
from py_edge.records import ERASED, TERMINAL, Question, Receipt
from py_edge.storage.ports import EventBus, Reading, Row, Transaction
from py_edge.storage.tables import QUESTIONS

IDLE_S = 30.0
AHEAD = 8  # windows found with one look, for a look at a long outbox has to sort all of it
ANSWER_LIMIT_BYTES = 4 << 20
GONE = 410  # erased there


@dataclass
class Upstream:
    """Sends what stands in the outbox of `tier` to the parent called `origin`."""

    tier: Tier
    network: Network
    bus: EventBus
    origin: str = "parent"
    window: int = 16
    attempts_while_down: int = 0
    next_probe_ms: int = 0
    acknowledge: Any = None  # async function(events): how a taken answer is confirmed to the parent
    _ahead: list[Row] = field(default_factory=list)  # due at the last look; what is over by now is left out
    _flying: dict[tuple[str, int, str], asyncio.Task[None]] = field(default_factory=dict)

    async def run(self) -> None:
        """Send until cancelled."""
        try:
            with self.bus.listen("outbox", "upstream") as waiter:
                while True:
                    wait_s = await self._start_due()
                    await waiter.wait(min(wait_s, IDLE_S))
        finally:
            for task in list(self._flying.values()):
                task.cancel()
            await asyncio.gather(*self._flying.values(), return_exceptions=True)

    def reconnected(self) -> None:
        """Something shows that the parent is back: try at once."""
        if self.attempts_while_down:
            self.next_probe_ms = 0
            self.bus.publish("upstream")

    def _resting(self, now: int) -> bool:
        """The next probe lies ahead, and no further than a clock that was set back could make it seem."""
        return now < self.next_probe_ms <= now + int(retry.LONGEST_S * 1000)

    async def _start_due(self) -> float:
        """Put rows in flight; gives how long nothing more can happen by itself, in seconds."""
        now = self.tier.clock.now_ms()
        down = self.attempts_while_down > 0
        if down and self._resting(now):
            return (self.next_probe_ms - now) / 1000
        room = (1 if down else self.window) - len(self._flying)
        if room <= 0:
            return IDLE_S

        soonest = None
        if down or not self._ahead:
            soonest = await self._look(now, room if down else AHEAD * self.window)
        rows, self._ahead = self._ahead[:room], self._ahead[room:]
        for row in rows:
            task = asyncio.create_task(self._send(row))
            self._flying[outbox.key_of(row)] = task
        if rows or soonest is None:
            return IDLE_S
        return max(0.001, (soonest - now) / 1000) if soonest > now else IDLE_S

    async def _look(self, now: int, limit: int) -> int | None:
        """Find what may be sent, most urgent first; gives when the earliest row wants to be sent."""
        flying = set(self._flying)  # what lands while we look may still stand in what we see

        def look(tx: Reading) -> tuple[list[Row], int | None]:
            return outbox.due(tx, now, limit, flying), outbox.next_try(tx)

        self._ahead, soonest = await self.tier.store.read(look)
        return soonest

    async def _send(self, row: Row) -> None:
        try:
            question = await self._load(row)
            if question is None and row["kind"] not in (ONE, ALL_OF_DEVICE):
                await self.tier.store.write(lambda tx: outbox.sent(tx, *outbox.key_of(row)))
                return
            try:
                response = await self._request(row, question)
            except (NetworkError, ModelFormatError) as error:
                await self._unreachable(row, str(error))
                return
            await self._judge(row, question, response)
        except PyEdgeError:
            await self.tier.clock.sleep(1.0)
        finally:
            self._flying.pop(outbox.key_of(row), None)
            self.bus.publish("upstream")

    async def _load(self, row: Row) -> Question | None:
        def work(tx: Reading) -> Row | None:
            return tx.get(QUESTIONS, row["device"], row["sequence"])

        found = await self.tier.store.read(work)
        if (
            found is None
            or not found["body"]
            or (row["kind"] == "question" and found["state"] not in PENDING)
        ):
            return None
        question = Question.from_json(read_json(found["body"]))
        return question.but(hops=(*question.hops, self.tier.name))

    async def _request(self, row: Row, question: Question | None) -> Response:
        """Ask, cancel, or, when there is nothing left to send, erase."""
        path = f"/v1/questions/{row['device']}/{row['sequence']}"
        if row["kind"] == ALL_OF_DEVICE:
            path = f"/v1/devices/{row['device']}"
        if question is None:
            return await self.network.request("DELETE", path)
        if row["kind"] == "cancel":
            return await self.network.request("POST", f"{path}/cancel", b"{}")
        return await self.network.request("PUT", path, question.canonical())

    async def _unreachable(self, row: Row, reason: str) -> None:
        """One more step of back-off; rows that were in flight together and fall together are one step, not many."""
        now = self.tier.clock.now_ms()
        if not self._resting(now):
            self.next_probe_ms = now + int(1000 * retry.delay_s(self.attempts_while_down, self.tier.chance))
            self.attempts_while_down += 1

        def work(tx: Transaction) -> None:
            # A success of another row, meanwhile, has woken all that were written before this one.
            at = self.next_probe_ms if self.attempts_while_down else now
            outbox.try_again(tx, row, "network", reason, at)

        await self.tier.store.write(work)

    async def _judge(self, row: Row, question: Question | None, response: Response) -> None:
        now = self.tier.clock.now_ms()
        if self.attempts_while_down:
            self.attempts_while_down = 0
            await self.tier.store.write(lambda tx: outbox.wake(tx, "network", now))
        kind = retry.kind_of(response)
        if row["kind"] == "cancel" and kind == retry.REFUSED:
            kind = retry.DONE  # it is over there already, which is what was wanted
        if kind == retry.DONE:
            await self._accepted(row, question, response)
        elif response.status == GONE and question is not None:
            await self.tier.erase(question.device, question.sequence)
        elif kind == retry.REFUSED and question is not None:
            await self.tier.store.write(lambda tx: self._bury(tx, row, question, response))
            tell("refused", question=question.id, trace=question.trace, status=response.status)
        else:
            wait_s = max(retry.delay_s(row["attempts"], self.tier.chance), retry.wished_delay_s(response))
            reason = f"{response.status}: {response.body[:200].decode(errors='replace')}"
            at = now + int(wait_s * 1000)
            await self.tier.store.write(lambda tx: outbox.try_again(tx, row, kind, reason, at))

    async def _accepted(self, row: Row, question: Question | None, response: Response) -> None:
        """The parent has it; if it knew the answer, take it in the same transaction."""
        receipt = _receipt(response) if row["kind"] == "question" else None
        tier, now = self.tier, self.tier.clock.now_ms()

        def work(tx: Transaction) -> None:
            outbox.sent(tx, *outbox.key_of(row))
            key = (row["device"], row["sequence"])
            known = tx.get(QUESTIONS, *key)
            if known is not None and known["state"] == "cancelled" and row["kind"] == "question":
                outbox.send_later(tx, known, now, kind="cancel")  # cancelled while it was in flight
            if receipt is None:
                return
            place = -1 if receipt.place is None else receipt.place
            tx.update(
                QUESTIONS,
                key,
                place=place,
                estimate_s=-1.0 if receipt.estimate_s is None else receipt.estimate_s,
            )
            if receipt.answer is not None:
                answer = receipt.answer.but(hops=(*receipt.answer.hops, tier.name)[-16:])
                take_home(tx, self.origin, answer, now)

        await tier.store.write(work)
        about = f"{row['device']}:{row['sequence']}"
        tell("sent", question=about, trace=question.trace if question else "", kind=row["kind"])
        if receipt is not None and receipt.state in TERMINAL and receipt.state != "answered":
            await tier.hear_outcome(
                row["device"], row["sequence"], receipt.state
            )  # told once, perhaps to a lost disk
        if receipt is not None and receipt.owner:
            tier.owner = receipt.owner
        if receipt is not None and receipt.event is not None and self.acknowledge is not None:
            self.acknowledge([receipt.event])

    def _bury(self, tx: Transaction, row: Row, question: Question, response: Response) -> None:
        found = tx.get(QUESTIONS, row["device"], row["sequence"])
        if found is None or found["state"] == ERASED:
            return  # while it was in flight; its content must not come back as a dead letter
        now = self.tier.clock.now_ms()
        reason = response.body[:300].decode(errors="replace")
        outbox.bury(tx, row, response.status, reason, question.canonical().decode(), now)
        if found["state"] in PENDING:
            end_without_answer(tx, found, "failed", now, f"refused with {response.status}")


def _receipt(response: Response) -> Receipt | None:
    """What the parent said; nothing when it cannot be understood (the question is safe there all the same)."""
    try:
        return Receipt.from_json(read_json(response.body, limit_bytes=ANSWER_LIMIT_BYTES))
    except PyEdgeError:
        return None
