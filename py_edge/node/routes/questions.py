"""Questions: ask one or many, look, cancel, erase."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from py_edge.chain import batch
from py_edge.errors import LimitError, ModelFormatError, PyEdgeError
from py_edge.node.limits import Rates
from py_edge.node.wire import (
    header,
    node_of,
    path_number,
    path_word,
    problem_of,
    read_body,
    read_object,
    read_record,
    reply,
    retry_after_s,
    status_of,
)
from py_edge.records import DEVICE, MAX_SEQUENCE, NAME, Question

logger = logging.getLogger("py_edge.node")


async def post_questions(request: Request) -> Response:
    """Up to 64 at once; the reply lists what PUT would have said of each, and one that is refused spoils no other."""
    asked = await read_body(request)
    if not isinstance(asked, list):
        raise ModelFormatError("not a list", where="/", got=type(asked).__name__, want="list of questions")
    if len(asked) > batch.MOST:
        raise LimitError("too many questions", where="/", got=len(asked), want=f"at most {batch.MOST}")
    return reply(await asyncio.gather(*[_take(request, value) for value in asked]))


async def _take(request: Request, value: Any) -> dict[str, Any]:
    """One of many: what is said of it."""
    try:
        device = DEVICE.read(value.get("device") if isinstance(value, dict) else None, "/device")
        asker = asker_of(request, device)
        _admit(request, asker)
        receipt, new = await node_of(request).ask(Question.from_json(value), asker)
    except PyEdgeError as error:
        return batch.reply_to_one(status_of(error), None, problem_of(error), retry_after_s(error))
    except Exception:
        logger.exception("one of many questions could not be taken")
        return batch.reply_to_one(500, None, problem_of(PyEdgeError(where=batch.PATH), 500))
    return batch.reply_to_one(202 if new else 200, receipt)


async def put_question(request: Request) -> Response:
    """202 for a new question, 200 for one asked before, 409 for the same id with other content."""
    device, sequence = question_id(request)
    asker = asker_of(request, device)
    _admit(request, asker)
    question = await read_record(request, Question)
    if (question.device, question.sequence) != (device, sequence):
        raise ModelFormatError("the body is about another question", where="/device", got=question.id)
    receipt, new = await node_of(request).ask(question, asker)
    return reply(receipt, 202 if new else 200)


def _admit(request: Request, asker: str) -> None:
    """Whether this asker may ask one more, and there is room. Raises CapacityError."""
    rates: Rates = request.app.state.rates
    rates.check(asker)
    node_of(request).check_room()


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
