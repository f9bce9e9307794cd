"""Run a node under uvicorn (httptools, and uvloop where it exists), from the first check of the port to a clean stop.

Anything wrong is one sentence with a remedy and an exit code: 2 settings or environment, 3 the disk gave up.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn
from starlette.applications import Starlette

from py_edge.errors import EnvironmentProblem, PyEdgeError
from py_edge.node.app import create_app
from py_edge.node.logs import log_as_json
from py_edge.node.node import Node, Parts
from py_edge.node.settings import Settings
from py_edge.node.watchdog import WatchedProtocol

GRACE_S = 5
EXIT_SETTINGS, EXIT_DISK = 2, 3


def serve(
    settings: Settings, parts: Parts | None = None, on_ready: Callable[[str], None] | None = None
) -> int:
    """Serve until SIGTERM or ctrl-C; gives the exit code. on_ready gets the URL once the node answers."""
    try:
        listener = bind(settings.host, settings.port)
    except PyEdgeError as error:
        print(f"py-edge: {error}", file=sys.stderr)
        return EXIT_SETTINGS
    if settings.log == "json":
        log_as_json(settings.name)
    app = create_app(settings, parts)
    server = make_server(app)
    with contextlib.closing(listener):
        try:
            with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
                runner.run(run(server, app, listener, on_ready))
        except PyEdgeError as error:
            print(f"py-edge: {error}", file=sys.stderr)
            return EXIT_SETTINGS
    node: Node = app.state.node
    trouble = getattr(getattr(node, "store", None), "trouble", "")
    if trouble:
        print(f"py-edge: stopped, because {trouble}; nothing after that was acknowledged", file=sys.stderr)
        return EXIT_DISK
    return 0


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises EnvironmentProblem with the remedy."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio turns off Nagle's 40 ms only for sockets that say so.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        remedies = {
            errno.EADDRINUSE: "another program (perhaps another node) listens there: stop it or choose another --port",
            errno.EACCES: "ports below 1024 need rights: choose another --port",
            errno.EADDRNOTAVAIL: "this machine does not have that address: choose another --host",
        }
        raise EnvironmentProblem(
            f"cannot listen on {host}:{port}: {error.strerror}", where="port",
            remedy=remedies.get(error.errno or 0, "choose another --host or --port"),
        ) from error  # fmt: skip
    listener.setblocking(False)
    return listener


def make_server(app: Starlette) -> Server:
    """The server with our limits: no websockets, no server header, short grace."""
    config = uvicorn.Config(
        app, log_config=_log_config(app), http=WatchedProtocol, ws="none", log_level="warning", access_log=False, server_header=False, date_header=True,
        lifespan="off", timeout_keep_alive=5, timeout_graceful_shutdown=GRACE_S,
        proxy_headers=False, backlog=2048,
    )  # fmt: skip
    return Server(config, app)


def _collect_seldom() -> None:
    """Let the garbage collector leave the program itself alone, and look after thousands of objects, not after 700:
    a few dozen questions in flight hold more than that, and were gone through again and again.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _log_config(app: Starlette) -> dict[str, Any] | None:
    """uvicorn's own, unless we write its lines as JSON."""
    return None if app.state.node.settings.log == "json" else uvicorn.config.LOGGING_CONFIG


class Server(uvicorn.Server):
    """uvicorn that ends open streams when it stops, and stops when the disk is in trouble."""

    def __init__(self, config: uvicorn.Config, app: Starlette) -> None:
        super().__init__(config)
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM and ctrl-C are how a node is stopped: no reason to die of them. The second ctrl-C hurries."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the streams first, or they would hold us until the grace is over."""
        self._app.state.node.end_streams()
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: is all well?"""
        store = getattr(self._app.state.node, "store", None)
        if store is not None and store.trouble:
            self.should_exit = True
        return await super().on_tick(counter)


async def run(
    server: Server, app: Starlette, listener: socket.socket, on_ready: Callable[[str], None] | None = None
) -> None:
    """Start the node, serve on a bound socket until told to stop, stop the node. Raises what its start raised."""
    node: Node = app.state.node
    await node.start()
    _collect_seldom()
    try:
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started and not task.done():
            await asyncio.sleep(0.01)
        if server.started and on_ready is not None:
            host, port = listener.getsockname()[:2]
            on_ready(f"http://{host}:{port}")
        await task
    finally:
        await node.stop()
