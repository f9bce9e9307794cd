"""A node in the tab: the same Starlette app, called as ASGI by the node worker instead of by a server.

Runs in Pyodide (and in tests). A request is one `handle` call; each piece of the answer goes to `send` as it comes,
so that streams stay open. State is kept in memory: a page that is closed has its questions in its own outbox.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from py_edge.node.app import create_app
from py_edge.node.node import Parts
from py_edge.node.settings import Settings

HOST = "127.0.0.1"
Tell = Callable[..., Any]


class InPage:
    """`await start()`, then `await handle(...)` per request, any number at once; `await stop()` at the end."""

    def __init__(self, settings: Settings | None = None, parts: Parts | None = None) -> None:
        self.app = create_app(settings or Settings(name="tab", data="memory:"), parts or Parts())
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._ready: asyncio.Future[None] | None = None
        self._life: asyncio.Task[None] | None = None
        self._open: dict[int, asyncio.Event] = {}

    async def start(self) -> None:
        """Run the lifespan until the node is up. Raises what the start raised."""
        self._ready = asyncio.get_running_loop().create_future()
        self._life = asyncio.ensure_future(self._live())
        await self._inbox.put({"type": "lifespan.startup"})
        await self._ready

    async def stop(self) -> None:
        """Close the streams, then the node."""
        for closed in self._open.values():
            closed.set()
        await self._inbox.put({"type": "lifespan.shutdown"})
        if self._life is not None:
            await self._life

    async def _live(self) -> None:
        async def send(message: Any) -> None:
            assert self._ready is not None
            if message["type"] == "lifespan.startup.complete":
                self._ready.set_result(None)
            elif message["type"] == "lifespan.startup.failed":
                self._ready.set_exception(RuntimeError(message.get("message", "the node did not start")))

        await self.app({"type": "lifespan", "asgi": {"version": "3.0"}}, self._inbox.get, send)

    async def handle(
        self,
        number: int,
        method: str,
        path: str,
        query: str,
        headers: Sequence[Sequence[str]],
        body: Any,
        send: Tell,
    ) -> None:
        """One request. send(number, "head", status, headers), then ("body", bytes) any number of times, then ("end")."""
        closed = self._open[number] = asyncio.Event()
        given = bytes(body) if body is not None else b""
        first = [True]
        raw = [(name.lower().encode(), value.encode()) for name, value in headers]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [*raw, (b"host", HOST.encode())],
            "client": (HOST, 0),
            "server": (HOST, 80),
        }

        async def receive() -> dict[str, Any]:
            if first:
                first.clear()
                return {"type": "http.request", "body": given, "more_body": False}
            await closed.wait()
            return {"type": "http.disconnect"}

        async def answer(message: Any) -> None:
            if message["type"] == "http.response.start":
                told = [[name.decode(), value.decode()] for name, value in message.get("headers", [])]
                send(number, "head", message["status"], told)
            elif message.get("body"):
                send(number, "body", bytes(message["body"]), None)

        try:
            await self.app(scope, receive, answer)
        finally:
            self._open.pop(number, None)
            send(number, "end", None, None)

    def hang_up(self, number: int) -> None:
        """The page no longer listens to this answer."""
        if number in self._open:
            self._open[number].set()


async def start() -> InPage:
    """A started node without a model of its own: what the device is unsure of waits at the desk."""
    node = InPage()
    await node.start()
    return node
