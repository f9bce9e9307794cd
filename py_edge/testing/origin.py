"""A real server on a free loopback port, in a thread of the test: a folder, or any ASGI app, with faults in front."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from py_edge.testing.faults import App, Dropped, Faults

START_TIMEOUT_S = 20.0
CUT_S = 2.0


class Origin:
    """`with Origin(folder) as origin: page.goto(origin.url)`; `origin.faults` is the weather, `stop()` the power cut.

    app: a folder to serve statically, or an ASGI app. under: a path the app is mounted at, as `/a/b`. headers: added
    to every answer (a Content-Security-Policy, say). port: 0 for a free one; the same again for a restart.
    """

    def __init__(
        self, app: App | Path, *, under: str = "", headers: dict[str, str] | None = None, port: int = 0
    ) -> None:
        self.under = under.rstrip("/")
        self.folder = app if isinstance(app, Path) else None
        self.headers = headers or {}
        self.faults = Faults(_mount(_static(app) if isinstance(app, Path) else app, self.under, self.headers))
        self.port = port
        self._server: Any = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Base address with a slash at the end."""
        return f"http://127.0.0.1:{self.port}{self.under}/"

    def start(self) -> None:
        """Listen, and return when requests are answered."""
        import uvicorn

        listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self.faults, log_level="critical", lifespan="on", timeout_graceful_shutdown=1, access_log=False
        )
        logging.getLogger("uvicorn.error").addFilter(_not_on_purpose)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=_run, args=(self._server, listener), daemon=True)
        self._thread.start()
        end = time.monotonic() + START_TIMEOUT_S
        while not self._server.started:
            if time.monotonic() > end or not self._thread.is_alive():
                raise RuntimeError("the test origin did not start")
            time.sleep(0.01)

    def stop(self) -> None:
        """Cut the power; open connections are closed."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._server.force_exit = True
            self._thread.join(START_TIMEOUT_S)
            self._server = self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _run(server: Any, listener: socket.socket) -> None:
    """Serve until told to stop, then abort what the server left open: a forced exit does not wait for it."""
    with asyncio.Runner() as runner:
        runner.run(server.serve(sockets=[listener]))
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        runner.run(_ended(server.server_state.tasks))


async def _ended(requests: set[asyncio.Task[None]]) -> None:
    """Requests that a cut has caught see it and end by themselves: cancelled while it is opened, a file stays open."""
    await asyncio.sleep(0)
    if requests:
        await asyncio.wait(requests, timeout=CUT_S)


def _not_on_purpose(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], Dropped))


def _static(folder: Path) -> App:
    from starlette.applications import Starlette
    from starlette.routing import Mount

    from py_edge.bundle.static import PackedFiles

    return Starlette(routes=[Mount("/", PackedFiles(directory=folder, html=True))])


def _mount(app: App, under: str, headers: dict[str, str]) -> App:
    extra = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def mounted(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and under:
            if not scope["path"].startswith(under):
                await send({"type": "http.response.start", "status": 404, "headers": []})
                await send({"type": "http.response.body", "body": b""})
                return
            scope = {**scope, "path": scope["path"][len(under) :] or "/", "root_path": ""}

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), *extra]}
            await send(message)

        await app(scope, receive, with_headers)

    return mounted
