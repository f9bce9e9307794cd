"""OpenAPI 3.1, made from the routes, their docstrings, the table of operations and the rows of the records."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from py_edge import __version__
from py_edge.node.bodies import JSON
from py_edge.node.operations import OPERATIONS, PATH_PARTS, RECORDS, Schema
from py_edge.node.wire import reply

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
_PROBLEM_REPLY = {
    "description": "Why not, as RFC 9457",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
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
    row = OPERATIONS[name]
    parts = re.findall(r"\{(\w+)\}", path)
    in_path = [{"name": n, "in": "path", "required": True, "schema": PATH_PARTS[n]} for n in parts]
    in_query = [{"name": n, "in": "query", "schema": kind.schema} for n, kind in row.query.items()]
    replies = {str(status): _reply(status, schema, row.media) for status, schema in row.replies.items()}
    found: dict[str, Any] = {
        "operationId": name,
        "summary": (route.endpoint.__doc__ or "").strip().splitlines()[0],
        "parameters": in_path + in_query,
        "responses": {**replies, "default": _PROBLEM_REPLY},
    }
    if row.body is not None:
        found["requestBody"] = {"required": True, "content": {JSON: {"schema": row.body}}}
    return found


def _reply(status: int, schema: Schema | None, media: tuple[str, ...]) -> dict[str, Any]:
    told = {"description": HTTPStatus(status).phrase}
    return told if schema is None else {**told, "content": {kind: {"schema": schema} for kind in media}}
