"""Erasing a question over real nodes: afterwards no place has its content, whatever was under way, and its equals go on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import pytest

from py_edge.chain.erasure import wish_device_erased
from py_edge.cli import main
from py_edge.node.node import Parts
from py_edge.records import Example, Question
from py_edge.storage.ports import Reading
from py_edge.storage.sqlite import SqliteStore
from py_edge.storage.tables import ALL, ANSWERS, DEAD_LETTERS, EXAMPLES, LEASES, OUTBOX, TASKS
from tests.node.asking import (
    DEVICE,
    OTHER,
    ask,
    content,
    first_value,
    question,
    until,
    until_answers,
    until_status,
    work_desk,
)
from tests.node.conftest import LiveNode, Start
from tests.node.test_app import Even, chain_of_three

SECRET = (1234.5678, 8765.4321, 3.14159)
ASKED = question(1, *SECRET)
CONTENT = (ANSWERS, DEAD_LETTERS, EXAMPLES, LEASES, OUTBOX, TASKS)  # what only holds what was not erased


def erase(http: httpx.Client, asked: Question) -> httpx.Response:
    """DELETE a question."""
    return http.delete(f"/v1/questions/{asked.device}/{asked.sequence}")


def state_of(http: httpx.Client, asked: Question) -> int:
    """The status of GET: 200 while it is known, 410 when it was erased, 404 when it never came."""
    return http.get(f"/v1/questions/{asked.device}/{asked.sequence}").status_code


def until_gone(http: httpx.Client, asked: Question) -> None:
    """Wait until a node has erased a question."""
    until(lambda: state_of(http, asked) == 410)


def rows_of(folder: Path) -> list[tuple[str, Any]]:
    """Every row of a stopped node with the name of its table."""

    async def look() -> list[tuple[str, Any]]:
        store = SqliteStore(folder / "node.db")
        try:
            return await store.read(everything)
        finally:
            await store.close()

    def everything(tx: Reading) -> list[tuple[str, Any]]:
        return [(table.name, row) for table in ALL for row in tx.select(table)]

    return asyncio.run(look())


def bytes_with(folder: Path, words: Iterable[str]) -> list[str]:
    """Every file of a stopped node in which one of these words stands, free pages and logs included."""
    return [
        f"{path.name}: {word}"
        for path in folder.rglob("*")
        if path.is_file()
        for word in words
        if word.encode() in path.read_bytes()
    ]


def traces_of(asked: Question) -> list[str]:
    """What must not be found: the payload, its digest, and the part of the digest that names a task."""
    return [asked.input["data"], asked.digest[:32]]


def assert_nothing_is_left(nodes: Iterable[LiveNode], folder: Path, asked: Question) -> None:
    """Stop the nodes and search tables and files; nothing else was ever asked there."""
    for node in nodes:
        node.stop()
        place = folder / node.settings.name
        rows = rows_of(place)
        assert [row for row in rows if any(word in str(row) for word in traces_of(asked))] == []
        assert {name for name, _ in rows} & {table.name for table in CONTENT} == set()
        assert bytes_with(place, traces_of(asked)) == []


def test_an_answered_question_is_erased_at_every_place(start: Start, tmp_path: Path) -> None:
    """Question, answers, votes, examples, task: all gone at three nodes; its id is refused with E_GONE from then on."""
    nodes = far, _, cloud = chain_of_three(start)
    ask(far.http, ASKED)
    until_status(cloud.http, "tasks_open", 1)
    work_desk(cloud.http, first_value)
    until_answers(far.http, DEVICE)
    for node in nodes:
        assert until_status(node.http, "examples", 1)
    assert erase(far.http, ASKED).json()["state"] == "erased"
    for node in nodes:
        until_gone(node.http, ASKED)
    assert erase(far.http, ASKED).status_code == 200
    gone = ask(cloud.http, ASKED)
    assert (gone.status_code, gone.json()["code"]) == (410, "E_GONE")
    example = Example(DEVICE, 1, "digits", ASKED.input, 4, source="device", tier=0)
    assert far.http.put(f"/v1/examples/{DEVICE}/1", json=example.to_json()).status_code == 410
    (told,) = far.http.get(f"/v1/answers?device={DEVICE}").json()["answers"]
    assert told["outcome"] == {"device": DEVICE, "sequence": 1, "state": "erased"}
    assert cloud.http.get("/v1/status").json()["votes"] == 1
    assert cloud.http.get("/v1/desk/export").json()["tasks"] == []
    assert_nothing_is_left(nodes, tmp_path, ASKED)


@pytest.mark.slow
def test_erased_at_the_top_it_is_erased_below(start: Start, tmp_path: Path) -> None:
    """A person at the cloud erases it while it waits: every child hears so and empties its own."""
    nodes = far, _, cloud = chain_of_three(start)
    ask(far.http, ASKED)
    until_status(cloud.http, "tasks_open", 1)
    erase(cloud.http, ASKED)
    until_gone(far.http, ASKED)
    assert cloud.http.get("/v1/desk/next?annotator=ann").json()["task"] is None
    for node in nodes:
        until_status(node.http, "outbox", 0)
    assert_nothing_is_left(nodes, tmp_path, ASKED)


@pytest.mark.slow
def test_it_waits_for_a_parent_that_is_down_and_survives_restarts(start: Start, tmp_path: Path) -> None:
    """The middle is away while the question is erased below, then both start again: the wish still goes to the top."""
    cloud = start("cloud", level=3)
    near = start("near", cloud, level=2)
    far = start("far", near, level=1)
    ask(far.http, ASKED)
    until_status(cloud.http, "tasks_open", 1)
    near.stop()
    assert erase(far.http, ASKED).status_code == 200
    far.stop()
    assert bytes_with(tmp_path / "far", traces_of(ASKED)) == []
    assert state_of(cloud.http, ASKED) == 200
    near = start("near", cloud, level=2)
    far = start("far", near, level=1)
    until_gone(cloud.http, ASKED)
    assert_nothing_is_left((far, near, cloud), tmp_path, ASKED)


def test_an_equal_question_of_another_goes_on(start: Start, tmp_path: Path) -> None:
    """Two devices asked the same, once upstream: one erases, the other is asked in its own name and hears its answer."""
    cloud = start("cloud", level=2)
    far = start("far", cloud)
    twin = question(8, *SECRET, device=OTHER)
    ask(far.http, ASKED)
    until(lambda: state_of(cloud.http, ASKED) == 200)
    ask(far.http, twin)
    assert state_of(cloud.http, twin) == 404
    erase(far.http, ASKED)
    until(lambda: state_of(cloud.http, ASKED) == 410 and state_of(cloud.http, twin) == 200)
    until_status(cloud.http, "tasks_open", 1)
    work_desk(cloud.http, first_value)
    (told,) = until_answers(far.http, OTHER)
    assert told["answer"]["label"] == "4"
    assert state_of(far.http, ASKED) == 410
    erase(far.http, twin)
    until_gone(cloud.http, twin)
    assert_nothing_is_left((far, cloud), tmp_path, ASKED)


@pytest.mark.slow
def test_copies_for_audits_are_erased_too(start: Start, tmp_path: Path) -> None:
    """The site answered by itself and had a person look at it under the site's own name: that copy goes as well."""
    cloud = start("cloud", level=2)
    site = start("site", cloud, Parts(answerer=Even()), audit_share=1.0)
    asked = question(2, 1234.0, 8765.4321)
    assert ask(site.http, asked).json()["answer"]["source"] == "site"
    until_status(cloud.http, "tasks_open", 1)
    erase(site.http, asked)
    until_status(cloud.http, "tasks_open", 0)
    until_status(site.http, "outbox", 0)
    assert_nothing_is_left((site, cloud), tmp_path, asked)


@pytest.mark.slow
def test_a_dead_letter_and_a_late_copy_hold_nothing(start: Start, tmp_path: Path) -> None:
    """What the parent refused is erased with its question; what was erased before it ever came is refused when it does."""
    cloud = start("cloud", level=2)
    site = start("site", cloud)
    circular = question(1, *SECRET, hops=("cloud",))
    ask(site.http, circular)
    until_status(site.http, "dead_letters", 1)
    erase(site.http, circular)
    assert site.http.get("/v1/dead-letters").json()["dead_letters"] == []
    late = question(5, *SECRET)
    erase(cloud.http, late)
    ask(site.http, late)
    until_gone(site.http, late)
    until_status(site.http, "outbox", 0)
    assert site.http.get("/v1/status").json()["dead_letters"] == 0
    assert_nothing_is_left((site, cloud), tmp_path, circular)


def test_everything_of_a_device_is_erased_at_every_place(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Answered, waiting, told as an example, known above only: with one command all of it goes at three nodes, again
    changes nothing, the same content of another device stays, and what the device asks afterwards is new."""
    nodes = far, near, cloud = chain_of_three(start)
    above, twin = question(4, 99.5), question(1, *SECRET, device=OTHER)
    for http, asked in ((far.http, ASKED), (far.http, question(2)), (near.http, above), (far.http, twin)):
        ask(http, asked)
    until_status(cloud.http, "tasks_open", 3)
    work_desk(cloud.http, first_value)
    until_answers(far.http, DEVICE, 2)
    example = Example(DEVICE, 3, "digits", content(77.25), 4, source="device", tier=0)
    assert far.http.put(f"/v1/examples/{DEVICE}/3", json=example.to_json()).status_code == 202
    assert main(["erase", far.url, DEVICE]) == 0
    assert f"3 of {DEVICE}" in capsys.readouterr().err
    for node in nodes:
        for sequence in (1, 2, 3) if node is far else (1, 2, 3, 4):
            until_gone(node.http, question(sequence))
        until_status(node.http, "outbox", 0)
    assert (state_of(far.http, twin), ask(far.http, question(2)).status_code) == (200, 410)
    assert far.http.delete(f"/v1/devices/{DEVICE}").json() == {"erased": 0}
    assert ask(far.http, question(9)).status_code == 202
    assert main(["erase", far.url, DEVICE, "9"]) == main(["erase", far.url, OTHER]) == 0
    for node in nodes:
        until_gone(node.http, question(9))
        until_gone(node.http, twin)
        until_status(node.http, "outbox", 0)
    assert_nothing_is_left(nodes, tmp_path, ASKED)


@pytest.mark.slow
def test_what_was_interrupted_is_gone_on_with(start: Start, tmp_path: Path) -> None:
    """Killed after the wish was written down and before the first question was emptied: the next start does the rest."""
    cloud = start("cloud", level=2)
    far = start("far", cloud)
    ask(far.http, ASKED)
    until_status(cloud.http, "tasks_open", 1)
    far.stop()
    asyncio.run(write_wish(tmp_path / "far"))
    far = start("far", cloud)
    until_gone(far.http, ASKED)
    until_gone(cloud.http, ASKED)
    until_status(far.http, "outbox", 0)
    assert_nothing_is_left((far, cloud), tmp_path, ASKED)


async def write_wish(folder: Path) -> None:
    """What the first transaction of erasing a device leaves."""
    store = SqliteStore(folder / "node.db")
    await store.write(lambda tx: wish_device_erased(tx, DEVICE, 1, goes_up=True))
    await store.close()
