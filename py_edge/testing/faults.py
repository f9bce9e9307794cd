"""Bad weather between page and server, as ASGI middleware: slow, thin, dropped, truncated, altered, replaced, endless …"""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Literal

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

Kind = Literal[
    "latency", "bandwidth", "drop", "refuse", "truncate", "alter", "html", "redirect", "endless", "pack"
]
CHUNK = 16 * 1024
ENDLESS_BYTES = 64 << 20
HTML = b"<!doctype html><title>Sign in</title><p>Please sign in."


class Dropped(Exception):
    """The connection was cut on purpose; the server logs nothing and closes."""


@dataclass
class Fault:
    """One kind of bad weather for requests whose path matches `path` (a regular expression, searched).

    kind: latency (wait `amount` seconds), bandwidth (`amount` bytes per second), drop (cut before the body), refuse
    (status `amount`, 503 if 0), truncate (cut after half the body), alter (one byte differs), html (a sign-in page
    with status 200), redirect (302 to the address `to`), endless (a body of spaces without a length that goes on for
    `amount` bytes, 64 MiB if 0), pack (gzip within the gzip that the header tells). times: how many requests it hits;
    -1 is all.
    """

    kind: Kind
    path: str = ""
    amount: float = 0
    times: int = -1
    to: str = ""


@dataclass
class Faults:
    """The middleware: `Faults(app)`; put faults into `active` and take them out while the server runs.

    `log` holds (method, path) of every request in order of arrival, which no browser can hide or fake.
    """

    app: App
    active: list[Fault] = field(default_factory=list)
    log: list[tuple[str, str]] = field(default_factory=list)

    def clear(self) -> None:
        """Fair weather again."""
        self.active.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        self.log.append((scope["method"], scope["path"]))
        hit = [fault for fault in self.active if fault.times and re.search(fault.path, scope["path"])]
        for fault in hit:
            fault.times -= fault.times > 0
            if fault.kind == "latency":
                await asyncio.sleep(fault.amount)
            elif fault.kind == "drop":
                # A server answers an exception before the first byte with 500; cut after the head instead.
                head = [(b"content-length", b"4096"), (b"content-type", b"application/octet-stream")]
                await send({"type": "http.response.start", "status": 200, "headers": head})
                await send({"type": "http.response.body", "body": b"", "more_body": True})
                raise Dropped
            elif fault.kind == "refuse":
                await _answer(send, int(fault.amount) or 503, b"{}", b"application/problem+json")
                return
            elif fault.kind == "html":
                await _answer(send, 200, HTML, b"text/html; charset=utf-8")
                return
            elif fault.kind == "redirect":
                await _answer(send, 302, b"", b"text/plain", (b"location", fault.to.encode()))
                return
            elif fault.kind == "endless":
                await _go_on(send, int(fault.amount) or ENDLESS_BYTES)
                return
        if any(fault.kind in ("alter", "truncate", "pack") for fault in hit):
            # The page must find the damage, not the browser's decoder.
            plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
            scope = {**scope, "headers": plain}
        if any(fault.kind == "pack" for fault in hit):
            await _pack(self.app, scope, receive, send)
            return
        await self.app(scope, receive, _worsen(send, hit))


def _worsen(send: Send, faults: list[Fault]) -> Send:
    kinds = {fault.kind: fault for fault in faults}
    sent = 0

    async def worse(message: Message) -> None:
        nonlocal sent
        if message["type"] != "http.response.body":
            await send(message)
            return
        body = bytes(message.get("body", b""))
        if "alter" in kinds and body and not sent:
            body = bytes([body[0] ^ 1]) + body[1:]
        if "truncate" in kinds and body:
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            raise Dropped
        if thin := kinds.get("bandwidth"):
            for at in range(0, len(body), CHUNK):
                part = body[at : at + CHUNK]
                await asyncio.sleep(len(part) / thin.amount)
                await send({"type": "http.response.body", "body": part, "more_body": True})
            body = b""
        sent += len(body)
        await send({**message, "body": body})

    return worse


async def _answer(
    send: Send, status: int, body: bytes, content_type: bytes, *more: tuple[bytes, bytes]
) -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _go_on(send: Send, most: int) -> None:
    headers = [(b"content-type", b"application/octet-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for _ in range(0, most, CHUNK):
        await send({"type": "http.response.body", "body": b" " * CHUNK, "more_body": True})
    raise Dropped


async def _pack(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    body = bytearray()

    async def collect(message: Message) -> None:
        body.extend(message.get("body", b""))

    await app(scope, receive, collect)
    twice = gzip.compress(gzip.compress(bytes(body)))
    await _answer(send, 200, twice, b"application/octet-stream", (b"content-encoding", b"gzip"))
