"""The PostgreSQL body: the same statements and migrations as SQLite, when one machine is outgrown.

Writers of all processes take turns by an advisory lock held to the commit, so that event numbers grow in the order
of commits and two nodes on one database see each other's rows; what a commit announces wakes the listeners of the
others by NOTIFY. Settings that make a commit durable are read back with every connection. A server that goes away
costs what was under way, which is refused and may be asked again; when it is back, so are we.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import psycopg
import sqlalchemy as sa
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from py_edge.errors import StorageError
from py_edge.storage.in_memory import MemoryBus
from py_edge.storage.migrate import migrate
from py_edge.storage.ports import A, Reading, T, Transaction
from py_edge.storage.sql import SqlTransaction, Statements
from py_edge.storage.writer import GroupWriter

SCHEME = "postgresql+psycopg://"
SETTINGS = ("fsync", "full_page_writes", "synchronous_commit")  # each must be on
TIMEOUTS = "-c statement_timeout=30000 -c idle_in_transaction_session_timeout=60000 -c synchronous_commit=on"
TURN = 0x70795F65646765  # the advisory lock of all writers: "py_edge"
CHANNEL = "py_edge"
RECONNECT_S = 0.2
# A line that nobody answers on is given up after these, and after a vain attempt the next one waits: what is asked
# meanwhile is refused at once.
LINE = {
    "connect_timeout": 2,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5_000,
}
REST_S = 1.0
NOTE_LIMIT = 7_000  # PostgreSQL takes notes below 8,000 bytes


class PostgresStore:
    """A Store in one PostgreSQL database."""

    def __init__(self, url: str, bus: MemoryBus | None = None) -> None:
        """Open `postgresql+psycopg://…` and bring it to our schema. Raises StorageError: unreachable, unsafe or newer."""
        self.bus = bus or MemoryBus()
        self.trouble = ""
        self._url = "postgresql://" + url.removeprefix(SCHEME)
        self._loop: asyncio.AbstractEventLoop | None = None
        with _Mapped(url):
            self._migrate(url)
            self._statements = Statements(PGDialect_psycopg(paramstyle="format"))  # type: ignore[no-untyped-call]
            self._reader = self._open()
            self._writer = GroupWriter(
                lambda: _PostgresConnection(self._open, self._statements), self._publish, self._stop, quick=False
            )  # fmt: skip
            self._ear = self._open_ear()
        self._read_thread = ThreadPoolExecutor(1, "py_edge-reader")
        self._ear_thread: threading.Thread | None = None
        self._closing = False

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """See ports.Store."""
        self._listen()
        return cast(T, await self._writer.write(work))

    def write_together(self, work: Callable[[Transaction, list[A]], list[T]], about: A) -> Awaitable[T]:
        """See ports.Store."""
        self._listen()
        return self._writer.write_together(work, about)

    async def read(self, work: Callable[[Reading], T]) -> T:
        """See ports.Store."""
        self._listen()

        def run() -> T:
            with _Mapped(""):
                try:
                    return self._read(work)
                except psycopg.OperationalError:
                    if not self._reader.closed:
                        raise
                self._reader = self._open()  # the server went away meanwhile; a read may run twice
                return self._read(work)

        return await asyncio.get_running_loop().run_in_executor(self._read_thread, run)

    async def close(self) -> None:
        """See ports.Store."""
        self._closing = True
        await asyncio.get_running_loop().run_in_executor(None, self._read_thread.shutdown)
        while self._ear_thread is not None and self._ear_thread.is_alive():
            await asyncio.sleep(0.01)
        self._ear.close()
        self._reader.close()
        await self._writer.close()

    def _read(self, work: Callable[[Reading], T]) -> T:
        with self._reader.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            try:
                return work(_PostgresTransaction(cursor, self._statements))
            finally:
                cursor.execute("COMMIT")

    def _open_ear(self) -> psycopg.Connection[Any]:
        ear = self._open()
        ear.execute(f"LISTEN {CHANNEL}")
        return ear

    def _open(self) -> psycopg.Connection[Any]:
        connection = psycopg.connect(make_conninfo(self._url, **LINE), autocommit=True, options=TIMEOUTS)
        for name in SETTINGS:
            row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
            if row is None or row[0] != "on":
                connection.close()
                raise StorageError(
                    f"PostgreSQL runs without {name}", where="database", got=row and row[0], want="on",
                    remedy="an acknowledged question could be lost: turn it on in postgresql.conf",
                )  # fmt: skip
        return connection

    def _migrate(self, url: str) -> None:
        engine = sa.create_engine(url, poolclass=sa.pool.NullPool, connect_args=LINE)
        with engine.connect() as turn, engine.connect() as connection:
            turn.execute(sa.text(f"SELECT pg_advisory_lock({TURN})"))
            migrate(connection)
        engine.dispose()

    def _publish(self, topics: list[str]) -> None:
        for topic in dict.fromkeys(topics):
            self.bus.publish(topic)

    def _stop(self, reason: str) -> None:
        self.trouble = reason

    def _listen(self) -> None:
        """From the first use on: hear what other processes committed."""
        if self._ear_thread is None:
            self._loop = asyncio.get_running_loop()
            self._ear_thread = threading.Thread(target=self._hear, name="py_edge-ear", daemon=True)
            self._ear_thread.start()

    def _hear(self) -> None:
        while not self._closing:
            try:
                if self._ear.closed:
                    self._ear = self._open_ear()
                    self._wake(self.bus.topics())  # nobody knows what was said meanwhile
                for note in self._ear.notifies(timeout=0.5, stop_after=1):
                    if note.pid != self._writer._connection.identity:  # type: ignore[attr-defined]
                        self._wake(json.loads(note.payload))
            except psycopg.OperationalError:
                self._ear.close()
                time.sleep(RECONNECT_S)
            except StorageError as error:
                self._stop(str(error))
                return

    def _wake(self, topics: list[str]) -> None:
        assert self._loop is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._publish, topics)


class _PostgresTransaction(SqlTransaction):
    """The same verbs; PostgreSQL keeps no NUL in a text, so the sign for an unknown character stands for it."""

    def __init__(self, cursor: Any, statements: Statements) -> None:
        super().__init__(_Clean(cursor), statements)


class _Clean:
    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self.fetchall, self.fetchone = cursor.fetchall, cursor.fetchone

    @property
    def rowcount(self) -> int:
        return int(self._cursor.rowcount)

    def execute(self, statement: str, values: Sequence[Any]) -> None:
        self._cursor.execute(statement, _clean(values))

    def executemany(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        self._cursor.executemany(statement, [_clean(row) for row in rows])


def _clean(values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(value.replace("\0", "\ufffd") if isinstance(value, str) else value for value in values)


class _PostgresConnection:
    """The one connection of this process that writes."""

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]], statements: Statements) -> None:
        self._connect, self._statements = connect, statements
        self._transaction: _PostgresTransaction | None = None
        self._rest_until_s = 0.0
        self._take(connect())

    def _take(self, connection: psycopg.Connection[Any]) -> None:
        self._connection, self._cursor = connection, connection.cursor()
        self.identity = connection.info.backend_pid

    def begin(self) -> SqlTransaction:
        if self._connection.closed:
            self._connect_again()
        elif self._connection.info.transaction_status != TransactionStatus.IDLE:
            self.roll_back()  # a group was given up
        self._cursor.execute("BEGIN")
        self._cursor.execute(f"SELECT pg_advisory_xact_lock({TURN})")
        self._topics: list[str] = []
        self._transaction = _PostgresTransaction(self._cursor, self._statements)
        return self._transaction

    def _connect_again(self) -> None:
        if time.monotonic() < self._rest_until_s:
            raise psycopg.OperationalError("it could not be reached just now")
        try:
            self._take(self._connect())
        except psycopg.OperationalError:
            self._rest_until_s = time.monotonic() + REST_S
            raise

    def savepoint(self, verb: str) -> None:
        if verb == "RELEASE" and self._transaction is not None:
            self._topics += self._transaction.topics
        self._cursor.execute(f"{verb} item")

    def commit(self) -> None:
        topics = self._topics + (self._transaction.topics if self._transaction else [])
        for note in _notes(list(dict.fromkeys(topics))):
            self._cursor.execute("SELECT pg_notify(%s, %s)", (CHANNEL, note))
        self._cursor.execute("COMMIT")

    def roll_back(self) -> None:
        self._cursor.execute("ROLLBACK")

    def checkpoint_is_due(self, idle: bool) -> bool:
        """Never: the server checkpoints by itself."""
        return False

    def checkpoint(self, idle: bool) -> None:
        """See checkpoint_is_due."""

    def is_disk_trouble(self, error: BaseException) -> bool:
        ours = (psycopg.ProgrammingError, psycopg.IntegrityError, psycopg.DataError)
        return isinstance(error, psycopg.Error) and not isinstance(error, ours)

    def is_lost(self, error: BaseException) -> bool:
        """The server recovers what it has confirmed; a commit that broke off was confirmed to nobody. Who waited too
        long for a turn has lost nothing else."""
        return isinstance(error, psycopg.errors.QueryCanceled) or (
            isinstance(error, psycopg.Error) and self._connection.closed
        )

    def close(self) -> None:
        self._connection.close()


def _notes(topics: list[str]) -> list[str]:
    """Topics as JSON lists, each short enough for a note."""
    notes, part = [], list[str]()
    for topic in topics:
        if len(json.dumps([*part, topic])) > NOTE_LIMIT:
            notes.append(json.dumps(part))
            part = []
        part.append(topic)
    return [*notes, json.dumps(part)] if part else notes


class _Mapped:
    """Turns what the driver says into one sentence with a remedy; never with the password of the URL."""

    def __init__(self, url: str) -> None:
        self._where = sa.make_url(url).render_as_string(hide_password=True) if url else "database"

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (psycopg.Error, sa.exc.DBAPIError)):
            cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
            raise StorageError(
                f"cannot use the database: {str(cause).strip()}", where=self._where,
                remedy="check that PostgreSQL runs there and that this role may use the database",
            ) from error  # fmt: skip
