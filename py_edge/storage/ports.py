"""The ports: what chain, desk, retrain and node ask of storage, whatever its body is.

A `Store` runs one function per transaction: `await store.write(work)` returns after the commit is durable, or
raises and nothing happened. Inside, `Transaction` offers a handful of verbs over the declared tables.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from py_edge.storage.tables import Table

T = TypeVar("T")
A = TypeVar("A")
Row = Mapping[str, Any]
Where = tuple[str, str, Any]  # (column, one of = != < <= > >= in, value); for "in" the value is a tuple


class Reading(Protocol):
    """What a read may do; it sees one moment."""

    def get(self, table: Table, *key: Any) -> Row | None:
        """The row with this primary key."""

    def select(
        self, table: Table, *where: Where, order: tuple[str, ...] = (), limit: int | None = None
    ) -> list[Row]:
        """Rows for which every condition holds; `order` names columns, "-column" counts down."""

    def exists(self, table: Table, *where: Where) -> bool:
        """Whether there is such a row."""

    def count(self, table: Table, *where: Where) -> int:
        """How many rows."""

    def tally(self, table: Table, column: str, *where: Where) -> dict[Any, int]:
        """How many rows for each value of a column."""


class Transaction(Reading, Protocol):
    """What a write may do; all of it happens, or nothing."""

    def insert(self, table: Table, row: Row) -> bool:
        """Add a row with every column; False when its key is taken (and nothing changed)."""

    def insert_new(self, table: Table, row: Row) -> bool:
        """`insert` for a row whose key is most likely free.

        Cheaper, for a body may write many at once, later. When one of them was taken after all, everything is undone
        and the work runs again, alone; then this says False.
        """

    def insert_all(self, table: Table, rows: Sequence[Row]) -> None:
        """Add rows with every column; those whose key is taken are left as they are.

        Cheaper than `insert`, for nobody is told whether the key was free: a body may write many at once, later.
        """

    def put(self, table: Table, row: Row) -> None:
        """Add a row or replace the one with its key."""

    def update(self, table: Table, key: tuple[Any, ...], **changes: Any) -> bool:
        """Change columns of one row; False when there is none."""

    def delete(self, table: Table, *where: Where) -> int:
        """Remove rows; gives how many."""

    def next_number(self, name: str) -> int:
        """Count one up and give the new number, 1 first."""

    def notify(self, topic: str) -> None:
        """Wake the listeners of a topic once this is committed."""


class Store(Protocol):
    """Durable facts in tables."""

    @property
    def trouble(self) -> str:
        """Empty while all is well; else why nothing is acknowledged any more."""

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run work in one transaction; returns after the commit is on disk. Raises StorageError if it is not."""

    def write_together(self, work: Callable[[Transaction, list[A]], list[T]], about: A) -> Awaitable[T]:
        """`write` for what many want at the same time: called with all that came meanwhile, it gives as many results.

        When it raises, it runs again with each alone, and who is at fault hears of it.
        """

    async def read(self, work: Callable[[Reading], T]) -> T:
        """Run work on what is committed."""

    async def close(self) -> None:
        """Finish what is under way and let go of the file."""


class Waiter(Protocol):
    """One listener of some topics; a context manager."""

    def __enter__(self) -> Waiter: ...
    def __exit__(self, *error: object) -> None: ...

    async def wait(self, timeout_s: float) -> bool:
        """True when a topic was woken since the last wait; False after timeout_s."""


class EventBus(Protocol):
    """Wakes whoever waits for a topic; carries no data: the truth is in the store."""

    def publish(self, topic: str) -> None:
        """Wake the listeners of this topic."""

    def listen(self, *topics: str) -> Waiter:
        """Start to listen."""


class BlobStore(Protocol):
    """Bytes by their sha256."""

    def put(self, data: bytes) -> str:
        """Keep the bytes durably; gives their sha256."""

    def get(self, sha256: str) -> bytes:
        """The bytes, checked. Raises NotFoundError, IntegrityError."""

    def has(self, sha256: str) -> bool:
        """Whether they are here."""

    def room_bytes(self) -> int:
        """How much more may be kept."""


class JobQueue(Protocol):
    """Work to be done once, by whoever takes it first; a lease that ran out frees it."""

    async def put(self, kind: str, key: str, payload: str = "") -> bool:
        """Add a job; False when one with this key waits or runs already."""

    async def take(self, kind: str, lease_s: float) -> tuple[str, str] | None:
        """The oldest free job as (key, payload), or None."""

    async def done(self, kind: str, key: str) -> None:
        """It is finished."""
