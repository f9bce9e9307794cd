"""OpenAPI 3.1, made from the routes, their docstrings and the rows of the records."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from py_edge import __version__
from py_edge.fields import integer, many, text
from py_edge.node.wire import reply
from py_edge.records import (
    DEVICE,
    DIGEST,
    MAX_SEQUENCE,
    NAME,
    Answer,
    Example,
    Question,
    Receipt,
    Record,
    Release,
    Vote,
)

RECORDS: tuple[type[Record], ...] = (Question, Answer, Receipt, Release, Example, Vote)
# Handlers whose body or reply is a record: name of the handler -> (body, reply).
BODIES: dict[str, tuple[str, str]] = {
    "put_question": ("Question", "Receipt"),
    "cancel_question": ("", "Receipt"),
    "put_example": ("Example", ""),
    "get_model": ("", "Release"),
    "get_version": ("", "Release"),
    "post_vote": ("Vote", ""),
}
# What stands in paths, by its name there.
PATH_PARTS: dict[str, Mapping[str, Any]] = {
    "device": DEVICE.schema,
    "sequence": integer(1, MAX_SEQUENCE).schema,
    "name": NAME.schema,
    "version": integer(1, 1 << 31).schema,
    "sha256": DIGEST.schema,
    "number": integer(1).schema,
}
_ASKER = {"device": DEVICE.schema, "node": NAME.schema, "after": integer(0, MAX_SEQUENCE).schema}
# What handlers take from the query string, and the objects that they take as a body without a record.
QUERIES: dict[str, Mapping[str, Mapping[str, Any]]] = {
    "poll_answers": {**_ASKER, "limit": integer(1, 1000).schema},
    "stream_answers": _ASKER,
    "next_task": {"annotator": text(longest=64).schema},
}
OBJECTS: dict[str, Mapping[str, Mapping[str, Any]]] = {
    "acknowledge": {
        "device": DEVICE.schema,
        "node": NAME.schema,
        "events": many(integer(1), most=1000).schema,
    },
    "cancel_question": {},
    "import_desk": {"tasks": {"type": "array", "items": {"type": "object"}}},
    "post_rollback": {"to_version": integer(1, 1 << 31).schema, "reason": {"type": "string"}},
    "post_undo": {"annotator": text(longest=64).schema},
}
PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "stable: E_FORMAT, E_CONFLICT, …"},
        "detail": {"type": "string"},
        "where": {"type": "string", "description": "JSON pointer or path"},
        "got": {},
        "want": {},
        "remedy": {"type": "string"},
    },
}


async def get_openapi(request: Request) -> Response:
    """This document."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    return reply(document(routes))


def document(routes: list[Route]) -> dict[str, Any]:
    """The whole description."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)
        for method in sorted((route.methods or set()) - {"HEAD"}):
            paths.setdefault(path, {})[method.lower()] = _operation(route, path)
    return {
        "openapi": "3.1.0",
        "info": {"title": "py_edge node", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": {kind.__name__: kind.schema() for kind in RECORDS} | {"Problem": PROBLEM},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"bearer": []}],
    }


def _operation(route: Route, path: str) -> dict[str, Any]:
    name = route.endpoint.__name__
    body, answer = BODIES.get(name, ("", ""))
    found: dict[str, Any] = {
        "operationId": name,
        "summary": (route.endpoint.__doc__ or "").strip().splitlines()[0],
        "parameters": [
            {"name": word, "in": "path", "required": True, "schema": PATH_PARTS.get(word, {"type": "string"})}
            for word in re.findall(r"\{(\w+)\}", path)
        ]
        + [{"name": word, "in": "query", "schema": schema} for word, schema in QUERIES.get(name, {}).items()],
        "responses": {
            "2XX": {"description": "done"},
            "default": _content("Problem", "application/problem+json"),
        },
    }
    if answer:
        found["responses"]["2XX"] = _content(answer)
    if name in OBJECTS:
        schema = {"type": "object", "properties": OBJECTS[name]}
        found["requestBody"] = {"required": False, "content": {"application/json": {"schema": schema}}}
    if body:
        found["requestBody"] = {"required": True, "content": _content(body)["content"]}
    return found


def _content(name: str, kind: str = "application/json") -> dict[str, Any]:
    return {"description": name, "content": {kind: {"schema": {"$ref": f"#/components/schemas/{name}"}}}}
