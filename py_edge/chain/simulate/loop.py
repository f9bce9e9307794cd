"""An event loop whose time jumps to the next thing to do, so that an hour of waiting costs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
LONGEST_S = 30_000.0


class VirtualLoop(asyncio.BaseEventLoop):
    """Single threaded, no I/O: what runs next depends on nothing but the program and its seeds.

    It needs no socket and may run inside of another loop's callback, so it works in Pyodide too.
    """

    def __init__(self) -> None:
        super().__init__()
        self.virtual_s = 0.0
        self._selector = _Jump(self)

    def time(self) -> float:
        """Virtual seconds."""
        return self.virtual_s

    def run_until_complete(self, future: Any) -> Any:
        """Run to the end of this future, with whatever loop called us set aside meanwhile."""
        outer = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        try:
            return super().run_until_complete(future)
        finally:
            asyncio._set_running_loop(outer)

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """There is no sleep to wake from."""


class _Jump:
    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        """Nothing ever becomes readable; instead of waiting, the time is moved on."""
        if timeout is None:
            raise RuntimeError("every task waits for something that nobody will do")
        self._loop.virtual_s += max(0.0, timeout)
        if self._loop.virtual_s > LONGEST_S:
            raise RuntimeError("the world goes on and on, but its history does not end")
        return []


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a new virtual world; gives what it returns."""
    loop = VirtualLoop()
    try:
        value: T = loop.run_until_complete(main)
        return value
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
