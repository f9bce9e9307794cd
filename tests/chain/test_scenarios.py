"""Bugs that other people's chains had, each as a test of ours; those of desk and learning stand in their own rooms.

A full disk that refuses with a reason is tests/node/test_serve.py, a late answer after thirty days stands here too.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from py_edge.chain import batch, outbox
from py_edge.chain.answers import settle
from py_edge.chain.ports import Guess, Response, ServerEvent
from py_edge.chain.tier import Tier, to_parent
from py_edge.chain.upstream import Upstream
from py_edge.errors import ConflictError, NetworkError, RollbackError
from py_edge.fields import canonical_json, read_json
from py_edge.node.follow import Follower
from py_edge.node.node import Parts, SystemClock
from py_edge.records import Answer, Question, Receipt, Release, ReleaseFile, digest_of_release
from py_edge.retrain.release import current, publish
from py_edge.storage.in_memory import MemoryBlobs, MemoryStore
from py_edge.storage.ports import Transaction
from py_edge.storage.sqlite import SqliteStore
from py_edge.storage.tables import DEAD_LETTERS, FACTS, OUTBOX, QUESTIONS
from tests.node.asking import (
    DEVICE,
    OTHER,
    ask,
    first_value,
    question,
    until,
    until_answers,
    until_status,
    work_desk,
)
from tests.node.conftest import LiveNode, Start

NOBODY = "http://127.0.0.1:9"
DAY_MS = 86_400_000


class LaterClock(SystemClock):
    """The time of this machine, and as many days later as one likes."""

    def __init__(self) -> None:
        self.days = 0

    def now_ms(self) -> int:
        """See chain.ports.Clock."""
        return super().now_ms() + self.days * DAY_MS


@dataclass
class Thinks:
    """An answerer that always thinks the same."""

    probabilities: Sequence[float]
    threshold: float = 0.9
    labels: Sequence[str] = ("0", "1")

    def answer(self, question: Question) -> Guess:
        """See chain.ports.Answerer."""
        return Guess(0, self.probabilities)


@dataclass
class Parent:
    """The link to a parent that says what a test wrote down: `says(method, path)` gives a Response or raises.

    It takes many questions in one request, unless it is an older one.
    """

    says: Callable[[str, str], Response]
    heard: list[str] = field(default_factory=list)
    older: bool = False

    async def request(self, method: str, path: str, body: bytes | None = None) -> Response:
        """See chain.ports.Network."""
        if path == batch.PATH:
            return Response(404) if self.older else self._take_many(read_json(body or b""))
        self.heard.append(path)
        return self.says(method, path)

    def _take_many(self, asked: list[dict[str, Any]]) -> Response:
        paths = [f"{batch.PATH}/{each['device']}/{each['sequence']}" for each in asked]
        self.heard += paths
        replies = [_reply_to_one(self.says("PUT", path)) for path in paths]
        return Response(200, canonical_json(replies))

    async def stream(self, path: str) -> AsyncIterator[ServerEvent]:
        """See chain.ports.Network."""
        raise NetworkError("no streams here")
        yield


def _reply_to_one(response: Response) -> dict[str, Any]:
    said = read_json(response.body) if response.body.startswith(b"{") else None
    return batch.reply_to_one(response.status, said if response.status < 300 else None, said)


def tier_of(store: MemoryStore, answerer: Any = None) -> Tier:
    """A tier with a parent."""
    return Tier("site", 1, store, LaterClock(), random.Random(1), to_parent, answerer)


def release(version: int, blobs: MemoryBlobs, data: bytes = b"weights") -> Release:
    """A release of one file."""
    files = (ReleaseFile("model.json", len(data), blobs.put(data)),)
    return Release("m", version, digest_of_release(files, {}), files, {})


def test_02_an_unreachable_cloud_leaves_a_flagged_provisional_answer(start: Start) -> None:
    """Nobody above: the question stays open, who is in a hurry gets the best so far, marked; nothing is final."""
    site = start("site", data="memory:", parent=NOBODY, parts=Parts(answerer=Thinks((0.6, 0.4))))
    patient, hurried = ask(site.http, question(1)), ask(site.http, question(2, patience_ms=100))
    assert (patient.json()["state"], patient.json()["answer"]) == ("queued", None)
    assert hurried.json()["state"] == "queued"
    assert (hurried.json()["answer"]["provisional"], hurried.json()["answer"]["label_index"]) == (True, 0)
    assert site.http.get("/v1/status").json()["questions"]["answered"] == 0


@pytest.mark.parametrize("output", [(), (float("nan"), 0.1), (float("inf"), 0.0)])
def test_03_empty_or_nan_output_is_hard(output: tuple[float, ...]) -> None:
    """It is no answer, not even a provisional one: the question climbs."""

    async def story() -> None:
        tier = tier_of(MemoryStore(), Thinks(output))
        receipt, _ = await tier.ask(question(1, patience_ms=1), DEVICE)
        assert (receipt.state, receipt.answer) == ("queued", None)

    asyncio.run(story())


def test_05_one_that_never_reports_stops_nobody(start: Start) -> None:
    """A device that neither listens nor acknowledges keeps its own answer waiting, and nobody else's (Sedna #459)."""
    cloud = start("cloud", level=2)
    site = start("site", cloud)
    for device in (DEVICE, OTHER):
        ask(site.http, question(1, 7.0 if device == DEVICE else 8.0, device=device))
    until_status(cloud.http, "tasks_open", 2)
    work_desk(cloud.http, first_value)
    for sequence in range(2, 6):
        (page,) = until_answers(site.http, OTHER)
        taken = {"device": OTHER, "events": [page["event"]]}
        assert site.http.post("/v1/answers/ack", json=taken).json() == {"acknowledged": 1}
        ask(site.http, question(sequence, device=OTHER))
        until_status(cloud.http, "tasks_open", 1)
        work_desk(cloud.http, first_value)
    (kept,) = until_answers(site.http, DEVICE)
    assert kept["answer"]["label_index"] == 7


def test_06_a_late_joiner_and_a_stale_message_are_harmless(start: Start) -> None:
    """Who asks when all is over hears at once; an old acknowledgement, or giving up too late, changes nothing (DISCO #741)."""
    node = start("site")
    ask(node.http, question(1))
    work_desk(node.http, first_value)
    (page,) = until_answers(node.http, DEVICE)
    taken = {"device": DEVICE, "events": [page["event"]]}
    assert node.http.post("/v1/answers/ack", json=taken).json() == {"acknowledged": 1}
    late = ask(node.http, question(1, device=OTHER)).json()
    assert (late["state"], late["answer"]["device"], late["answer"]["label_index"]) == ("answered", OTHER, 1)
    assert node.http.post("/v1/answers/ack", json=taken).json() == {"acknowledged": 0}
    given_up = node.http.post(f"/v1/questions/{DEVICE}/1/cancel", json={})
    assert (given_up.status_code, given_up.json()["code"]) == (409, "E_CONFLICT")
    again = ask(node.http, question(1))
    assert (again.status_code, again.json()["answer"]["revision"]) == (200, 1)
    assert len(until_answers(node.http, OTHER)) == 1


def test_11_a_peer_that_was_away_for_long_loses_nothing_of_its_own(start: Start) -> None:
    """Asked while the cloud was away, ninety days ago: all of it goes up, and what the cloud had stays."""
    cloud = start("cloud", level=2)
    port = cloud.port
    ask(cloud.http, question(99))
    cloud.stop()
    clock = LaterClock()
    site = start("site", parent=f"http://127.0.0.1:{port}", parts=Parts(clock=clock))
    assert [ask(site.http, question(n)).status_code for n in range(1, 6)] == [202] * 5
    until(lambda: site.node.upstream and site.node.upstream.attempts_while_down > 0)
    clock.days = 90
    cloud = start("cloud", level=2, port=port)
    until_status(cloud.http, "tasks_open", 6, 20)
    until_status(site.http, "outbox", 0)


def test_a_device_that_was_away_for_thirty_days_gets_its_answer(start: Start) -> None:
    """Answered when nobody listened; after thirty days and a restart of the node it is still delivered, once."""
    clock = LaterClock()
    site = start("site", parts=Parts(clock=clock))
    ask(site.http, question(6))
    work_desk(site.http, first_value)
    clock.days = 30
    port = site.port
    site.stop()
    again = start("site", parts=Parts(clock=clock), port=port)
    page = until_answers(again.http, DEVICE, 1)
    assert page[0]["answer"]["label"] == "6"
    again.http.post("/v1/answers/ack", json={"device": DEVICE, "events": [page[0]["event"]]})
    assert again.http.get(f"/v1/answers?device={DEVICE}").json()["answers"] == []


def follower(network: Parent, store: MemoryStore, blobs: MemoryBlobs, *owned: str) -> Follower:
    """A follower of a scripted parent."""
    return Follower(network, store, blobs, SystemClock(), random.Random(1), frozenset(owned))


def test_12_a_record_and_its_blob_arrive_in_either_order() -> None:
    """The record first: not taken until the bytes are there; the bytes first: taken at once. No deadlock, no half."""

    async def story() -> None:
        there, here, store = MemoryBlobs(), MemoryBlobs(), MemoryStore()
        new = release(1, there)
        missing = True

        def says(method: str, path: str) -> Response:
            return Response(404) if missing else Response(200, there.get(path.rsplit("/", 1)[1]))

        follow = follower(Parent(says), store, here)
        with pytest.raises(NetworkError):
            await follow.take(new.to_json())
        assert await store.read(lambda tx: current(tx, "m")) is None
        missing = False
        assert await follow.take(new.to_json())
        first = release(2, here, b"already here")
        assert await follower(Parent(lambda m, p: Response(500)), store, here).take(first.to_json())
        found = await store.read(lambda tx: current(tx, "m"))
        assert found is not None
        assert found.version == 2

    asyncio.run(story())


def test_13_a_blob_that_a_slow_peer_still_wants_is_there(start: Start) -> None:
    """Two releases later the files of the first are still served, by version and by hash."""
    site = start("site")
    blobs: Any = site.node.blobs
    versions = [release(n, blobs, b"weights %d" % n) for n in (1, 2, 3)]

    async def all_of_them() -> None:
        for each in versions:
            await site.node.store.write(lambda tx, each=each: publish(tx, each))  # type: ignore[misc]

    run_on(site, all_of_them)
    old = versions[0].files[0]
    assert site.http.get("/v1/models/m").json()["version"] == 3
    for path in (f"/v1/models/m/1/files/{old.path}", f"/v1/blobs/{old.sha256}"):
        assert site.http.get(path).content == b"weights 1"


def test_14_a_commit_that_can_never_succeed_hurts_nobody(tmp_path: Path) -> None:
    """It fails each time it is tried, the store stays well, and what shared its group is committed."""

    async def story() -> None:
        store = SqliteStore(tmp_path / "node.db")

        def never(tx: Any) -> None:
            tx.put(FACTS, {"name": "half", "value": ""})
            raise ConflictError

        def fine(number: int) -> Any:
            return store.write(lambda tx: tx.put(FACTS, {"name": str(number), "value": ""}))

        for _ in range(3):
            work = [fine(1), store.write(never), fine(2)]
            found = await asyncio.gather(*work, return_exceptions=True)
            assert [isinstance(each, ConflictError) for each in found] == [False, True, False]
        assert await store.read(lambda tx: [row["name"] for row in tx.select(FACTS)]) == ["1", "2"]
        assert store.trouble == ""
        await store.close()

    asyncio.run(story())


def test_15_an_older_word_after_a_newer_one_changes_nothing() -> None:
    """Revision 2 arrived first: revision 1 is noted and has no effect; an older release is refused too."""

    async def story() -> None:
        store, blobs = MemoryStore(), MemoryBlobs()
        tier = tier_of(store)
        await tier.ask(question(1), DEVICE)
        said = Answer(DEVICE, 1, 2, label="8", label_index=8, source="person", tier=99)
        assert await tier.bring_home("parent", [said]) == 1
        assert await tier.bring_home("parent", [said.but(revision=1, label="3", label_index=3)]) == 0
        assert (await tier.history(DEVICE, 1))["answer"]["label"] == "8"
        await store.write(lambda tx: publish(tx, release(2, blobs)))
        with pytest.raises(RollbackError):
            await store.write(lambda tx: publish(tx, release(1, blobs, b"old")))

    asyncio.run(story())


def test_another_parent_numbers_its_answers_anew() -> None:
    """Moved to another parent: its first revision is news, unless it says the same."""

    async def story() -> None:
        tier = tier_of(MemoryStore())
        await tier.ask(question(1), DEVICE)
        said = Answer(DEVICE, 1, 1, label="8", label_index=8, source="person", tier=99)
        other = said.but(label="3", label_index=3)
        heard = [await tier.bring_home(*each) for each in (("a", [said]), ("b", [said]), ("c", [other]))]
        assert heard == [1, 0, 1]
        history = await tier.history(DEVICE, 1)
        assert [(each["revision"], each["label"]) for each in history["answers"]] == [(1, "8"), (2, "3")]

    asyncio.run(story())


def test_a_parent_that_lost_its_disk_has_the_final_word() -> None:
    """Its provisional answer was number 1; now that it counts anew its final one is number 1 too, and it has its effect once."""

    async def story() -> None:
        tier = tier_of(MemoryStore())
        await tier.ask(question(1), DEVICE)
        idea = Answer(DEVICE, 1, 1, label="8", label_index=8, source="cloud", tier=2, provisional=True)
        said = idea.but(label="3", label_index=3, source="person", tier=99, provisional=False)
        heard = [await tier.bring_home("parent", [each]) for each in (idea, idea, said, said)]
        assert heard == [1, 0, 1, 0]
        assert (await tier.history(DEVICE, 1))["state"] == "answered"

    asyncio.run(story())


def test_a_parent_that_lost_its_disk_can_still_correct_itself() -> None:
    """Its new count begins at 1, where the old one was at 3: every new word counts, an old one come late does not."""

    async def story() -> None:
        tier = tier_of(MemoryStore())
        await tier.ask(question(1), DEVICE)
        idea = Answer(
            DEVICE, 1, 3, label="8", label_index=8, source="cloud", tier=2, provisional=True, numbered_by="a"
        )
        slip = idea.but(
            revision=1, label="3", label_index=3, source="person", tier=99, provisional=False, numbered_by="b"
        )
        right = slip.but(revision=2, label="5", label_index=5)
        late = [idea, idea.but(revision=2, provisional=False, tier=99), slip]
        heard = [await tier.bring_home("parent", [each]) for each in (idea, slip, right, *late)]
        assert heard == [1, 1, 1, 0, 0, 0]
        history = await tier.history(DEVICE, 1)
        assert [(each["revision"], each["label"]) for each in history["answers"]] == [
            (1, "8"),
            (2, "3"),
            (3, "5"),
        ]
        assert {len(each["numbered_by"]) for each in history["answers"]} == {16}

    asyncio.run(story())


def test_a_parent_under_another_name_tells_nothing_anew() -> None:
    """The child is told to find the same node elsewhere; what that node had said before its last word comes late."""

    async def story() -> None:
        tier = tier_of(MemoryStore())
        await tier.ask(question(1), DEVICE)
        slip = Answer(
            DEVICE,
            1,
            1,
            label="3",
            label_index=3,
            source="person",
            tier=99,
            annotators=("ann",),
            numbered_by="b",
        )
        right = slip.but(revision=2, label="5", label_index=5)
        assert await tier.bring_home("http://old", [right]) == 1
        assert await tier.bring_home("http://new", [slip, right]) == 0
        assert await tier.bring_home("http://new", [slip.but(revision=3)]) == 1

    asyncio.run(story())


def test_16_words_of_a_newer_version_are_understood_once(start: Start) -> None:
    """Unknown fields in question, receipt and answer mean nothing: accepted once, and not asked for again."""
    cloud = start("cloud", level=2, data="memory:")
    wire = question(1).to_json() | {"from_the_future": {"a": [1]}}
    for status in (202, 200, 200):
        assert cloud.http.put(f"/v1/questions/{DEVICE}/1", json=wire).status_code == status
    receipt = ask(cloud.http, question(1)).json()
    assert Receipt.from_json(receipt | {"new": 1}).state == "queued"
    older = {name: value for name, value in receipt.items() if name not in ("owner", "event")}
    assert Receipt.from_json(older).owner == ""
    answer = Answer(DEVICE, 1, 1, label="1", label_index=1).to_json()
    assert Answer.from_json(answer | {"new": 1}) == Answer.from_json(answer)


def test_16_words_of_a_newer_version_go_through_an_older_node(start: Start) -> None:
    """A newer device asks and a newer cloud answers through a site that knows neither's new words: each hears the other's."""
    cloud = start("cloud", level=2, data="memory:")
    site = start("site", cloud, data="memory:")
    new = {"from_the_future": {"input": None, "a": [1, "\u0000"]}}
    path = f"/v1/questions/{DEVICE}/1"
    candidates = [{"label": "1", "probability": 0.5, **new}]
    wire = question(1).to_json() | new | {"candidates": candidates}
    assert site.http.put(path, json=wire).status_code == 202
    heard = until(lambda: cloud.http.get(path).json().get("question"))
    assert (heard["from_the_future"], heard["candidates"]) == (new["from_the_future"], candidates)

    said = Answer(DEVICE, 1, 1, label="1", label_index=1, source="person", tier=99).to_json() | new

    def answer(tx: Transaction) -> None:
        row = tx.get(QUESTIONS, DEVICE, 1)
        assert row is not None
        settle(tx, row, Answer.from_json(said), 1)

    run_on(cloud, lambda: cloud.node.store.write(answer))
    (told,) = until_answers(site.http, DEVICE, 1)
    assert told["answer"]["from_the_future"] == new["from_the_future"]


def test_16_a_release_in_newer_words_is_fetched_once() -> None:
    """A release with fields from the future, told again and again by a newer parent, costs one copy of its files."""

    async def story() -> None:
        there = MemoryBlobs()
        parent = Parent(lambda method, path: Response(200, there.get(path.rsplit("/", 1)[1])))
        follow = follower(parent, MemoryStore(), MemoryBlobs())
        told = release(1, there).to_json() | {"from_the_future": {"a": [1]}}
        assert [await follow.take(told) for _ in range(3)] == [True, False, False]
        assert len(parent.heard) == 1

    asyncio.run(story())


@pytest.fixture(params=[False, True], ids=["a parent of today", "an older parent"])
def upstream(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Runs the sending half of a tier against a scripted parent until a condition holds."""

    def run(parent: Parent, count: int, done: Callable[[Any], bool]) -> None:
        parent.older = request.param

        async def story() -> None:
            store = MemoryStore()
            tier = tier_of(store)
            for sequence in range(1, count + 1):
                await tier.ask(question(sequence), DEVICE)
            task = asyncio.create_task(Upstream(tier, parent, store.bus).run())
            async with asyncio.timeout(20):
                while not await store.read(done):
                    await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        asyncio.run(story())

    return run


def test_17_a_duplicate_counts_as_success(upstream: Callable[..., None]) -> None:
    """The parent has it already (200 instead of 202): sent, not refused."""
    parent = Parent(lambda method, path: Response(200, b'{"state":"queued"}'))
    upstream(parent, 3, lambda tx: tx.count(OUTBOX) == 0)
    assert len(parent.heard) == 3


@pytest.mark.parametrize("trouble", [500, 502, 503, 429, 408, "timeout", "garbage"])
def test_17_what_may_pass_is_tried_again(upstream: Callable[..., None], trouble: Any) -> None:
    """5xx, busy, slow and silent parents are asked again until they take it; nothing becomes a dead letter."""
    tries: dict[str, int] = {}

    def says(method: str, path: str) -> Response:
        tries[path] = tries.get(path, 0) + 1
        if tries[path] > 1:
            return Response(202, b'{"state":"queued"}')
        if trouble == "timeout":
            raise NetworkError("no answer")
        return Response(200, b"<html>") if trouble == "garbage" else Response(trouble)

    upstream(Parent(says), 2, lambda tx: tx.count(OUTBOX) == 0)
    assert set(tries.values()) <= {1, 2}


def test_what_falls_together_is_one_step_of_back_off(upstream: Callable[..., None]) -> None:
    """Sixteen questions are in flight when the link breaks: the wait is that of one failure, seconds and not minutes."""
    parent = Parent(lambda method, path: Response(202))

    def says(method: str, path: str) -> Response:
        if len(parent.heard) <= 16:
            raise NetworkError("the parent is away")
        return Response(202, b'{"state":"queued"}')

    parent.says = says
    upstream(parent, 16, lambda tx: tx.count(OUTBOX) == 0)
    assert len(parent.heard) >= 32


def test_17_a_poisoned_item_does_not_block_the_lane(upstream: Callable[..., None]) -> None:
    """One is refused for good: it is in the dead letters with its payload, all others are with the parent."""

    def says(method: str, path: str) -> Response:
        return Response(422, b"poison") if path.endswith("/1") else Response(202, b'{"state":"queued"}')

    def done(tx: Any) -> bool:
        letters = tx.select(DEAD_LETTERS)
        if len(letters) != 1 or tx.count(OUTBOX):
            return False
        assert read_json(letters[0]["body"])["input"] == dict(question(1).input)
        assert tx.get(QUESTIONS, DEVICE, 1)["state"] == "failed"
        return bool(tx.count(QUESTIONS, ("state", "=", "queued")) == 29)

    upstream(Parent(says), 30, done)


def test_18_what_was_too_old_to_be_sent_is_kept_with_its_payload(start: Start) -> None:
    """Its deadline passed while the parent was away: told to its device, and in the dead letters, not away."""
    site = start("site", data="memory:", parent=NOBODY)
    ask(site.http, question(1, asked_at_ms=5_000, deadline_ms=5_200))
    letters = until(lambda: site.http.get("/v1/dead-letters").json()["dead_letters"])
    assert (letters[0]["status"], letters[0]["body"]["input"]) == (0, dict(question(1).input))
    page = until_answers(site.http, DEVICE, 1)
    assert page[0]["outcome"]["state"] == "expired"


@pytest.mark.parametrize(("state", "revisions"), [("queuee", 0), ("answerec", 1)])
def test_a_state_that_the_disk_changed_costs_no_question(state: str, revisions: int) -> None:
    """A flipped bit makes it no word of ours: its answer comes home, other answers do too, and else it is asked again."""

    async def story() -> None:
        store = MemoryStore()
        tier = tier_of(store)
        said = Answer(DEVICE, 1, 1, label="8", label_index=8, source="person", tier=99)
        for sequence in (1, 2):
            await tier.ask(question(sequence), DEVICE)
        await tier.bring_home("parent", [said][:revisions])
        await store.write(lambda tx: outbox.sent(tx, DEVICE, 1))
        await store.write(lambda tx: tx.update(QUESTIONS, (DEVICE, 1), state=state))
        await tier.ask_again()
        history = await tier.history(DEVICE, 1)
        assert (history["state"], len(history["sending"])) == (
            ("answered", 0) if revisions else ("queued", 1)
        )

        await store.write(lambda tx: tx.update(QUESTIONS, (DEVICE, 1), state=state))
        corrected = said.but(revision=2, label="5", label_index=5)
        assert await tier.bring_home("parent", [corrected, said.but(sequence=2)]) == 2
        assert [(await tier.history(DEVICE, n))["state"] for n in (1, 2)] == ["answered", "answered"]

    asyncio.run(story())


def test_24_what_was_learnt_offline_is_not_overwritten() -> None:
    """A model that is retrained here keeps its version when the cloud comes back with a higher one."""

    async def story() -> None:
        store, blobs = MemoryStore(), MemoryBlobs()
        mine = release(3, blobs, b"learnt here")
        await store.write(lambda tx: publish(tx, mine))
        follow = follower(Parent(lambda m, p: Response(200, b"from above")), store, blobs, "m")
        assert not await follow.take(release(9, MemoryBlobs(), b"from above").to_json())
        found = await store.read(lambda tx: current(tx, "m"))
        assert found == mine

    asyncio.run(story())


def run_on(node: LiveNode, work: Callable[[], Any]) -> Any:
    """Run a coroutine function on the loop of a running node."""
    loop = node.node._tasks[0].get_loop()
    return asyncio.run_coroutine_threadsafe(work(), loop).result(10)
