"""Many questions in one request, and a reply to each of them: what both ends of a link agree on.

`POST /v1/questions` takes a list of questions and gives a list as long: in order, what `PUT` would have said of each.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from py_edge.chain.ports import Response
from py_edge.errors import ModelFormatError
from py_edge.fields import canonical_json, integer, read_json

PATH = "/v1/questions"
MOST = 64  # questions in one request
MOST_BYTES = 1_000_000  # of its body: a node, and what stands before it, often refuses more than 1 MiB
REPLIES_LIMIT_BYTES = 4 << 20
_STATUS, _WAIT = integer(200, 599), integer(0, 1 << 31)


def pack(bodies: Iterable[bytes]) -> bytes:
    """The request, of questions as `PUT` sends them."""
    return b"[" + b",".join(bodies) + b"]"


def reply_to_one(
    status: int, receipt: Any = None, problem: Any = None, retry_after_s: int = 0
) -> dict[str, Any]:
    """One entry of the reply: a receipt, or why not and when to try again."""
    return {"status": status, "receipt": receipt, "problem": problem, "retry_after_s": retry_after_s}


def unpack(response: Response, count: int) -> list[Response]:
    """The replies to `count` questions, each as if it had come alone. Raises ModelFormatError: it is not that."""
    found = read_json(response.body, limit_bytes=REPLIES_LIMIT_BYTES)
    if not isinstance(found, list) or len(found) != count:
        raise ModelFormatError("not a reply to each question", where="/", want=f"a list of {count}")
    return [_alone(entry, f"/{place}") for place, entry in enumerate(found)]


def _alone(entry: Any, where: str) -> Response:
    if not isinstance(entry, dict):
        raise ModelFormatError("not an object", where=where, got=type(entry).__name__, want="object")
    status = _STATUS.read(entry.get("status"), f"{where}/status")
    wait_s = _WAIT.read(entry.get("retry_after_s", 0), f"{where}/retry_after_s")
    body = canonical_json(entry.get("receipt") or entry.get("problem"))
    return Response(status, body, {"retry-after": str(wait_s)} if wait_s else {})
