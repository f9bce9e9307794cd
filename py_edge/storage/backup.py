"""Backup and restore of a node's folder: a consistent copy of the database while it runs, and every blob.

A backup is a folder with `node.db`, `blobs/` and `backup.json` (digests of both). Restore refuses to overwrite.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sqlite3
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from py_edge.errors import IntegrityError, NotFoundError, StorageError
from py_edge.storage.blobs import FolderBlobs
from py_edge.storage.durable import make_folder, sync, sync_all, write_file
from py_edge.storage.tables import COUNT, EVENT_BITS, EVENTS

MANIFEST = "backup.json"


def make_backup(data: Path, target: Path) -> int:
    """Copy the node's folder `data` to the new folder `target`; gives the bytes written. Raises StorageError."""
    if target.exists() and any(target.iterdir()):
        raise StorageError("the backup folder is not empty", where=str(target), remedy="name a new folder")
    if not (data / "node.db").exists():
        raise NotFoundError("there is no node here", where=str(data), want="a folder with node.db")
    try:
        make_folder(target)
        _copy_database(data / "node.db", target / "node.db")
        blobs = FolderBlobs(target / "blobs")
        source = FolderBlobs(data / "blobs")
        names = [path.name for path in (data / "blobs").glob("??/*") if not path.name.startswith(".")]
        for name in names:
            blobs.put(source.get(name))
        digest = sha256((target / "node.db").read_bytes()).hexdigest()
        facts = {"made_at_ms": time.time_ns() // 1_000_000, "node.db": digest, "blobs": sorted(names)}
        sync(target)  # what the manifest speaks of is there before it
        write_file(target / MANIFEST, json.dumps(facts, indent=1).encode())
    except (OSError, sqlite3.Error) as error:
        raise StorageError(
            f"the backup failed: {error}", where=str(target), remedy="look at space and rights"
        ) from error
    return sum(path.stat().st_size for path in target.rglob("*") if path.is_file())


@dataclass(frozen=True)
class Restored:
    """What a backup brought back; what was acknowledged since made_at_ms is not in it. states: questions in each state."""

    made_at_ms: int
    states: dict[str, int]


def restore_backup(source: Path, data: Path) -> Restored:
    """Make the node's folder `data` from a backup. Raises IntegrityError: damaged; StorageError: `data` is in use."""
    if data.exists() and any(data.iterdir()):
        raise StorageError("there is a node already", where=str(data), remedy="move that folder away first")
    manifest = source / MANIFEST
    if not manifest.exists():
        raise NotFoundError("this is not a backup, or it was not finished", where=str(source), want=MANIFEST)
    facts = _check(source)
    draft = data.with_name(data.name + ".restoring")
    shutil.rmtree(draft, ignore_errors=True)
    make_folder(data.parent)
    shutil.copytree(source, draft, ignore=shutil.ignore_patterns(MANIFEST))
    _count_anew(draft / "node.db")
    sync_all(draft)
    if data.exists():
        data.rmdir()
    os.replace(draft, data)
    sync(data.parent)
    return Restored(facts["made_at_ms"], _count_states(data / "node.db"))


def _count_anew(database: Path) -> None:
    """What was said since the backup has the numbers that come next: they must belong to another count of revisions, and
    events go on far from there (see `chain.identity.begin_count`)."""
    writing = sqlite3.connect(database)
    try:
        with writing:
            writing.execute("UPDATE facts SET value = ? WHERE name = ?", (secrets.token_hex(8), COUNT))
            leap = secrets.randbits(EVENT_BITS)
            writing.execute("UPDATE counters SET value = value + ? WHERE name = ?", (leap, EVENTS))
    finally:
        writing.close()


def _check(source: Path) -> dict[str, Any]:
    """What the manifest says, once all that it speaks of is found as it was."""
    try:
        facts: dict[str, Any] = json.loads((source / MANIFEST).read_bytes())
        digest, names = facts["node.db"], [str(name) for name in facts["blobs"]]
        whole = sha256((source / "node.db").read_bytes()).hexdigest() == digest
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError("the backup is damaged", where=str(source), got=str(error)) from error
    if not whole:
        raise IntegrityError("the database of the backup is damaged", where=str(source / "node.db"))
    blobs = FolderBlobs(source / "blobs")
    for name in names:
        blobs.get(name)
    return facts


def _count_states(database: Path) -> dict[str, int]:
    reading = sqlite3.connect(f"{database.absolute().as_uri()}?immutable=1", uri=True)
    try:
        return dict(reading.execute("SELECT state, count(*) FROM questions GROUP BY state").fetchall())
    finally:
        reading.close()


def _copy_database(source: Path, target: Path) -> None:
    reading = sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)
    writing = sqlite3.connect(target)
    try:
        reading.execute("PRAGMA wal_autocheckpoint=0")
        reading.backup(writing)
        if writing.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
            raise StorageError(
                "the copy is damaged", where=str(target), remedy="look at the disk of the node"
            )
    finally:
        writing.close()
        reading.close()
