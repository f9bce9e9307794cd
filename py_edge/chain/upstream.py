"""The link to the parent, sending half: store and forward, with back-off, dead letters, and no blocked lane.

Several requests are in flight at once and each row has its own next try, so one poisoned question delays only itself.
Questions that are due together go in one request, as long as the parent takes that. When it cannot be reached at all,
one row at a time probes it; the first success frees all the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, takewhile
from typing import Any

from py_edge.chain import batch, outbox, retry
from py_edge.chain.booking import Book, Errand
from py_edge.chain.erasure import ALL_OF_DEVICE, ONE
from py_edge.chain.ports import Network, Response
from py_edge.chain.states import PENDING
from py_edge.chain.tier import Tier
from py_edge.errors import ModelFormatError, NetworkError, PyEdgeError
from py_edge.fields import read_json
from py_edge.records import Question
from py_edge.storage.ports import EventBus, Reading, Row, Transaction
from py_edge.storage.tables import QUESTIONS

IDLE_S = 30.0
AHEAD = (
    4  # times what may be in flight is found with one look, for a look at a long outbox has to sort all of it
)
ROWS_IN_FLIGHT = 4 * batch.MOST
NO_SUCH_ROUTE = (404, 405)  # the parent is an older one


@dataclass
class Upstream:
    """Sends what stands in the outbox of `tier` to the parent called `origin`, `window` requests at once."""

    tier: Tier
    network: Network
    bus: EventBus
    origin: str = "parent"
    window: int = 16
    attempts_while_down: int = 0
    next_probe_ms: int = 0
    acknowledge: Any = None  # function(events): how a taken answer is confirmed to the parent
    _together: bool = True  # whether the parent takes many questions in one request
    _most: int = batch.MOST  # how many, next time
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
            tasks = set(self._flying.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def reconnected(self) -> None:
        """Something shows that the parent is back, perhaps a newer one: try at once."""
        self._together = True
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
        if not self._room(down):
            return IDLE_S

        soonest = None
        if down or not self._ahead:
            most = ROWS_IN_FLIGHT if self._together else self.window
            soonest = await self._look(now, 1 if down else AHEAD * most)
        if self._ahead or soonest is None:
            while self._ahead and (room := self._room(down)):
                self._start(self._next(room))
            return IDLE_S
        return max(0.001, (soonest - now) / 1000) if soonest > now else IDLE_S

    def _room(self, down: bool) -> int:
        """How many rows the next request may take."""
        requests = len(set(self._flying.values()))
        if requests >= (1 if down else self.window):
            return 0
        if down or not self._together:
            return 1
        return self._most if len(self._flying) < ROWS_IN_FLIGHT else 0

    def _next(self, room: int) -> list[Row]:
        """The most urgent row, with the questions that come after it if it is one too."""
        rows = list(takewhile(lambda row: row["kind"] == "question", self._ahead[:room])) or self._ahead[:1]
        self._ahead = self._ahead[len(rows) :]
        return rows

    def _start(self, rows: list[Row]) -> None:
        task = asyncio.create_task(self._send(rows))
        self._flying |= {outbox.key_of(row): task for row in rows}

    async def _look(self, now: int, limit: int) -> int | None:
        """Find what may be sent, most urgent first; gives when the earliest row wants to be sent."""
        flying = set(self._flying)  # what lands while we look may still stand in what we see

        def look(tx: Reading) -> tuple[list[Row], int | None]:
            return outbox.due(tx, now, limit, flying), outbox.next_try(tx)

        self._ahead, soonest = await self.tier.store.read(look)
        return soonest

    async def _send(self, rows: list[Row]) -> None:
        try:
            errands = await self._load(rows)
            if not errands:
                return
            try:
                replies = await self._request(errands)
            except (NetworkError, ModelFormatError) as error:
                await self._unreachable([errand.row for errand in errands], str(error))
                return
            if replies:
                await self._judge(errands, replies)
        except PyEdgeError:
            await self.tier.clock.sleep(1.0)
        finally:
            self._land(rows)
            self.bus.publish("upstream")

    def _land(self, rows: Sequence[Row]) -> None:
        """These are ours no longer; one that was put back may be in flight again."""
        for key in map(outbox.key_of, rows):
            if self._flying.get(key) is asyncio.current_task():
                del self._flying[key]

    def _put_back(self, rows: list[Row]) -> None:
        """Nothing was tried: they come first in the next requests."""
        self._land(rows)
        self._ahead = rows + self._ahead

    async def _load(self, rows: list[Row]) -> list[Errand]:
        """What is to be sent of these rows; what is over leaves the outbox, what is too much for one request waits."""

        def look(tx: Reading) -> list[Row | None]:
            found: list[Row | None] = []
            size = 0
            for row in rows:
                found.append(tx.get(QUESTIONS, row["device"], row["sequence"]))
                size += len(found[-1]["body"]) if found[-1] else 0
                if size > batch.MOST_BYTES:
                    break
            return found

        found = await self.tier.store.read(look)
        errands, over, damaged = [], [], []
        for row, known in zip(rows, found, strict=False):
            try:
                errand = self._errand(row, known)
            except PyEdgeError as error:
                damaged.append((row, f"what is kept of it cannot be read: {error}"))
                continue
            if errand is None:
                over.append(row)
            else:
                errands.append(errand)
        if over or damaged:
            await self._set_aside(over, damaged)
        fitting = max(1, sum(end <= batch.MOST_BYTES for end in _ends(errands)))
        self._put_back([errand.row for errand in errands[fitting:]] + rows[len(found) :])
        return errands[:fitting]

    def _errand(self, row: Row, known: Row | None) -> Errand | None:
        """What is to be sent of a row; None when it is over. Raises PyEdgeError: the disk has changed it."""
        if row["kind"] in (ONE, ALL_OF_DEVICE):
            return Errand(row, None, b"")
        if known is None or not known["body"]:
            return None
        if row["kind"] == "question" and known["state"] not in PENDING:
            return None
        question = Question.from_json(read_json(known["body"]))
        question = question.but(hops=(*question.hops, self.tier.name))
        return Errand(row, question, question.canonical())

    async def _set_aside(self, over: list[Row], damaged: list[tuple[Row, str]]) -> None:
        """Rows of which nothing can be sent, now or for good."""
        now = self.tier.clock.now_ms()
        again = [
            (*each, now + int(1000 * retry.delay_s(each[0]["attempts"], self.tier.chance)))
            for each in damaged
        ]

        def work(tx: Transaction) -> None:
            for row in over:
                outbox.sent(tx, *outbox.key_of(row))
            for row, reason, at in again:
                outbox.try_again(tx, row, retry.RETRY, reason, at)

        await self.tier.store.write(work)

    async def _request(self, errands: list[Errand]) -> list[Response]:
        """The reply to each; none of them when the parent does not take many in one request."""
        if len(errands) == 1:
            return [await self._request_one(errands[0])]
        response = await self.network.request("POST", batch.PATH, batch.pack(each.body for each in errands))
        kind = retry.kind_of(response)
        if kind == retry.DONE:
            return batch.unpack(response, len(errands))
        if kind == retry.REFUSED:  # whatever is wrong, it need not be wrong with each: the first goes alone
            self._together = response.status not in NO_SUCH_ROUTE
            self._most = 1
            self._put_back([errand.row for errand in errands])
            return []
        if kind == retry.RETRY:
            self._send_fewer()
        return [response] * len(errands)

    def _send_fewer(self) -> None:
        """Perhaps the way is too narrow, or the parent too slow, for so many in one request."""
        self._most = max(1, self._most // 2)

    async def _request_one(self, errand: Errand) -> Response:
        """Ask, cancel, or, when there is nothing left to send, erase."""
        row = errand.row
        path = f"{batch.PATH}/{row['device']}/{row['sequence']}"
        if row["kind"] == ALL_OF_DEVICE:
            path = f"/v1/devices/{row['device']}"
        if errand.question is None:
            return await self.network.request("DELETE", path)
        if row["kind"] == "cancel":
            return await self.network.request("POST", f"{path}/cancel", b"{}")
        return await self.network.request("PUT", path, errand.body)

    async def _unreachable(self, rows: list[Row], reason: str) -> None:
        """One more step of back-off; rows that were in flight together and fall together are one step, not many."""
        now = self.tier.clock.now_ms()
        if not self._resting(now):
            self.next_probe_ms = now + int(1000 * retry.delay_s(self.attempts_while_down, self.tier.chance))
            self.attempts_while_down += 1
        if len(rows) > 1:
            self._send_fewer()

        def work(tx: Transaction) -> None:
            # A success of another row, meanwhile, has woken all that were written before this one.
            at = self.next_probe_ms if self.attempts_while_down else now
            for row in rows:
                outbox.try_again(tx, row, "network", reason, at)

        await self.tier.store.write(work)

    async def _judge(self, errands: list[Errand], replies: list[Response]) -> None:
        """Write down what the parent says, each apart should one of them fail, and do what follows from it."""
        store, now = self.tier.store, self.tier.clock.now_ms()
        if any(retry.kind_of(reply) == retry.DONE for reply in replies):
            self._most = min(batch.MOST, 2 * self._most)
        if self.attempts_while_down:
            self.attempts_while_down = 0
            await store.write(lambda tx: outbox.wake(tx, "network", now))
        book = Book(self.tier, self.origin)
        words = [book.weigh(*pair) for pair in zip(errands, replies, strict=True)]
        booking = [store.write_together(book.book, word) for word in words]
        outcomes = await asyncio.gather(*booking, return_exceptions=True)
        for word, outcome in zip(words, outcomes, strict=True):
            if outcome is None:
                await book.follow(word, self.acknowledge)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome


def _ends(errands: Sequence[Errand]) -> Iterable[int]:
    """Where each ends in the body of a request."""
    return accumulate(len(errand.body) + 1 for errand in errands)
