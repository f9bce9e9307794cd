"""Real nodes on loopback: uvicorn in a thread, SQLite on disk, HTTP between them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from py_edge.node.app import create_app
from py_edge.node.node import Node, Parts
from py_edge.node.serve import bind, make_server, run
from py_edge.node.settings import Settings


class LiveNode:
    """A node that listens, and a client for it."""

    def __init__(self, settings: Settings, parts: Parts | None = None) -> None:
        self.settings = settings
        self.app: Starlette = create_app(settings, parts)
        self.listener = bind("127.0.0.1", settings.port)
        self.port: int = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.server = make_server(self.app)
        self.failed: BaseException | None = None
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(20), "the node did not start"
        if self.failed:
            raise self.failed
        self.http = httpx.Client(base_url=self.url, timeout=10, trust_env=False)

    def _run(self, started: threading.Event) -> None:
        try:
            with asyncio.Runner(loop_factory=self.server.config.get_loop_factory()) as runner:
                runner.run(run(self.server, self.app, self.listener, lambda url: started.set()))
        except BaseException as error:
            self.failed = error
        finally:
            started.set()

    @property
    def node(self) -> Node:
        """The node inside."""
        found: Node = self.app.state.node
        return found

    def stop(self) -> None:
        """Stop cleanly."""
        self.http.close()
        self.server.should_exit = True
        self._thread.join(15)
        assert not self._thread.is_alive(), "the node did not stop"
        self.listener.close()


Start = Callable[..., LiveNode]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start nodes by name; all are stopped at the end."""
    running: list[LiveNode] = []

    def start_node(
        name: str, parent: LiveNode | str | None = None, parts: Parts | None = None, **settings: Any
    ) -> LiveNode:
        given: dict[str, Any] = {"name": name, "level": 1, "data": str(tmp_path / name), "port": 0} | settings
        if parent is not None:
            given["parent"] = parent if isinstance(parent, str) else parent.url
        node = LiveNode(Settings(**given), parts)
        running.append(node)
        return node

    yield start_node
    for node in reversed(running):
        if node.server.started and not node.server.should_exit:
            node.stop()
