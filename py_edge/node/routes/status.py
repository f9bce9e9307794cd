"""How the node is: health, readiness, counters for people and for Prometheus, dead letters."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from py_edge import __version__
from py_edge.chain import outbox
from py_edge.chain.inbox import said_by_parent
from py_edge.desk.annotators import annotators
from py_edge.errors import StorageError
from py_edge.fields import canonical_json, read_json
from py_edge.node.events import Events, EventStream
from py_edge.node.metrics import prometheus_text
from py_edge.node.node import Node
from py_edge.node.wire import node_of, path_number, problem, reply
from py_edge.records import STATES
from py_edge.retrain.job import gate_history
from py_edge.retrain.release import currents
from py_edge.retrain.watch import rollbacks
from py_edge.storage.ports import Reading, Transaction
from py_edge.storage.tables import DEAD_LETTERS, DELIVERIES, EXAMPLES, OUTBOX, PATHS, QUESTIONS, TASKS, VOTES

STATUS_EVERY_S = 0.5
SHOWN = 5  # of the questions that wait
SHOWN_PEOPLE = 20  # of those who voted
FROM_NODES = (("asker", ">=", "node:"), ("asker", "<", "node;"))  # every name after the prefix


async def healthz(request: Request) -> Response:
    """The process lives."""
    return reply({"status": "alive"})


async def readyz(request: Request) -> Response:
    """It takes questions; 503 when the disk is in trouble."""
    node = node_of(request)
    if node.store.trouble:
        return problem(StorageError(node.store.trouble))
    return reply({"status": "ready", "name": node.settings.name})


async def get_status(request: Request) -> Response:
    """Counters for the dashboard."""
    return reply(await status_of(node_of(request)))


async def stream_status(request: Request) -> Response:
    """The counters again whenever something changed, at most twice a second."""
    node = node_of(request)
    return EventStream(request, _statuses(node))


async def metrics(request: Request) -> Response:
    """The counters in Prometheus' text format."""
    media = "text/plain; version=0.0.4; charset=utf-8"
    return Response(prometheus_text(await status_of(node_of(request))), media_type=media)


async def list_gates(request: Request) -> Response:
    """What the gates of this node decided, newest first."""
    found = await node_of(request).store.read(lambda tx: gate_history(tx, 10_000))
    return reply({"gates": found})


async def list_dead_letters(request: Request) -> Response:
    """What the parent refused for good, with payload."""
    rows = await node_of(request).store.read(lambda tx: tx.select(DEAD_LETTERS, limit=100))
    return reply({"dead_letters": [{**row, "body": read_json(row["body"])} for row in rows]})


async def replay(request: Request) -> Response:
    """Send a dead letter again."""
    node = node_of(request)
    number = path_number(request.path_params["number"], "number", 1, 1 << 53)
    now = node.clock.now_ms()

    def work(tx: Transaction) -> None:
        outbox.replay(tx, number, now)

    await node.store.write(work)
    return reply({"state": "queued"}, 202)


async def status_of(node: Node) -> dict[str, Any]:
    """Everything that the dashboard shows."""

    def work(tx: Reading) -> dict[str, Any]:
        states = tx.tally(QUESTIONS, "state")
        oldest = tx.select(OUTBOX, order=("created_at_ms",), limit=1)
        return {
            "questions": {state: states.get(state, 0) for state in STATES},
            "answered_by": {name: n for name, n in tx.tally(QUESTIONS, "answered_by").items() if name},
            "answered_by_tier": {
                str(tier): n for tier, n in tx.tally(QUESTIONS, "tier", ("state", "=", "answered")).items()
            },
            "asked_by_child": {
                asker.removeprefix("node:"): n for asker, n in tx.tally(PATHS, "asker", *FROM_NODES).items()
            },
            "waiting": [
                {"question": f"{row['device']}/{row['sequence']}", "place": place, "estimate_s": estimate_s}
                for row in tx.select(QUESTIONS, ("state", "=", "queued"), order=("-priority", "deadline_ms"), limit=SHOWN)
                for place, estimate_s in [(node.tier.place or said_by_parent)(tx, row)]
            ],
            "outbox": tx.count(OUTBOX),
            "outbox_oldest_ms": node.clock.now_ms() - oldest[0]["created_at_ms"] if oldest else 0,
            "outbox_retrying": tx.count(OUTBOX, ("attempts", ">", 0)),
            "dead_letters": tx.count(DEAD_LETTERS),
            "unacknowledged": tx.count(DELIVERIES),
            "tasks_open": tx.count(TASKS, ("state", "=", "open")),
            "votes": tx.count(VOTES),
            "annotators": annotators(tx, SHOWN_PEOPLE),
            "examples": tx.count(EXAMPLES),
            "gates": gate_history(tx, 20),
            "rollbacks": rollbacks(tx),
            "models": [
                {
                    "name": release.name, "version": release.version, "digest": release.digest,
                    "released_at_ms": release.released_at_ms, "metrics": release.metadata.get("metrics"),
                    "threshold": release.metadata.get("threshold"),
                    "certificate": release.metadata.get("certificate"),
                }
                for release in currents(tx)
            ],
        }  # fmt: skip

    settings, upstream = node.settings, node.upstream
    return {
        "name": settings.name,
        "level": settings.level,
        "version": __version__,
        "now_ms": node.clock.now_ms(),
        "started_ms": node.started_ms,
        "parent": {"url": settings.parent, "failures": upstream.attempts_while_down} if upstream else None,
        "children": [{"name": name, "seen_ms": at} for name, at in sorted(node.children.items())],
        "listening": node.listening,
        "missing": len(node.tier.missing),
        "trouble": node.store.trouble,
        **await node.store.read(work),
    }


async def _statuses(node: Node) -> Events:
    number = 0
    with node.bus.listen("status", "desk", "outbox", "examples", "closing") as waiter:
        while not node.closing:
            number += 1
            status = canonical_json(await status_of(node)).decode()
            yield {"event": "status", "id": str(number), "data": status}
            await asyncio.sleep(STATUS_EVERY_S)
            await waiter.wait(10.0)
