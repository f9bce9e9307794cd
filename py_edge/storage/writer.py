"""One thread that writes: whatever waits is committed together, and nobody is told before the commit.

A failing function is rolled back alone. A function may run twice, so it must do nothing but read and write rows.
Without threads (Pyodide) each write commits at once.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from py_edge.errors import StorageError
from py_edge.storage.sql import SqlTransaction

GROUP_LIMIT = 256


class Connection(Protocol):
    """What the writer needs of a body: begin, commit, and the names of its troubles."""

    def begin(self) -> SqlTransaction:
        """Open a transaction."""

    def savepoint(self, verb: str) -> None:
        """`SAVEPOINT`, `ROLLBACK TO` or `RELEASE`."""

    def commit(self) -> None:
        """Make it durable."""

    def roll_back(self) -> None:
        """Take everything back."""

    def after_commit(self, idle: bool) -> None:
        """Checkpoint, when it is time."""

    def is_disk_trouble(self, error: BaseException) -> bool:
        """Whether the error comes from below, so that nothing may be acknowledged."""

    def close(self) -> None:
        """Let go of the file."""


class _Item:
    def __init__(self, work: Callable[[Any], Any], loop: asyncio.AbstractEventLoop) -> None:
        self.work = work
        self.future: asyncio.Future[Any] = loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None


class GroupWriter:
    """Owns the one writing connection; `write` may be called from the loop it was started on."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        publish: Callable[[list[str]], None],
        trouble: Callable[[str], None],
        threaded: bool = True,
    ) -> None:
        self._publish, self._trouble = publish, trouble
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._broken = ""
        self._threaded = threaded
        self._connection = connect()
        self._thread: threading.Thread | None = None

    async def write(self, work: Callable[[Any], Any]) -> Any:
        """Run work in a transaction, return after its commit."""
        loop = asyncio.get_running_loop()
        item = _Item(work, loop)
        if not self._threaded:
            topics = self._run_group([item])
            self._settle([item], topics)
        else:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._loop, args=(loop,), name="py_edge-writer", daemon=True
                )
                self._thread.start()
            self._queue.put(item)
        return await item.future

    async def close(self) -> None:
        """Commit what waits, then close the connection."""
        if self._thread is not None:
            self._queue.put(None)
            while self._thread.is_alive():
                await asyncio.sleep(0.002)
        else:
            self._connection.close()

    def _loop(self, loop: asyncio.AbstractEventLoop) -> None:
        open_for_more = True
        while open_for_more:
            group, open_for_more = self._take_group()
            if group:
                topics = self._run_group(group)
                if not loop.is_closed():
                    loop.call_soon_threadsafe(self._settle, group, topics)
            if not self._broken:
                self._guard(partial(self._connection.after_commit, not group))
        self._connection.close()

    def _take_group(self) -> tuple[list[_Item], bool]:
        group: list[_Item] = []
        try:
            item = self._queue.get(timeout=2.0)
            while item is not None:
                group.append(item)
                if len(group) == GROUP_LIMIT:
                    return group, True
                item = self._queue.get_nowait()
            return group, False
        except queue.Empty:
            return group, True

    def _run_group(self, group: list[_Item]) -> list[str]:
        topics: list[str] = []
        if not self._broken:
            self._guard(lambda: self._commit_group(group, topics))
        if self._broken:
            for item in group:
                item.error = StorageError(self._broken, remedy="nothing was acknowledged; look at the disk")
        return topics if not self._broken else []

    def _commit_group(self, group: list[_Item], topics: list[str]) -> None:
        """All in one transaction; when one of them fails, all again, each behind its savepoint."""
        transaction = self._connection.begin()
        try:
            for item in group:
                item.result = item.work(transaction)
        except Exception as error:
            if self._connection.is_disk_trouble(error):
                raise
            self._connection.roll_back()
            self._commit_one_by_one(group, topics)
            return
        self._connection.commit()
        topics += transaction.topics

    def _commit_one_by_one(self, group: list[_Item], topics: list[str]) -> None:
        transaction = self._connection.begin()
        for item in group:
            transaction.topics = []
            self._connection.savepoint("SAVEPOINT")
            try:
                item.result = item.work(transaction)
            except Exception as error:
                if self._connection.is_disk_trouble(error):
                    raise
                item.error = error
                self._connection.savepoint("ROLLBACK TO")
            else:
                topics += transaction.topics
            self._connection.savepoint("RELEASE")
        self._connection.commit()

    def _guard(self, step: Callable[[], None]) -> None:
        """The first trouble from below ends all acknowledging in this process."""
        try:
            step()
        except Exception as error:
            self._broken = f"the database refused to write: {error}"
            try:
                self._connection.roll_back()
            except Exception as second:
                self._broken += f"; and to roll back: {second}"
            self._trouble(self._broken)

    def _settle(self, group: list[_Item], topics: list[str]) -> None:
        for item in group:
            if item.future.done():
                continue
            if item.error is not None:
                item.future.set_exception(item.error)
            else:
                item.future.set_result(item.result)
        self._publish(topics)
