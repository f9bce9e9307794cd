"""The sending half of a link: what goes in one request, and what becomes of each row of it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from py_edge.chain import batch
from py_edge.chain.ports import Response, ServerEvent
from py_edge.chain.tier import Tier
from py_edge.chain.upstream import ROWS_IN_FLIGHT, Upstream
from py_edge.errors import NetworkError
from py_edge.fields import canonical_json, read_json
from py_edge.node.node import SystemClock
from py_edge.records import Question
from py_edge.storage.in_memory import MemoryStore
from py_edge.storage.ports import Transaction
from py_edge.storage.tables import DEAD_LETTERS, OUTBOX, QUESTIONS
from tests.node.asking import DEVICE, question

TAKEN = batch.reply_to_one(202, {"state": "queued"})


@dataclass
class Parent:
    """A Network whose route for many gives `says(questions)`, a Response or a list of replies; `seen`: what each request held."""

    says: Callable[[list[dict[str, Any]]], Any]
    seen: list[list[int]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    single: list[int] = field(default_factory=list)
    flying: int = 0
    most_flying: int = 0
    meanwhile: Callable[[], Awaitable[Any]] | None = None  # what happens here while a request is there

    async def request(self, method: str, path: str, body: bytes | None = None) -> Response:
        """See chain.ports.Network."""
        value = read_json(body or b"null")
        if path != batch.PATH:
            self.single.append(int(path.rsplit("/", 1)[1]))
            return Response(202, b'{"state":"queued"}')
        self.seen.append([each["sequence"] for each in value])
        self.sizes.append(len(body or b""))
        self.flying += len(value)
        self.most_flying = max(self.most_flying, self.flying)
        await asyncio.sleep(0.002)
        if self.meanwhile is not None:
            await self.meanwhile()
        self.flying -= len(value)
        said = self.says(value)
        return said if isinstance(said, Response) else Response(200, canonical_json(said))

    async def stream(self, path: str) -> AsyncIterator[ServerEvent]:
        """See chain.ports.Network."""
        raise NetworkError("no streams here")
        yield


def take_all(asked: list[Any]) -> Any:
    """A parent that takes everything."""
    return [TAKEN for _ in asked]


def relay(
    parent: Parent,
    questions: list[Question],
    spoil: Callable[[Transaction], Any] = lambda tx: None,
    left: int = 0,
    meanwhile: Callable[[Tier], Awaitable[Any]] | None = None,
) -> tuple[MemoryStore, Upstream]:
    """Ask these, let `spoil` change the store, and send until only so many are left in the outbox."""
    store = MemoryStore()
    tier = Tier("site", 1, store, SystemClock(), random.Random(1))
    upstream = Upstream(tier, parent, store.bus)
    if meanwhile is not None:
        parent.meanwhile = lambda: meanwhile(tier)

    async def story() -> None:
        for each in questions:
            await tier.ask(each, DEVICE)
        await store.write(spoil)
        task = asyncio.create_task(upstream.run())
        async with asyncio.timeout(20):
            while await store.read(lambda tx: tx.count(OUTBOX)) > left:
                await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(story())
    return store, upstream


def rows(store: MemoryStore, table: Any) -> list[Any]:
    """All rows of a table."""
    return asyncio.run(store.read(lambda tx: tx.select(table)))


def test_what_is_due_together_goes_together_most_urgent_first() -> None:
    """Each once, in full requests, in the order of their priority, and never more in flight than is allowed."""
    sure = [question(n, confidence=(n * 7 % 300) / 300) for n in range(1, 301)]
    parent = Parent(take_all)
    relay(parent, sure)
    assert [len(each) for each in parent.seen] == [64, 64, 64, 64, 44]
    order = [sequence for each in parent.seen for sequence in each]
    assert order == sorted(order, key=lambda sequence: sure[sequence - 1].confidence)
    assert parent.most_flying <= ROWS_IN_FLIGHT
    assert parent.single == []


def test_one_alone_goes_as_ever() -> None:
    """A single question needs no list."""
    parent = Parent(take_all)
    relay(parent, [question(1)])
    assert (parent.seen, parent.single) == ([], [1])


def test_a_request_is_no_longer_than_a_parent_takes() -> None:
    """Questions of 200 kB go by fours and fives, and one that fills a request goes alone."""
    wide = [question(n, *([float(n)] * 37_000)) for n in range(1, 10)]
    parent = Parent(take_all)
    relay(parent, [*wide, question(10, *([1.0] * 200_000))])
    assert max(parent.sizes) <= batch.MOST_BYTES
    assert sorted([n for each in parent.seen for n in each] + parent.single) == list(range(1, 11))
    assert max(map(len, parent.seen)) == 5
    assert 10 in parent.single


def test_each_has_its_own_end() -> None:
    """Of five, one is refused, one is erased there, one must wait, one is taken and one is answered already."""
    answer = {
        "device": DEVICE,
        "sequence": 5,
        "revision": 1,
        "label": "5",
        "label_index": 5,
        "source": "cloud",
        "tier": 2,
    }
    replies = {
        1: batch.reply_to_one(422, None, {"code": "E_VALUE"}),
        2: batch.reply_to_one(410, None, {"code": "E_GONE"}),
        3: batch.reply_to_one(429, None, {"code": "E_CAPACITY"}, 60),
        4: TAKEN,
        5: batch.reply_to_one(200, {"state": "answered", "answer": answer, "event": 9}),
    }
    parent = Parent(lambda asked: [replies[each["sequence"]] for each in asked])
    store, _ = relay(parent, [question(n) for n in range(1, 6)], left=1)
    states = {row["sequence"]: row["state"] for row in rows(store, QUESTIONS)}
    assert states == {1: "failed", 2: "erased", 3: "queued", 4: "queued", 5: "answered"}
    (letter,) = rows(store, DEAD_LETTERS)
    assert (letter["sequence"], letter["status"]) == (1, 422)
    assert read_json(letter["body"])["input"] == dict(question(1).input)
    (waits,) = rows(store, OUTBOX)
    assert (waits["sequence"], waits["attempts"], waits["failure"]) == (3, 1, "busy")
    assert waits["next_try_ms"] >= SystemClock().now_ms() + 30_000
    assert parent.single == [2]  # the wish that it be erased above as well


@pytest.mark.parametrize("said", [202, 422, 503, 410])
def test_what_is_erased_while_a_list_is_on_its_way_does_not_come_back(said: int) -> None:
    """Taken, refused, put off or gone there: no copy of it stays, its wish follows, and the others are as they were."""
    receipt = {"state": "queued"} if said == 202 else None
    replies = {2: batch.reply_to_one(said, receipt)}
    parent = Parent(lambda asked: [replies.get(each["sequence"], TAKEN) for each in asked])
    store, _ = relay(parent, [question(n) for n in (1, 2, 3)], meanwhile=lambda tier: tier.erase(DEVICE, 2))
    assert {row["sequence"]: row["state"] for row in rows(store, QUESTIONS)} == {
        1: "queued",
        2: "erased",
        3: "queued",
    }
    assert (parent.seen, parent.single) == ([[1, 2, 3]], [2])
    assert rows(store, DEAD_LETTERS) == []


def test_an_older_parent_gets_them_one_by_one_until_it_is_met_anew() -> None:
    """404 is said once, not a row is charged for it; after a reconnection it is asked again whether it takes many."""
    parent = Parent(lambda asked: Response(404))
    store, upstream = relay(parent, [question(n) for n in range(1, 21)])
    assert parent.seen == [list(range(1, 21))]
    assert sorted(parent.single) == list(range(1, 21))
    assert rows(store, DEAD_LETTERS) == []
    assert not upstream._together
    upstream.reconnected()
    assert upstream._together


@pytest.mark.parametrize("status", [400, 401, 413, 422, 302])
def test_a_request_that_is_refused_whole_is_no_verdict_on_its_questions(status: int) -> None:
    """Too long for a proxy, or anything else: none becomes a dead letter before it was refused itself."""
    parent = Parent(lambda asked: Response(status))
    store, _ = relay(parent, [question(n) for n in range(1, 6)])
    assert sorted(parent.single) == [1, 2, 3, 4, 5]
    assert rows(store, DEAD_LETTERS) == []


def test_one_that_no_list_may_hold_costs_the_others_little() -> None:
    """A request that is refused whole for one of its questions: that one goes alone, the others by the list again."""
    parent = Parent(
        lambda asked: Response(413) if any(each["sequence"] == 90 for each in asked) else take_all(asked)
    )
    relay(parent, [question(n, confidence=n / 300) for n in range(1, 201)])
    taken = [n for each in parent.seen if 90 not in each for n in each] + parent.single
    assert sorted(taken) == list(range(1, 201))
    assert 90 in parent.single
    assert len(parent.seen) + len(parent.single) < 60


def test_after_a_lost_request_fewer_go_in_one_until_they_arrive() -> None:
    """A way that is too narrow for 64 takes 32 or 16; nothing is lost, and all are one step of back-off."""
    parent = Parent(lambda asked: take_all(asked) if len(asked) <= 16 else lost())
    _, upstream = relay(parent, [question(n) for n in range(1, 101)])
    assert sorted({n for each in parent.seen for n in each} | set(parent.single)) == list(range(1, 101))
    assert max(len(each) for each in parent.seen) == 64
    assert upstream.attempts_while_down == 0


def lost() -> Any:
    """The link breaks."""
    raise NetworkError("cut")


@pytest.mark.parametrize(
    "said", [b"<html>", b"{}", b"[]", b'[{"status":202},{"status":"x"}]', b'[{"status":202},7]']
)
def test_a_reply_that_makes_no_sense_is_no_reply(said: bytes) -> None:
    """Nobody knows whether they were taken: both are sent again."""
    first = [Response(200, said)]
    parent = Parent(lambda asked: first.pop() if first else take_all(asked))
    store, _ = relay(parent, [question(1), question(2)])
    assert {*parent.single, *(n for each in parent.seen[1:] for n in each)} == {1, 2}
    assert {row["state"] for row in rows(store, QUESTIONS)} == {"queued"}


def test_one_that_the_disk_has_changed_holds_up_no_other() -> None:
    """It waits, with the reason; the rest arrives."""

    def spoil(tx: Transaction) -> None:
        tx.update(QUESTIONS, (DEVICE, 2), body='{"device":')

    parent = Parent(take_all)
    store, _ = relay(parent, [question(n) for n in range(1, 6)], spoil, left=1)
    (left,) = rows(store, OUTBOX)
    assert (left["sequence"], left["attempts"]) == (2, 1)
    assert "cannot be read" in left["reason"]
    assert parent.seen == [[1, 3, 4, 5]]
