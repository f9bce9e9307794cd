"""Group commit: whatever waits runs in one transaction, and nobody is told before its commit is on disk.

A failing function is rolled back alone. A function may run twice, so it must do nothing but read and write rows.
Where statements are quick (a local file) they run on the event loop and only commits and checkpoints, which wait for
the disk, on a thread: each statement that gives up the interpreter lock costs more than it gains. Where a statement
waits for a network, the thread runs them too. Without threads (Pyodide) all runs in the loop.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Any, Protocol

from py_edge.errors import StorageError
from py_edge.storage.sql import SqlTransaction

GROUP_LEAST, GROUP_LIMIT = 32, 256
IDLE_S = 2.0


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

    def checkpoint_is_due(self, idle: bool) -> bool:
        """Whether it is time to checkpoint; asked after every commit, so it must be quick. idle: nothing waits."""

    def checkpoint(self, idle: bool) -> None:
        """Move what is committed to its place."""

    def is_disk_trouble(self, error: BaseException) -> bool:
        """Whether the error comes from below, so that nothing may be acknowledged."""

    def is_lost(self, error: BaseException) -> bool:
        """Whether only the line to a server broke, or its patience: this group is refused, the next `begin` starts afresh."""

    def close(self) -> None:
        """Let go of the file."""


Work = Callable[[Any, list[Any]], list[Any]]


class _Item:
    def __init__(self, work: Work, about: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.work, self.about = work, about
        self.future: asyncio.Future[Any] = loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None


@dataclass
class _Group:
    """Writes for one commit; or none, and a checkpoint instead."""

    items: list[_Item]
    idle: bool = False  # of a checkpoint: nothing else waits
    topics: list[str] = field(default_factory=list)
    failed: str = ""  # why nothing of it may be acknowledged


class GroupWriter:
    """Owns the one writing connection; `write` may be called from the loop it was started on."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        publish: Callable[[list[str]], None],
        trouble: Callable[[str], None],
        threaded: bool = True,
        quick: bool = True,
    ) -> None:
        """quick: statements do not wait, so they may run on the event loop."""
        self._publish, self._trouble = publish, trouble
        self._waiting: deque[_Item] = deque()
        self._busy = False  # a group is under way: the connection is taken
        self._broken = ""
        self._threaded, self._quick = threaded, quick or not threaded
        self._connection = connect()
        self._handed: queue.SimpleQueue[_Group | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._rest: asyncio.TimerHandle | None = None
        self._ended_s = 0.0

    async def write(self, work: Callable[[Any], Any]) -> Any:
        """Run work in a transaction, return after its commit."""
        return await self.write_together(lambda transaction, _: [work(transaction)], None)

    def write_together(self, work: Work, about: Any) -> asyncio.Future[Any]:
        """Run work with what it is about, for all at once who want the same work now; done after its commit."""
        loop = asyncio.get_running_loop()
        item = _Item(work, about, loop)
        self._waiting.append(item)
        if not self._busy:
            self._busy = True
            loop.call_soon(self._start_group, loop)
        return item.future

    def refuse(self, reason: str) -> None:
        """From now on nothing is acknowledged; any thread may say so."""
        self._broken = self._broken or reason

    async def close(self) -> None:
        """Commit what waits, then close the connection."""
        while self._busy:
            await asyncio.sleep(0.002)
        if self._rest is not None:
            self._rest.cancel()
        self._handed.put(None)
        while self._thread is not None and self._thread.is_alive():
            await asyncio.sleep(0.002)
        self._connection.close()

    def _start_group(self, loop: asyncio.AbstractEventLoop) -> None:
        """On the loop: take half of what waits, so that these are answered while the others are committed.

        The connection is this group's until `_end_group`.
        """
        size = min(len(self._waiting), GROUP_LIMIT, max(GROUP_LEAST, len(self._waiting) // 2))
        group = _Group([self._waiting.popleft() for _ in range(size)])
        if self._quick:
            self._guard(group, partial(self._run_items, group))
        self._hand_over(group, loop)

    def _hand_over(self, group: _Group, loop: asyncio.AbstractEventLoop) -> None:
        """Commit or checkpoint: on the thread if there is one."""
        if not self._threaded:
            self._carry_out(group)
            self._end_group(group, loop)
            return
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._carry_out_for_ever, args=(loop,), name="py_edge-writer", daemon=True
            )
            self._thread.start()
        self._handed.put(group)

    def _carry_out_for_ever(self, loop: asyncio.AbstractEventLoop) -> None:
        """As few steps as can be: each takes the interpreter lock from the loop."""
        while (group := self._handed.get()) is not None:
            if not self._quick:
                self._guard(group, partial(self._run_items, group))
            self._carry_out(group)
            if loop.is_closed():
                return
            loop.call_soon_threadsafe(self._end_group, group, loop)

    def _end_group(self, group: _Group, loop: asyncio.AbstractEventLoop) -> None:
        """On the loop: tell everyone, then begin what is next."""
        self._settle(group)
        self._ended_s = loop.time()
        if group.items and not self._broken and self._connection.checkpoint_is_due(idle=False):
            self._hand_over(_Group([]), loop)
        elif self._waiting:
            self._start_group(loop)
        else:
            self._busy = False
            if self._rest is None:
                self._rest = loop.call_later(IDLE_S, self._look_idle, loop)

    def _look_idle(self, loop: asyncio.AbstractEventLoop) -> None:
        """Nothing was written for a while: time for the checkpoint that waits for every reader."""
        self._rest = None
        if self._busy:
            return
        quiet_s = loop.time() - self._ended_s
        if quiet_s < IDLE_S:
            self._rest = loop.call_later(IDLE_S - quiet_s, self._look_idle, loop)
        elif not self._broken and self._connection.checkpoint_is_due(idle=True):
            self._busy = True
            self._hand_over(_Group([], idle=True), loop)

    def _run_items(self, group: _Group) -> None:
        """All in one transaction; when one of them fails, all again, each behind its savepoint."""
        if not group.items:
            return
        transaction = self._connection.begin()
        try:
            for work, same in groupby(group.items, attrgetter("work")):
                items = list(same)
                results = work(transaction, [item.about for item in items])
                for item, result in zip(items, results, strict=True):
                    item.result = result
            transaction.write_held()
        except Exception as error:
            if self._connection.is_disk_trouble(error):
                raise
            self._connection.roll_back()
            self._run_one_by_one(group)
            return
        group.topics = transaction.topics

    def _run_one_by_one(self, group: _Group) -> None:
        transaction = self._connection.begin()
        transaction.alone = True
        for item in group.items:
            transaction.forget()
            self._connection.savepoint("SAVEPOINT")
            try:
                [item.result] = item.work(transaction, [item.about])
                transaction.write_held()
            except Exception as error:
                if self._connection.is_disk_trouble(error):
                    raise
                item.error = error
                self._connection.savepoint("ROLLBACK TO")
            else:
                group.topics += transaction.topics
            self._connection.savepoint("RELEASE")

    def _carry_out(self, group: _Group) -> None:
        commit = self._connection.commit
        self._guard(group, commit if group.items else partial(self._connection.checkpoint, group.idle))
        if group.failed:
            group.topics = []
            for item in group.items:
                item.error = StorageError(
                    group.failed, remedy="nothing was acknowledged; look at the database"
                )

    def _guard(self, group: _Group, step: Callable[[], None]) -> None:
        """A lost line costs this group; any other trouble from below ends all acknowledging in this process."""
        group.failed = group.failed or self._broken
        if group.failed:
            return
        try:
            step()
        except Exception as error:
            group.failed = f"the database refused to write: {error}"
            if self._connection.is_lost(error):
                return
            self._broken = group.failed
            try:
                self._connection.roll_back()
            except Exception as second:
                self._broken += f"; and to roll back: {second}"
            self._trouble(self._broken)

    def _settle(self, group: _Group) -> None:
        for item in group.items:
            if item.future.done():
                continue
            if item.error is not None:
                item.future.set_exception(item.error)
            else:
                item.future.set_result(item.result)
        self._publish(group.topics)
