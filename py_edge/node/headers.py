"""The headers of a request, put in order once, for they are looked at five times on the way of every question."""

from __future__ import annotations

from itertools import chain
from typing import cast

from starlette.types import Scope

from py_edge.errors import LimitError, ModelFormatError, PyEdgeError

HEADERS_LIMIT_BYTES, HEADERS_LIMIT = 16_384, 100
_KEY = "py_edge.headers"


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """Values by lower-case name; the first of each name counts, as in Starlette's Headers."""
    if _KEY not in scope:
        scope[_KEY] = dict(reversed(scope["headers"]))
    return cast(dict[bytes, bytes], scope[_KEY])


def crooked_headers(scope: Scope) -> PyEdgeError | None:
    """What the parser lets pass and we do not: too many, too long, no host, or two lengths for one body."""
    listed: list[tuple[bytes, bytes]] = scope["headers"]
    size = len(scope["raw_path"]) + len(scope["query_string"]) + sum(map(len, chain.from_iterable(listed)))
    if len(listed) > HEADERS_LIMIT or size > HEADERS_LIMIT_BYTES:
        want = f"at most {HEADERS_LIMIT} fields and {HEADERS_LIMIT_BYTES} bytes"
        return LimitError("too many headers", where="headers", want=want)
    version = scope["http_version"]
    if version not in ("1.0", "1.1"):
        return ModelFormatError("no such version of HTTP here", where="/", got=version, want="1.1")
    hosts = [name for name, _ in listed].count(b"host")
    if hosts != 1 and version == "1.1":
        return ModelFormatError("one Host is wanted", where="host", got=hosts)
    if headers_of(scope).keys() >= {b"transfer-encoding", b"content-length"}:
        return ModelFormatError("two lengths for one body", where="content-length")
    return None
