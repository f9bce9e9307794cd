"""Answers on their way home: poll, stream, acknowledge."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from py_edge.chain.answers import keep_example
from py_edge.chain.erasure import refuse_erased
from py_edge.errors import ModelFormatError, ValueRangeError
from py_edge.fields import canonical_json, integer, many
from py_edge.node.events import Events, EventStream
from py_edge.node.node import Node
from py_edge.node.routes.questions import question_id
from py_edge.node.wire import node_of, path_number, query_number, read_object, read_record, reply
from py_edge.records import DEVICE, MAX_SEQUENCE, NAME, Example
from py_edge.storage.ports import Transaction

PAGE = 64


async def poll_answers(request: Request) -> Response:
    """What this asker has not acknowledged yet."""
    asker = asker_of_query(request.query_params.get("device", ""), request.query_params.get("node", ""))
    after = query_number(request, "after", 0, 0, MAX_SEQUENCE)
    limit = query_number(request, "limit", 100, 1, 1000)
    found = await node_of(request).tier.deliveries(asker, after, limit)
    entries = [delivery.to_json() for delivery in found]
    return reply({"answers": entries, "next": found[-1].event if found else after})


async def stream_answers(request: Request) -> Response:
    """Server-sent events: each answer as it comes, from `after` on, or else from Last-Event-ID.

    Who names `after` means it at every connection: a browser repeats the number of a node that lost its disk.
    """
    asker = asker_of_query(request.query_params.get("device", ""), request.query_params.get("node", ""))
    after = query_number(request, "after", 0, 0, MAX_SEQUENCE)
    last = request.headers.get("last-event-id", "")
    if last:
        resumed = path_number(last, "last-event-id", 0, MAX_SEQUENCE)
        after = after if "after" in request.query_params else resumed
    node = node_of(request)
    if asker.startswith("node:"):
        node.saw_child(asker.removeprefix("node:"))
    return EventStream(request, _answers(node, asker, after))


async def acknowledge(request: Request) -> Response:
    """These events are safe with the asker."""
    body = await read_object(request)
    asker = asker_of_query(str(body.get("device", "")), str(body.get("node", "")))
    events = many(integer(1), most=1000).read(body.get("events"), "/events")
    return reply({"acknowledged": await node_of(request).tier.acknowledge(asker, events)})


async def put_example(request: Request) -> Response:
    """A device says what something was, without asking."""
    device, sequence = question_id(request)
    example = await read_record(request, Example)
    if (example.device, example.sequence) != (device, sequence):
        raise ModelFormatError("the body is about another example", where="/device")
    if example.tier != 0 or example.source != "device":
        raise ValueRangeError(
            "a device speaks for itself only", where="/source", want="source device, tier 0"
        )
    node = node_of(request)
    known = example.but(at_ms=node.clock.now_ms())

    def work(tx: Transaction) -> None:
        refuse_erased(tx, device, sequence)
        keep_example(tx, known)

    await node.store.write(work)
    return reply({"state": "kept"}, 202)


def asker_of_query(device: str, node: str) -> str:
    """`device=<id>`, or `device=*` with the name of a node."""
    if node:
        return f"node:{NAME.read(node, 'node')}"
    return str(DEVICE.read(device, "device"))


async def _answers(node: Node, asker: str, after: int) -> Events:
    node.listening += 1
    try:
        with node.bus.listen(f"asker:{asker}", "closing") as waiter:
            while not node.closing:
                page = await node.tier.deliveries(asker, after, PAGE)
                for delivery in page:
                    after = delivery.event
                    entry = delivery.to_json()
                    kind = "answer" if delivery.answer else "outcome"
                    yield {"event": kind, "id": str(after), "data": canonical_json(entry[kind]).decode()}
                if not page:
                    await waiter.wait(60.0)
    finally:
        node.listening -= 1
