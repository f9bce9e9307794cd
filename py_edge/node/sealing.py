"""ASGI middleware: a request that bears a seal is let in only whole, and its JSON reply is sealed; others pass untouched."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from py_edge.chain import seal
from py_edge.errors import IntegrityError
from py_edge.node.bodies import is_json
from py_edge.node.headers import headers_of
from py_edge.node.wire import problem

NAME = seal.SEAL.encode()
API = "/v1/"  # what stands before it in the address is the business of a proxy


class Sealing:
    """Stands outside of all that judges a request, for a damaged token or path must not be judged."""

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self._app, self._limit_bytes = app, limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, pass on, seal."""
        borne = headers_of(scope).get(NAME, b"").decode("latin-1") if scope["type"] == "http" else ""
        if not borne:
            await self._app(scope, receive, send)
            return
        send = _sealed(send, borne)
        body, rest = await _read(receive, self._limit_bytes)
        if rest is None and not seal.is_whole(borne, seal_of(scope, body)):
            error = IntegrityError(
                "the request was damaged on its way", where=seal.SEAL, remedy="send it again"
            )
            await problem(error, 400, {"retry-after": "0"})(scope, receive, send)
            return
        messages = [{"type": "http.request", "body": body, "more_body": rest is not None}]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        await self._app(scope, replay, send)


def seal_of(scope: Scope, body: bytes) -> str:
    """The seal that this request should bear."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers_of(scope).items()}
    target = scope.get("raw_path", scope["path"].encode()).decode("latin-1")
    target = target[max(0, target.find(API)) :]
    query = scope["query_string"].decode("latin-1")
    return seal.seal_request(scope["method"], f"{target}?{query}" if query else target, headers, body)


async def _read(receive: Receive, limit_bytes: int) -> tuple[bytes, Message | None]:
    """The whole body; or its beginning and the last message, when it is too long and the app will say so."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] != "http.request" or not message.get("more_body"):
            return body, None
        if len(body) > limit_bytes:
            return body, message


def _sealed(send: Send, borne: str) -> Send:
    """Seals JSON, which comes in one piece; files have digests of their own, events are sealed one by one."""
    start: Message = {}

    async def seal_and_send(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start" and is_json(message):
            start = message
            return
        if start:
            headers = MutableHeaders(raw=list(start["headers"]))
            headers[seal.SEAL] = seal.seal_reply(borne, start["status"], message["body"])
            await send({**start, "headers": headers.raw})
            start = {}
        await send(message)

    return seal_and_send
