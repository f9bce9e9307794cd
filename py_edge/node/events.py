"""Server-sent events as one ASGI response: what a generator gives, a heartbeat, and an end when the client is gone.

Thousands are open at once and idle, so a stream is two tasks and one timer. To a node that asked for it, each event
bears its seal as a comment, which nobody else has to read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from py_edge.chain.seal import SEAL, seal_event
from py_edge.node.wire import NO_STORE, header

HEARTBEAT_S = 15.0
PING = b": ping\r\n\r\n"
Event = Mapping[str, str]  # event, id, data: one line each
Events = AsyncGenerator[Event, None]


class EventStream(Response):
    """Sends the events of a generator, which ends itself when the node closes and is closed when the client leaves."""

    def __init__(self, request: Request, events: Events) -> None:
        super().__init__(None, 200, {**NO_STORE, "x-accel-buffering": "no"}, "text/event-stream")
        del self.headers["content-length"]
        self._events, self._borne = events, header(request, SEAL.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Until the generator ends or the client is gone."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        try:
            async with asyncio.timeout(None) as life:
                listening = asyncio.create_task(_listen(receive, send, life))
                try:
                    if scope["method"] != "HEAD":
                        await self._send(send)
                finally:
                    listening.cancel()
                await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            if not life.expired():
                raise
        finally:
            await self._events.aclose()

    async def _send(self, send: Send) -> None:
        async for event in self._events:
            lines = {"": self._seal(event), **event} if self._borne else event
            body = "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
            await send({"type": "http.response.body", "body": body.encode(), "more_body": True})

    def _seal(self, event: Event) -> str:
        return seal_event(self._borne, event["event"], event["id"], event["data"])


async def _listen(receive: Receive, send: Send, life: asyncio.Timeout) -> None:
    """Send a heartbeat as long as the client is there, then end the life of the stream."""
    while True:
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                message = await receive()
        except TimeoutError:
            await send({"type": "http.response.body", "body": PING, "more_body": True})
            continue
        if message["type"] == "http.disconnect":
            life.reschedule(asyncio.get_running_loop().time())
            return
