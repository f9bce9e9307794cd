"""Backup of a running node, and a node made from it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from py_edge.errors import IntegrityError, StorageError
from py_edge.storage.backup import make_backup, restore_backup
from py_edge.storage.blobs import FolderBlobs
from py_edge.storage.sqlite import SqliteStore
from py_edge.storage.tables import FACTS


def test_a_restored_node_knows_what_it_knew(tmp_path: Path) -> None:
    """Rows up to the moment of the backup and every blob are there, while the first node goes on."""

    async def story() -> None:
        store = SqliteStore(tmp_path / "n" / "node.db")
        name = FolderBlobs(tmp_path / "n" / "blobs").put(b"weights")
        await store.write(lambda tx: tx.put(FACTS, {"name": "a", "value": "1"}))
        assert make_backup(tmp_path / "n", tmp_path / "backup") > 0
        await store.write(lambda tx: tx.put(FACTS, {"name": "b", "value": "2"}))
        await store.close()
        restored = restore_backup(tmp_path / "backup", tmp_path / "again")
        assert (restored.states, restored.made_at_ms > 0) == ({}, True)
        assert not list((tmp_path / "again").glob("node.db-*"))
        again = SqliteStore(tmp_path / "again" / "node.db")
        assert await again.read(lambda tx: (tx.count(FACTS), tx.get(FACTS, "a"))) == (
            1,
            {"name": "a", "value": "1"},
        )
        assert FolderBlobs(tmp_path / "again" / "blobs").get(name) == b"weights"
        await again.close()

    asyncio.run(story())


def test_nothing_is_overwritten_and_damage_is_noticed(tmp_path: Path) -> None:
    """A folder in use is refused; a flipped byte in a backup is refused."""

    async def story() -> None:
        await SqliteStore(tmp_path / "n" / "node.db").close()

    asyncio.run(story())
    make_backup(tmp_path / "n", tmp_path / "backup")
    with pytest.raises(StorageError, match="not empty"):
        make_backup(tmp_path / "n", tmp_path / "backup")
    with pytest.raises(StorageError, match="already"):
        restore_backup(tmp_path / "backup", tmp_path / "n")
    database = tmp_path / "backup" / "node.db"
    data = bytearray(database.read_bytes())
    data[5000] ^= 1
    database.write_bytes(data)
    with pytest.raises(IntegrityError):
        restore_backup(tmp_path / "backup", tmp_path / "other")


@pytest.mark.parametrize(
    "spoil", [lambda copy: (copy / "backup.json").write_bytes(b""), lambda copy: (copy / "node.db").unlink()]
)
def test_half_a_backup_is_refused_with_a_code(spoil: Callable[[Path], object], tmp_path: Path) -> None:
    """An empty manifest, or none of what it speaks of, is damage by name and not a stack of calls."""

    async def story() -> None:
        await SqliteStore(tmp_path / "n" / "node.db").close()

    asyncio.run(story())
    make_backup(tmp_path / "n", tmp_path / "backup")
    spoil(tmp_path / "backup")
    with pytest.raises(IntegrityError, match="the backup is damaged"):
        restore_backup(tmp_path / "backup", tmp_path / "other")
    assert not (tmp_path / "other").exists()
