"""The SQLite body: WAL, synchronous=FULL, one writing and checkpointing connection, settings read back.

Why each setting: auto-checkpoint hides I/O errors, NORMAL may lose an acknowledged commit, mmap amplifies
corruption, and two checkpointing connections of one file can reset a WAL that is in use (SQLite < 3.51.3). A WAL
that begins anew is cut to nothing, so the size of its file tells when the next checkpoint is due.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from py_edge.errors import StorageError
from py_edge.storage.durable import make_folder
from py_edge.storage.in_memory import MemoryBus
from py_edge.storage.migrate import migrate
from py_edge.storage.ports import A, Reading, T, Transaction
from py_edge.storage.sql import METADATA, SqlTransaction, Statements
from py_edge.storage.wal import check_log
from py_edge.storage.writer import GroupWriter

# name, what is set, what must be read back
SETTINGS: tuple[tuple[str, str, Any], ...] = (
    ("busy_timeout", "5000", 5000),
    ("journal_mode", "wal", "wal"),
    ("synchronous", "2", 2),
    ("wal_autocheckpoint", "0", 0),
    ("journal_size_limit", "0", 0),
    ("foreign_keys", "1", 1),
    ("trusted_schema", "0", 0),
    ("cell_size_check", "1", 1),
    ("secure_delete", "1", 1),
    ("mmap_size", "0", 0),
    ("fullfsync", "1" if sys.platform == "darwin" else "0", 1 if sys.platform == "darwin" else 0),
)
PASSIVE_ABOVE_BYTES = 4 << 20
TRUNCATE_ABOVE_BYTES = 32 << 20
CHECK_END_S = 2.0
LOOK_THROUGH_BELOW_BYTES = 256 << 20


class SqliteStore:
    """A Store in one SQLite file."""

    def __init__(self, path: Path, bus: MemoryBus | None = None, threaded: bool = True) -> None:
        """Open or make the file. Raises StorageError: locked by another node, unwritable, or a newer schema."""
        self.bus = bus or MemoryBus()
        self.trouble = ""
        self.path = path
        self._lock = _lock_file(path)
        try:
            with _Mapped(path):
                check_log(path)
                self._engine = _make_engine(path)
                with self._engine.connect() as connection:
                    migrate(connection)
                self._statements = Statements(SQLiteDialect_pysqlite(paramstyle="qmark"))
                self._reader = _open(path)
                self._reader.execute("PRAGMA query_only=1")
                self._writer = GroupWriter(
                    lambda: _SqliteConnection(path, self._statements), self._publish, self._stop, threaded
                )
                self._check = _Check(path)
                if threaded and self._check.takes_long:
                    self._check.begin(self._refuse)
                else:
                    self._check.run()
        except BaseException:
            _unlock(self._lock)
            raise
        self._read_thread = ThreadPoolExecutor(1, "py_edge-reader") if threaded else None

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """See ports.Store."""
        return cast(T, await self._writer.write(work))

    def write_together(self, work: Callable[[Transaction, list[A]], list[T]], about: A) -> Awaitable[T]:
        """See ports.Store."""
        return self._writer.write_together(work, about)

    async def read(self, work: Callable[[Reading], T]) -> T:
        """See ports.Store."""

        def run() -> T:
            cursor = self._reader.cursor()
            cursor.execute("BEGIN")
            try:
                return work(SqlTransaction(cursor, self._statements))
            except sqlite3.DatabaseError as error:
                raise StorageError(f"the database cannot be read: {error}", where=str(self.path)) from error
            finally:
                cursor.execute("COMMIT")
                cursor.close()

        if self._read_thread is None:
            return run()
        return await asyncio.get_running_loop().run_in_executor(self._read_thread, run)

    async def close(self) -> None:
        """See ports.Store."""
        self._check.end()
        if self._read_thread is not None:
            self._read_thread.shutdown()
        self._reader.close()
        await self._writer.close()
        self._engine.dispose()
        _unlock(self._lock)

    def _publish(self, topics: list[str]) -> None:
        for topic in dict.fromkeys(topics):
            self.bus.publish(topic)

    def _stop(self, reason: str) -> None:
        self.trouble = reason

    def _refuse(self, error: Exception) -> None:
        self._writer.refuse(str(error))
        self._stop(str(error))


class _Check:
    """Looks through the file for damage. A large one table by table and beside the work, so that no reader keeps the log
    from being cut for long; in a small one every index is compared with its table too.
    """

    def __init__(self, path: Path) -> None:
        self.takes_long = path.stat().st_size >= LOOK_THROUGH_BELOW_BYTES
        self._path, self._connection = path, _open(path)
        self._thread: threading.Thread | None = None
        self._over = False

    def run(self) -> None:
        """Raises StorageError when it finds some."""
        tables = [f"quick_check({table})" for table in METADATA.tables]
        with contextlib.closing(self._connection) as connection:
            for check in tables if self.takes_long else ["integrity_check(1)"]:
                found = _first_word(connection, check)
                if found != "ok":
                    raise StorageError(
                        f"the database is damaged: {found}", where=str(self._path), remedy="restore a backup"
                    )

    def begin(self, tell: Callable[[Exception], None]) -> None:
        """The same on a thread, which tells what is wrong."""

        def run() -> None:
            try:
                self.run()
            except Exception as error:
                if not self._over:
                    tell(error)

        self._thread = threading.Thread(target=run, name="py_edge-check", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Nobody waits for the rest."""
        self._over = True
        if self._thread is not None and self._thread.is_alive():
            with contextlib.suppress(sqlite3.ProgrammingError):  # it has just closed by itself
                self._connection.interrupt()
            self._thread.join(CHECK_END_S)


def _first_word(connection: sqlite3.Connection, check: str) -> str:
    """What it finds first; some damage is an error instead."""
    try:
        return str(connection.execute(f"PRAGMA {check}").fetchone()[0])
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        return str(error)


class _SqliteConnection:
    """The one connection that writes and checkpoints."""

    def __init__(self, path: Path, statements: Statements) -> None:
        self._wal = f"{path}-wal"
        self._connection = _open(path)
        self._cursor = self._connection.cursor()
        self._statements = statements
        self.checkpoint(idle=True)  # so that a log holds what one crash tore, and `check_log` need not guess

    def begin(self) -> SqlTransaction:
        self._cursor.execute("BEGIN IMMEDIATE")
        return SqlTransaction(self._cursor, self._statements)

    def savepoint(self, verb: str) -> None:
        self._cursor.execute(f"{verb} item")

    def commit(self) -> None:
        self._cursor.execute("COMMIT")

    def roll_back(self) -> None:
        if self._connection.in_transaction:
            self._cursor.execute("ROLLBACK")

    def checkpoint_is_due(self, idle: bool) -> bool:
        return self._wal_bytes() > (0 if idle else PASSIVE_ABOVE_BYTES)

    def checkpoint(self, idle: bool) -> None:
        kind = "TRUNCATE" if idle or self._wal_bytes() > TRUNCATE_ABOVE_BYTES else "PASSIVE"
        self._cursor.execute(f"PRAGMA wal_checkpoint({kind})")
        self._cursor.fetchall()

    def _wal_bytes(self) -> int:
        try:
            return os.stat(self._wal).st_size
        except FileNotFoundError:
            return 0

    def is_disk_trouble(self, error: BaseException) -> bool:
        ours = (sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.IntegrityError, sqlite3.DataError)
        return isinstance(error, sqlite3.Error) and not isinstance(error, ours)

    def is_lost(self, error: BaseException) -> bool:
        """A file does not come back: after a failed sync its pages may be gone although they look clean."""
        return False

    def close(self) -> None:
        self._connection.close()


def _make_engine(path: Path) -> sa.Engine:
    """An engine for migrations and checks; its connections get the same settings."""
    return sa.create_engine("sqlite://", creator=lambda: _open(path), poolclass=sa.pool.NullPool)


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    for name, value, wanted in SETTINGS:
        connection.execute(f"PRAGMA {name}={value}").fetchall()
        got = connection.execute(f"PRAGMA {name}").fetchone()
        if got is None or got[0] != wanted:
            connection.close()
            raise StorageError(
                f"SQLite did not take the setting {name}", where=str(path), got=got and got[0], want=wanted,
                remedy="use a local disk and a stock SQLite",
            )  # fmt: skip
    return connection


class _Mapped:
    """Turns what SQLite and the system say while opening into one sentence with a remedy."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (sqlite3.Error, sa.exc.DBAPIError, OSError)):
            cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
            raise StorageError(
                f"cannot use the database: {cause}", where=str(self._path),
                remedy="check that the folder exists, is writable and has free space",
            ) from error  # fmt: skip


def _lock_file(path: Path) -> int:
    """Hold a lock beside the file, so that a second node on it is told so instead of corrupting it."""
    try:
        make_folder(path.parent)
        handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageError(
            f"cannot write there: {error.strerror}", where=str(path),
            remedy="check that the folder exists, is writable and has free space",
        ) from error  # fmt: skip
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        pass
    except OSError as error:
        os.close(handle)
        raise StorageError(
            "another node uses this database",
            where=str(path),
            remedy="stop it, or choose another --data folder",
        ) from error
    return handle


def _unlock(handle: int) -> None:
    os.close(handle)
