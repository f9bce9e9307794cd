"""Values on the wire: bodies read within a limit and believed only after their check; errors as problem+json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from py_edge.errors import (
    CapacityError,
    LimitError,
    ModelFormatError,
    PyEdgeError,
    StorageError,
    UnsupportedError,
    ValueRangeError,
)
from py_edge.fields import Field, canonical_json
from py_edge.node.bodies import JSON, READERS
from py_edge.node.headers import headers_of
from py_edge.records import Record

if TYPE_CHECKING:
    from py_edge.node.node import Node

R = TypeVar("R", bound=Record)

# Which HTTP status each code becomes; everything else that a caller sent wrongly is 422.
STATUS = {
    "E_FORMAT": 400, "E_LIMIT": 413, "E_UNSUPPORTED": 415, "E_CONFLICT": 409, "E_NOT_FOUND": 404, "E_GONE": 410, "E_AUTH": 403,
    "E_CAPACITY": 503, "E_STORAGE": 503, "E_INTERNAL": 500, "E_NETWORK": 502, "E_ROLLBACK": 409,
}  # fmt: skip
NO_STORE = {"cache-control": "no-store"}


def node_of(request: Request) -> Node:
    """The node that this app belongs to."""
    return cast("Node", request.app.state.node)


def reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON response, of a record or of plain values, that nobody keeps."""
    return _Reply(canonical_json(value), status, headers, b"application/json")


def problem(error: PyEdgeError, status: int = 0, headers: Mapping[str, str] | None = None) -> Response:
    """An error as application/problem+json (RFC 9457) with our stable code."""
    body = problem_of(error, status)
    return _Reply(canonical_json(body), body["status"], headers, b"application/problem+json")


def problem_of(error: PyEdgeError, status: int = 0) -> dict[str, Any]:
    """What a problem says."""
    facts = error.as_dict()
    return {
        "type": f"urn:py_edge:{error.code}", "title": (type(error).__doc__ or "").strip().splitlines()[0],
        "status": status or status_of(error), "code": error.code, "detail": error.message,
        "where": facts.get("where", ""), "got": facts.get("got"), "want": facts.get("want"),
        "remedy": facts.get("remedy", ""),
    }  # fmt: skip


def status_of(error: PyEdgeError) -> int:
    """The HTTP status of an error."""
    return 429 if getattr(error, "retry_after_s", 0) else STATUS.get(error.code, 422)


def retry_after_s(error: PyEdgeError) -> int:
    """When to try again; 0 when that would not help."""
    return 1 if isinstance(error, (CapacityError, StorageError)) else 0


class _Reply(Response):
    """A response of bytes whose headers are known; Starlette's looks through them for what may be missing."""

    def __init__(self, body: bytes, status: int, headers: Mapping[str, str] | None, kind: bytes) -> None:
        self.body, self.status_code, self.background = body, status, None
        self.raw_headers = [
            (b"cache-control", b"no-store"),
            (b"content-length", b"%d" % len(body)),
            (b"content-type", kind),
        ]
        for name, value in (headers or {}).items():
            self.raw_headers.append((name.lower().encode("latin-1"), value.encode("latin-1")))


def header(request: Request, name: bytes, default: str = "") -> str:
    """One header; on the way of every question, where Starlette's mapping is slow to say that there is none."""
    found = headers_of(request.scope).get(name)
    return default if found is None else found.decode("latin-1")


async def read_body(request: Request) -> Any:
    """What the body says, JSON or another of READERS, within the limit. Raises LimitError, UnsupportedError."""
    headers = headers_of(request.scope)
    kind = headers.get(b"content-type", JSON.encode()).decode("latin-1").partition(";")[0].strip().lower()
    if kind not in READERS:
        raise UnsupportedError("no such body here", where="content-type", got=kind, want=", ".join(READERS))
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise UnsupportedError("send the body as it is", where="content-encoding")
    limit = node_of(request).settings.body_limit_bytes
    parts, size, more = [], 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        size, more = size + len(parts[-1]), message.get("more_body", False)
        if size > limit:
            raise LimitError("the body is too long", where="body", got=size, want=f"at most {limit} bytes")
    return READERS[kind](b"".join(parts)) if size else None


async def read_record(request: Request, kind: type[R]) -> R:
    """The body as a record."""
    return kind.from_json(await read_body(request))


async def read_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object; an empty body is an empty object."""
    found = await read_body(request)
    value = {} if found is None else found
    if not isinstance(value, dict):
        raise ModelFormatError("not an object", where="/", got=type(value).__name__, want="object")
    return value


def query_number(request: Request, name: str, default: int, low: int, high: int) -> int:
    """A whole number of the query string. Raises ModelFormatError, ValueRangeError."""
    word = request.query_params.get(name)
    return default if word is None else path_number(word, name, low, high)


def path_number(word: str, name: str, low: int, high: int) -> int:
    """A whole number spelled in a URL."""
    if not (word.isascii() and word.isdigit() and len(word) < 20):
        raise ModelFormatError("not a whole number", where=name, got=word, want=f"{low}..{high}")
    if not low <= int(word) <= high:
        raise ValueRangeError("out of range", where=name, got=int(word), want=f"{low}..{high}")
    return int(word)


def path_word(request: Request, name: str, field: Field) -> str:
    """A part of the path, checked."""
    return cast(str, field.read(request.path_params[name], name))
