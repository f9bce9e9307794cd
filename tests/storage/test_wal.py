"""The log before SQLite opens it: what a crash leaves is taken, what rotted is not passed over in silence."""

from __future__ import annotations

import asyncio
import random
import shutil
from pathlib import Path

import pytest

from py_edge.errors import StorageError
from py_edge.storage.sqlite import SqliteStore
from py_edge.storage.tables import FACTS
from py_edge.storage.wal import HEADER_BYTES, commits_behind_damage

COMMITS = 20


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a killed node leaves: twenty commits in its log, the last checkpoint before them."""
    folder = tmp_path_factory.mktemp("left")

    async def live() -> None:
        store = SqliteStore(folder / "node.db")
        await store.close()
        store = SqliteStore(folder / "node.db")
        for number in range(COMMITS):
            row = {"name": f"n{number}", "value": "x" * 5000}
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
    assert {commits_behind_damage(log[:size]) for size in range(0, len(log), 19_999)} == {0}
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
