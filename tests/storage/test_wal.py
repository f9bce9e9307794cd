"""The log before SQLite opens it: what a crash leaves is taken, what rotted is not passed over in silence."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from py_edge.errors import StorageError
from py_edge.storage import sqlite
from py_edge.storage.sqlite import SqliteStore
from py_edge.storage.tables import FACTS
from py_edge.storage.wal import FRAME_BYTES, HEADER_BYTES, PAGE_BYTES, commits_behind_damage

COMMITS = 20


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a killed node leaves: twenty commits in its log, the last checkpoint before them."""
    return leave(tmp_path_factory.mktemp("left"), [5000] * COMMITS)


def leave(folder: Path, sizes: list[int]) -> Path:
    """The same with a commit of each of these sizes in bytes."""

    async def live() -> None:
        store = SqliteStore(folder / "node.db")
        await store.close()
        store = SqliteStore(folder / "node.db")
        for number, size in enumerate(sizes):
            row = {"name": f"n{number}", "value": "x" * size}
            await store.write(lambda tx, row=row: tx.put(FACTS, row))  # type: ignore[misc]
        shutil.copytree(folder, folder / "copy")
        await store.close()

    asyncio.run(live())
    return folder / "copy"


def rows_in(folder: Path) -> int:
    """How many rows the next start finds."""

    async def look() -> int:
        store = SqliteStore(folder / "node.db")
        count = await store.read(lambda tx: tx.count(FACTS))
        await store.close()
        return count

    return asyncio.run(look())


def test_a_whole_log_and_a_torn_one_are_taken(left: Path, tmp_path: Path) -> None:
    """Nothing is wrong with the log of a killed node, nor with one that ends in the middle of a frame or of a commit."""
    log = (left / "node.db-wal").read_bytes()
    assert {commits_behind_damage(log[:size])[0] for size in range(0, len(log), 19_999)} == {0}
    shutil.copytree(left, tmp_path / "n")
    assert rows_in(tmp_path / "n") == COMMITS
    shutil.rmtree(tmp_path / "n")
    shutil.copytree(left, tmp_path / "n")
    torn = bytearray(log)
    torn[-10] ^= 1  # in the last commit, which a crash may have left so
    (tmp_path / "n" / "node.db-wal").write_bytes(torn)
    assert rows_in(tmp_path / "n") == COMMITS - 1


def test_a_flipped_bit_before_the_last_commit_stops_the_start(left: Path, tmp_path: Path) -> None:
    """SQLite would go on with the rows before it as if the others had never been; the log stays as it is found."""
    log = (left / "node.db-wal").read_bytes()
    chance = random.Random(5)
    places = [3, 17, 27, HEADER_BYTES + 9, HEADER_BYTES + 30]
    places += [chance.randrange(len(log) * 3 // 4) for _ in range(10)]
    for number, place in enumerate(places):
        folder = tmp_path / str(number)
        shutil.copytree(left, folder)
        rotten = bytearray(log)
        rotten[place] ^= 1 << chance.randrange(8)
        (folder / "node.db-wal").write_bytes(rotten)
        with pytest.raises(StorageError, match="the log of the database is damaged"):
            rows_in(folder)
        assert (folder / "node.db-wal").read_bytes() == rotten


def test_what_two_crashes_tore_is_not_taken_for_rot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader, a backup say, keeps the log from being emptied at the start after a crash; then the next crash comes. Each
    tore one commit that nobody was told of, and the commits between them are there."""
    settings = tuple(
        ("busy_timeout", "50", 50) if name == "busy_timeout" else (name, *rest)
        for name, *rest in sqlite.SETTINGS
    )
    monkeypatch.setattr(sqlite, "SETTINGS", settings)
    first = leave(tmp_path, [50, 40_000])
    tear(first, commit=1)
    (first / "node.db-shm").unlink()

    async def go_on() -> None:
        with closing(sqlite3.connect(first / "node.db", isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM facts").fetchone()
            store = SqliteStore(first / "node.db")
            for name in ("told", "torn"):
                await store.write(lambda tx, name=name: tx.put(FACTS, {"name": name, "value": ""}))  # type: ignore[misc]
            shutil.copytree(first, tmp_path / "second")
            await store.close()

    asyncio.run(go_on())
    tear(tmp_path / "second", commit=2)
    assert rows_in(tmp_path / "second") == 2


def tear(folder: Path, commit: int) -> None:
    """Of this commit of the log, counted from 0, all is there but the bytes of its first page."""
    log = bytearray((folder / "node.db-wal").read_bytes())
    step = FRAME_BYTES + PAGE_BYTES
    heads = range(HEADER_BYTES, len(log), step)
    begins = [HEADER_BYTES, *(at + step for at in heads if any(log[at + 4 : at + 8]))]
    begin = begins[commit] + FRAME_BYTES
    log[begin : begin + PAGE_BYTES] = bytes(PAGE_BYTES)
    (folder / "node.db-wal").write_bytes(log)
