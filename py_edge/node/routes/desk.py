"""The desk: take a task, vote, take a vote back; everything as Label Studio's JSON, out and in."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from py_edge.desk.assignment import lease_next
from py_edge.desk.label_studio import export_tasks, import_tasks, label_config
from py_edge.desk.tasks import shown, waiting
from py_edge.desk.verdict import Verdict
from py_edge.desk.votes import cast_vote, undo_vote
from py_edge.errors import ModelFormatError
from py_edge.fields import text
from py_edge.node.events import Events, EventStream
from py_edge.node.node import Node
from py_edge.node.wire import node_of, path_word, read_object, read_record, reply
from py_edge.records import Vote
from py_edge.storage.ports import Transaction

TASK = text("[0-9a-f]{32}", longest=32)
ANNOTATOR = text(r"[^\s].{0,63}", longest=64)


async def next_task(request: Request) -> Response:
    """The next task for this person, theirs until lease_until_ms; null when there is none."""
    node = node_of(request)
    annotator = ANNOTATOR.read(request.query_params.get("annotator", "anonymous"), "annotator")
    now = node.clock.now_ms()

    def work(tx: Transaction) -> dict[str, Any]:
        leased = lease_next(tx, annotator, now, node.rules)
        task = {**shown(tx, leased[0]), "lease_until_ms": leased[1]} if leased else None
        return {"task": task, "waiting": waiting(tx)}

    return reply(await node.store.write(work))


async def post_vote(request: Request) -> Response:
    """One vote; the verdict so far comes back."""
    node, task = node_of(request), path_word(request, "task", TASK)
    vote = await read_record(request, Vote)
    now = node.clock.now_ms()
    verdict = await node.store.write(lambda tx: cast_vote(tx, task, vote, now, node.rules))
    return reply(_plain(task, verdict))


async def post_undo(request: Request) -> Response:
    """Take one's vote back."""
    node, task = node_of(request), path_word(request, "task", TASK)
    annotator = ANNOTATOR.read((await read_object(request)).get("annotator"), "/annotator")
    now = node.clock.now_ms()
    verdict = await node.store.write(lambda tx: undo_vote(tx, task, annotator, now, node.rules))
    return reply(_plain(task, verdict))


async def export_desk(request: Request) -> Response:
    """All tasks with their votes as Label Studio's JSON, and the labelling interface that fits them."""
    tasks = await node_of(request).store.read(export_tasks)
    return reply({"tasks": tasks, "label_config": label_config(tasks)})


async def import_desk(request: Request) -> Response:
    """Label Studio's tasks: annotations become votes, unknown ground truth becomes gold; all or nothing."""
    node = node_of(request)
    tasks = (await read_object(request)).get("tasks")
    if not isinstance(tasks, list):
        raise ModelFormatError(
            "not a list", where="/tasks", got=type(tasks).__name__, want="Label Studio's tasks"
        )
    now = node.clock.now_ms()
    return reply(await node.store.write(lambda tx: import_tasks(tx, tasks, now, node.rules)))


async def stream_desk(request: Request) -> Response:
    """Server-sent events: how many tasks wait, whenever that may have changed."""
    return EventStream(request, _waiting(node_of(request)))


async def _waiting(node: Node) -> Events:
    number = 0
    with node.bus.listen("desk", "closing") as waiter:
        while not node.closing:
            number += 1
            count = await node.store.read(waiting)
            yield {"event": "desk", "id": str(number), "data": f'{{"waiting":{count}}}'}
            await waiter.wait(60.0)


def _plain(task: str, verdict: Verdict) -> dict[str, Any]:
    return {
        "task": task, "done": verdict.done, "label_index": verdict.label_index, "confidence": verdict.confidence,
        "votes": verdict.counted,
    }  # fmt: skip
