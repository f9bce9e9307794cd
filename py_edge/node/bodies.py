"""Bodies besides JSON: msgpack both ways and safetensors inward, by content negotiation; each becomes the same JSON values.

Whatever the spelling, a record is believed only after the same checks. The libraries are loaded when first asked for,
so a node in the tab, which has neither, says 415.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from py_edge.errors import LimitError, ModelFormatError, UnsupportedError, ValueRangeError
from py_edge.fields import MAX_DEPTH, read_json
from py_edge.node.headers import headers_of

JSON, MSGPACK, SAFETENSORS = "application/json", "application/msgpack", "application/x-safetensors"
DTYPES = {"F32": "float32", "F64": "float64", "I32": "int32", "U8": "uint8", "I8": "int8", "BOOL": "bool"}


def read_msgpack(data: bytes) -> Any:
    """Parse msgpack; bytes become base64, as tensors stand in JSON. Raises ModelFormatError, LimitError."""
    try:
        import msgspec
    except ModuleNotFoundError as error:
        raise UnsupportedError("this node reads no msgpack", where="content-type", want=JSON) from error
    try:
        return _plain(msgspec.msgpack.decode(data), "")
    except RecursionError as error:
        raise LimitError("nested too deeply", where="body", want=f"at most {MAX_DEPTH} levels") from error
    except msgspec.DecodeError as error:
        raise ModelFormatError(f"this is not msgpack: {error}", where="body") from error


def read_safetensors(data: bytes) -> Any:
    """One tensor `input`, and the rest of the record as JSON under `record` in the file's metadata."""
    try:
        from safetensors import SafetensorError, deserialize
    except ModuleNotFoundError as error:
        raise UnsupportedError("this node reads no safetensors", where="content-type", want=JSON) from error
    try:
        tensors = dict(deserialize(data))  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise ModelFormatError(f"this is not safetensors: {error}", where="body") from error
    header = read_json(data[8 : 8 + int.from_bytes(data[:8], "little")], where="header")
    text = header.get("__metadata__", {}).get("record", "{}")
    record = read_json(text, where="/__metadata__/record")
    if set(tensors) != {"input"} or not isinstance(record, dict):
        raise ModelFormatError(
            "one tensor called input is wanted, and an object", where="header", got=", ".join(sorted(tensors))[:200]
        )  # fmt: skip
    tensor = tensors["input"]
    if tensor["dtype"] not in DTYPES:
        raise UnsupportedError(
            "no such dtype here", where="/input/dtype", got=tensor["dtype"], want=", ".join(DTYPES)
        )
    content = b64encode(bytes(tensor["data"])).decode()
    return {
        **record,
        "input": {"shape": list(tensor["shape"]), "dtype": DTYPES[tensor["dtype"]], "data": content},
    }


READERS = {JSON: read_json, MSGPACK: read_msgpack, SAFETENSORS: read_safetensors}


def _plain(value: Any, where: str, depth: int = 0) -> Any:
    """The value as JSON would hold it; refuses what JSON does not have."""
    if depth > MAX_DEPTH:
        raise LimitError("nested too deeply", where=where[:200], want=f"at most {MAX_DEPTH} levels")
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise ModelFormatError("a key is not a string", where=where)
        return {key: _plain(entry, f"{where}/{key}", depth + 1) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry, f"{where}/{place}", depth + 1) for place, entry in enumerate(value)]
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueRangeError("not a finite number", where=where)
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise ModelFormatError("JSON has no such thing", where=where, got=type(value).__name__)


class MsgpackReplies:
    """ASGI middleware: who accepts application/msgpack gets it in place of JSON, problems included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Leave everything alone but JSON that comes in one piece."""
        if scope["type"] != "http" or not _accepts_msgpack(scope):
            await self._app(scope, receive, send)
            return
        start: Message = {}  # held back while a JSON body is on its way

        async def translate(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and is_json(message):
                start = message
                return
            if not start:
                await send(message)
                return
            import msgspec

            body = msgspec.msgpack.encode(json.loads(message["body"]))
            headers = MutableHeaders(raw=list(start["headers"]))
            headers["content-type"], headers["content-length"] = MSGPACK, str(len(body))
            headers["vary"] = "accept"
            await send({**start, "headers": headers.raw})
            await send({**message, "body": body})

        await self._app(scope, receive, translate)


def _accepts_msgpack(scope: Scope) -> bool:
    return b"accept" in headers_of(scope) and any(
        MSGPACK.encode() in value for name, value in scope["headers"] if name == b"accept"
    )


def is_json(start: Message) -> bool:
    """Whether this response is one of `reply` or `problem`, which send their body in one piece."""
    return Headers(raw=start["headers"]).get("content-type", "") in (JSON, "application/problem+json")
