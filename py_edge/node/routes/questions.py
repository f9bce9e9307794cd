"""Questions: ask, look, cancel, erase."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from py_edge.errors import ModelFormatError
from py_edge.node.limits import Rates
from py_edge.node.wire import header, node_of, path_number, path_word, read_object, read_record, reply
from py_edge.records import DEVICE, MAX_SEQUENCE, NAME, Question


async def put_question(request: Request) -> Response:
    """202 for a new question, 200 for one asked before, 409 for the same id with other content."""
    node = node_of(request)
    device, sequence = question_id(request)
    asker = asker_of(request, device)
    rates: Rates = request.app.state.rates
    rates.check(asker)
    node.check_room()
    question = await read_record(request, Question)
    if (question.device, question.sequence) != (device, sequence):
        raise ModelFormatError("the body is about another question", where="/device", got=question.id)
    receipt, new = await node.tier.ask(question, asker)
    node.crowd += new
    return reply(receipt, 202 if new else 200)


async def get_question(request: Request) -> Response:
    """State, transitions and every revision."""
    device, sequence = question_id(request)
    return reply(await node_of(request).tier.history(device, sequence, asker_of(request, device)))


async def cancel_question(request: Request) -> Response:
    """The asker gives up; doing it twice is harmless."""
    device, sequence = question_id(request)
    await read_object(request)
    receipt = await node_of(request).tier.cancel(device, sequence, asker_of(request, device))
    return reply(receipt)


async def erase_question(request: Request) -> Response:
    """Its content goes, here and wherever it went; the id stays and is refused with 410 from now on."""
    node = node_of(request)
    device, sequence = question_id(request)
    rates: Rates = request.app.state.rates
    rates.check(asker_of(request, device))
    return reply(await node.tier.erase(device, sequence))


async def erase_device(request: Request) -> Response:
    """Everything of a device goes, here and in every place above; tells of how many questions and examples, here."""
    node, device = node_of(request), path_word(request, "device", DEVICE)
    rates: Rates = request.app.state.rates
    rates.check(asker_of(request, device))
    return reply({"erased": await node.tier.erase_device(device)})


def question_id(request: Request) -> tuple[str, int]:
    """Device and sequence of the path."""
    sequence = path_number(request.path_params["sequence"], "sequence", 1, MAX_SEQUENCE)
    return path_word(request, "device", DEVICE), sequence


def asker_of(request: Request, device: str) -> str:
    """Who asks: the device itself, or the child node that relays."""
    name = header(request, b"x-py-edge-node")
    if not name:
        return device
    node_of(request).saw_child(NAME.read(name, "x-py-edge-node"))
    return f"node:{name}"
