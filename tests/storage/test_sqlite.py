"""The SQLite body: the settings that make it durable are really on, and disk trouble ends all acknowledging."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import op

from py_edge.errors import StorageError
from py_edge.storage import sqlite as body
from py_edge.storage.migrate import REVISIONS, current_revision
from py_edge.storage.sql import METADATA
from py_edge.storage.sqlite import SETTINGS, SqliteStore
from py_edge.storage.tables import FACTS


def live(path: Path, story: Callable[[SqliteStore], Awaitable[None]]) -> None:
    """Open, live, close."""

    async def whole() -> None:
        store = SqliteStore(path)
        try:
            await story(store)
        finally:
            await store.close()

    asyncio.run(whole())


async def nothing(store: SqliteStore) -> None:
    """Only open and close."""


def test_the_settings_are_read_back(tmp_path: Path) -> None:
    """WAL, FULL, no auto-checkpoint, no mmap: as the page of settings says, on the writing connection."""

    async def story(store: SqliteStore) -> None:
        def read(tx: object) -> dict[str, object]:
            cursor = tx._cursor  # type: ignore[attr-defined]
            return {name: cursor.execute(f"PRAGMA {name}").fetchone()[0] for name, _, _ in SETTINGS}

        expected = {name: wanted for name, _, wanted in SETTINGS}
        assert await store.write(read) == expected
        assert await store.read(read) == expected

    live(tmp_path / "node.db", story)


def test_a_setting_that_is_not_taken_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Better no node than one that forgets."""
    monkeypatch.setattr(body, "SETTINGS", (("synchronous", "1", 2),))
    with pytest.raises(StorageError, match="synchronous"):
        SqliteStore(tmp_path / "node.db")


def test_the_migrations_make_the_declared_schema(tmp_path: Path) -> None:
    """The tables made by Alembic are those of tables.py, column by column, index by index."""
    live(tmp_path / "node.db", nothing)
    found = sa.MetaData()
    found.reflect(sa.create_engine(f"sqlite:///{tmp_path}/node.db"))
    assert set(found.tables) - {"alembic_version"} == set(METADATA.tables)
    for name, table in METADATA.tables.items():
        migrated = found.tables[name]
        assert {c.name: (str(c.type), c.nullable, c.primary_key) for c in migrated.columns} == {
            c.name: (str(c.type), c.nullable, c.primary_key) for c in table.columns
        }
        assert {(i.name, *(c.name for c in i.columns)) for i in migrated.indexes} == {
            (i.name, *(c.name for c in i.columns)) for i in table.indexes
        }


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """A database written by a later version is not touched."""
    live(tmp_path / "node.db", nothing)
    with sqlite3.connect(tmp_path / "node.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(StorageError, match="newer than this py_edge"):
        SqliteStore(tmp_path / "node.db")
    engine = sa.create_engine(f"sqlite:///{tmp_path}/node.db")
    with engine.connect() as again:
        assert current_revision(again) == "9999"
    engine.dispose()
    assert REVISIONS[-1] != "9999"


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    """Garbage where a database should be: one sentence and a remedy, nothing overwritten."""
    (tmp_path / "node.db").write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(StorageError) as caught:
        SqliteStore(tmp_path / "node.db")
    assert "not a database" in str(caught.value)
    assert (tmp_path / "node.db").read_bytes().startswith(b"not a database")


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A database in which one page of many was overwritten."""

    async def story(store: SqliteStore) -> None:
        rows = [{"name": f"{number}", "value": "x" * 1000} for number in range(500)]
        await store.write(lambda tx: tx.insert_all(FACTS, rows))

    path = tmp_path / "node.db"
    live(path, story)
    with path.open("r+b") as file:
        file.seek(-4096, 2)
        file.write(b"\xff" * 4096)
    return path


def test_damage_inside_stops_the_start(damaged: Path) -> None:
    """Named before anything is answered."""
    with pytest.raises(StorageError, match="the database is damaged"):
        SqliteStore(damaged)


def test_damage_inside_a_large_file_ends_all_acknowledging(
    damaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes long to look through is looked through beside the work; what is found then stops it all the same."""
    monkeypatch.setattr(body, "LOOK_THROUGH_BELOW_BYTES", 0)

    async def story(store: SqliteStore) -> None:
        assert store._check._thread is not None
        store._check._thread.join(20)
        assert "the database is damaged" in store.trouble
        with pytest.raises(StorageError, match="the database is damaged"):
            await store.write(lambda tx: tx.put(FACTS, {"name": "a", "value": "1"}))

    live(damaged, story)


def test_a_large_file_without_damage_is_used_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writing and closing do not wait for the look-through, and its end is no trouble."""
    monkeypatch.setattr(body, "LOOK_THROUGH_BELOW_BYTES", 0)
    going_on = threading.Event()
    monkeypatch.setattr(body._Check, "run", lambda self: going_on.wait(20))

    async def story(store: SqliteStore) -> None:
        await store.write(lambda tx: tx.put(FACTS, {"name": "a", "value": "1"}))
        going_on.set()
        await store.close()
        assert not store.trouble

    asyncio.run(story(SqliteStore(tmp_path / "node.db")))


def test_disk_trouble_ends_all_acknowledging(tmp_path: Path) -> None:
    """After the first I/O error every write is refused, also those that would work again."""

    async def story(store: SqliteStore) -> None:
        def trouble(tx: object) -> None:
            raise sqlite3.OperationalError("disk I/O error")

        await store.write(lambda tx: tx.put(FACTS, {"name": "a", "value": "1"}))
        with pytest.raises(StorageError, match="disk I/O error"):
            await store.write(trouble)
        with pytest.raises(StorageError):
            await store.write(lambda tx: tx.put(FACTS, {"name": "b", "value": "1"}))
        assert "disk I/O error" in store.trouble
        assert await store.read(lambda tx: tx.count(FACTS)) == 1

    live(tmp_path / "node.db", story)


def test_the_log_is_checkpointed_by_us(tmp_path: Path) -> None:
    """The WAL stays small although SQLite's own checkpoints are off."""

    async def story(store: SqliteStore) -> None:
        for n in range(30):
            await store.write(lambda tx, n=n: tx.put(FACTS, {"name": str(n), "value": "x" * 500_000}))  # type: ignore[misc]

    live(tmp_path / "node.db", story)
    wal = tmp_path / "node.db-wal"
    assert not wal.exists() or wal.stat().st_size <= body.TRUNCATE_ABOVE_BYTES
    assert (tmp_path / "node.db").stat().st_size > 14_000_000


def test_a_checkpoint_comes_once_in_some_megabytes(tmp_path: Path) -> None:
    """A log that was begun anew is short again: twelve megabytes ask for a few checkpoints, not for one per commit."""
    seen: list[str] = []

    async def story(store: SqliteStore) -> None:
        def watch(tx: Any) -> None:
            tx._cursor.connection.set_trace_callback(seen.append)

        await store.write(watch)
        for number in range(120):
            row = {"name": f"n{number}", "value": "x" * 100_000}
            await store.write(lambda tx, row=row: tx.put(FACTS, row))  # type: ignore[misc]

    live(tmp_path / "node.db", story)
    assert 2 <= sum("wal_checkpoint" in text for text in seen) <= 10


def test_a_schema_is_made_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fails at the last table: the next start does not stumble over the tables before it."""
    make = op.create_table

    def fails_late(name: str, *columns: Any, **options: Any) -> Any:
        if name == "counters":
            raise OSError("simulated I/O error")
        return make(name, *columns, **options)

    with monkeypatch.context() as patch:
        patch.setattr(op, "create_table", fails_late)
        with pytest.raises(StorageError, match="simulated"):
            live(tmp_path / "node.db", nothing)
    live(tmp_path / "node.db", nothing)
