"""A small real Store in memory, standard library only: tests, the simulator, and the tab.

With a `journal` every commit is first handed to it as a list of changes and only then acknowledged; the simulator's is
a disk that can fail. After a failure nobody knows what it holds, so nothing is acknowledged until the next start. Rows
must not be changed by who gets them.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterable, Sequence
from hashlib import sha256 as _sha256
from typing import Any, Protocol

from py_edge.errors import NotFoundError, StorageError
from py_edge.storage.ports import A, Row, T, Transaction, Where
from py_edge.storage.tables import ALL, BY_NAME, COUNTERS, Table

Key = tuple[Any, ...]
Change = tuple[str, Key, Row | None]  # (table, key, new row or None when removed)

_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "in": lambda a, b: a in b,
}


class Journal(Protocol):
    """Where the changes of a commit are made durable."""

    async def commit(self, changes: list[Change]) -> None:
        """All of them or none; raises when they are not on disk."""


class _Rows:
    """The rows of one table with an index for the first column of each declared index, and for two of the key."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.rows: dict[Key, Row] = {}
        firsts = {index[0] for index in table.indexes} | set(table.key[:2])
        self.indexes: dict[str, dict[Any, dict[Key, None]]] = {column: {} for column in sorted(firsts)}

    def set(self, key: Key, row: Row | None) -> Row | None:
        before = self.rows.pop(key, None)
        for column, index in self.indexes.items():
            if before is not None:
                bucket = index[before[column]]
                del bucket[key]
                if not bucket:
                    del index[before[column]]
            if row is not None:
                index.setdefault(row[column], {})[key] = None
        if row is not None:
            self.rows[key] = row
        return before

    def find(self, where: tuple[Where, ...]) -> list[Row]:
        known = [
            self.indexes[column].get(value, {})
            for column, operator, value in where
            if operator == "=" and column in self.indexes
        ]
        pool: Iterable[Row] = [self.rows[key] for key in min(known, key=len)] if known else self.rows.values()
        tests = [(column, _TESTS[operator], value) for column, operator, value in where]
        return [row for row in pool if all(test(row[column], value) for column, test, value in tests)]


class MemoryTransaction:
    """The verbs over dictionaries, with the way back written down."""

    def __init__(self, tables: dict[str, _Rows]) -> None:
        self._tables = tables
        self.undo: list[Change] = []
        self.topics: list[str] = []

    def get(self, table: Table, *key: Any) -> Row | None:
        """See ports.Reading."""
        return self._tables[table.name].rows.get(key)

    def select(
        self, table: Table, *where: Where, order: tuple[str, ...] = (), limit: int | None = None
    ) -> list[Row]:
        """See ports.Reading."""
        found = self._tables[table.name].find(where)
        for column in reversed(order or table.key):
            name = column.lstrip("-")
            found.sort(key=lambda row: row[name], reverse=column.startswith("-"))
        return found if limit is None else found[:limit]

    def exists(self, table: Table, *where: Where) -> bool:
        """See ports.Reading."""
        return bool(self._tables[table.name].find(where))

    def count(self, table: Table, *where: Where) -> int:
        """See ports.Reading."""
        return len(self._tables[table.name].find(where))

    def tally(self, table: Table, column: str, *where: Where) -> dict[Any, int]:
        """See ports.Reading."""
        counts: dict[Any, int] = {}
        for row in self._tables[table.name].find(where):
            counts[row[column]] = counts.get(row[column], 0) + 1
        return counts

    def insert(self, table: Table, row: Row) -> bool:
        """See ports.Transaction."""
        key = tuple(row[column] for column in table.key)
        if key in self._tables[table.name].rows:
            return False
        self._set(table, key, table.checked(row))
        return True

    insert_new = insert

    def insert_all(self, table: Table, rows: Sequence[Row]) -> None:
        """See ports.Transaction."""
        for row in rows:
            self.insert(table, row)

    def put(self, table: Table, row: Row) -> None:
        """See ports.Transaction."""
        self._set(table, tuple(row[column] for column in table.key), table.checked(row))

    def update(self, table: Table, key: Key, **changes: Any) -> bool:
        """See ports.Transaction."""
        row = self.get(table, *key)
        if row is None:
            return False
        self._set(table, key, {**row, **changes})
        return True

    def delete(self, table: Table, *where: Where) -> int:
        """See ports.Transaction."""
        found = self._tables[table.name].find(where)
        for row in found:
            self._set(table, tuple(row[column] for column in table.key), None)
        return len(found)

    def next_number(self, name: str) -> int:
        """See ports.Transaction."""
        row = self.get(COUNTERS, name)
        value = (row["value"] if row else 0) + 1
        self.put(COUNTERS, {"name": name, "value": value})
        return int(value)

    def notify(self, topic: str) -> None:
        """See ports.Transaction."""
        self.topics.append(topic)

    def _set(self, table: Table, key: Key, row: Row | None) -> None:
        before = self._tables[table.name].set(key, row)
        self.undo.append((table.name, key, before))

    def changes(self) -> list[Change]:
        """What the transaction did, one entry per key."""
        keys = dict.fromkeys((name, key) for name, key, _ in self.undo)
        return [(name, key, self._tables[name].rows.get(key)) for name, key in keys]

    def roll_back(self) -> None:
        """Take everything back."""
        for name, key, before in reversed(self.undo):
            self._tables[name].set(key, before)


class MemoryBus:
    """An EventBus for one process."""

    def __init__(self) -> None:
        self._waiters: dict[str, dict[_Waiter, None]] = {}  # in order: replays must not depend on hashes

    def publish(self, topic: str) -> None:
        """See ports.EventBus."""
        for waiter in list(self._waiters.get(topic, ())):
            waiter.event.set()

    def listen(self, *topics: str) -> _Waiter:
        """See ports.EventBus."""
        return _Waiter(self, topics)

    def topics(self) -> list[str]:
        """What somebody waits for."""
        return list(self._waiters)

    def listeners(self, topic: str) -> int:
        """How many wait for a topic."""
        return len(self._waiters.get(topic, ()))


class _Waiter:
    def __init__(self, bus: MemoryBus, topics: tuple[str, ...]) -> None:
        self._bus, self._topics = bus, topics
        self.event = asyncio.Event()

    def __enter__(self) -> _Waiter:
        for topic in self._topics:
            self._bus._waiters.setdefault(topic, {})[self] = None
        return self

    def __exit__(self, *error: object) -> None:
        for topic in self._topics:
            waiters = self._bus._waiters[topic]
            waiters.pop(self, None)
            if not waiters:
                del self._bus._waiters[topic]

    async def wait(self, timeout_s: float) -> bool:
        """See ports.Waiter."""
        try:
            async with asyncio.timeout(timeout_s):  # wait_for of Python 3.11 can swallow a cancellation
                await self.event.wait()
        except TimeoutError:
            return False
        self.event.clear()
        return True


class MemoryStore:
    """A Store in memory; durable as far as its journal is."""

    def __init__(
        self, bus: MemoryBus | None = None, journal: Journal | None = None, saved: Iterable[Change] = ()
    ) -> None:
        self.bus = bus or MemoryBus()
        self.trouble = ""
        self._journal = journal
        self._tables = {table.name: _Rows(table) for table in ALL}
        self._turn = asyncio.Lock()
        for name, key, row in saved:
            self._tables[name].set(tuple(key), row)

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """See ports.Store."""
        if self._journal is None:
            return self.write_now(work)
        async with self._turn:
            if self.trouble:
                raise StorageError(self.trouble)
            transaction = MemoryTransaction(self._tables)
            try:
                result = work(transaction)
                changes = transaction.changes()
                cancelled = bool(changes) and await _to_the_end(self._journal.commit(changes))
            except BaseException as error:
                transaction.roll_back()
                if isinstance(error, OSError):
                    self.trouble = f"the store did not take it: {error}"
                    raise StorageError(self.trouble) from error
                raise
        self._publish(transaction.topics)
        if cancelled:
            raise asyncio.CancelledError
        return result

    async def write_together(self, work: Callable[[Transaction, list[A]], list[T]], about: A) -> T:
        """See ports.Store; here one at a time."""
        return (await self.write(lambda tx: work(tx, [about])))[0]

    def write_now(self, work: Callable[[Transaction], T]) -> T:
        """The same without a journal, without waiting."""
        transaction = MemoryTransaction(self._tables)
        try:
            result = work(transaction)
        except BaseException:
            transaction.roll_back()
            raise
        self._publish(transaction.topics)
        return result

    async def read(self, work: Callable[[MemoryTransaction], T]) -> T:
        """See ports.Store."""
        async with self._turn:
            return work(MemoryTransaction(self._tables))

    async def close(self) -> None:
        """Nothing to let go of."""

    def dump(self) -> list[Change]:
        """Everything, as changes that make it again."""
        return [(name, key, row) for name in BY_NAME for key, row in self._tables[name].rows.items()]

    def _publish(self, topics: list[str]) -> None:
        for topic in dict.fromkeys(topics):
            self.bus.publish(topic)


async def _to_the_end(commit: Coroutine[Any, Any, None]) -> bool:
    """Await a commit that must not be torn: who is cancelled meanwhile waits for its outcome; True if so."""
    task = asyncio.ensure_future(commit)
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            cancelled = True
    task.result()
    return cancelled


class MemoryBlobs:
    """A BlobStore in a dictionary."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}

    def put(self, data: bytes) -> str:
        """See ports.BlobStore."""
        name = _sha256(data).hexdigest()
        self._blobs[name] = bytes(data)
        return name

    def get(self, sha256: str) -> bytes:
        """See ports.BlobStore."""
        if sha256 not in self._blobs:
            raise NotFoundError("no such blob", where=sha256)
        return self._blobs[sha256]

    def has(self, sha256: str) -> bool:
        """See ports.BlobStore."""
        return sha256 in self._blobs

    def room_bytes(self) -> int:
        """See ports.BlobStore."""
        return sys.maxsize
