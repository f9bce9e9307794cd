"""Releases: files by digest in the BlobStore, a row per version, one of them current."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from py_edge.errors import NotFoundError, RollbackError
from py_edge.fields import canonical_json, read_json
from py_edge.records import Release, ReleaseFile, digest_of_release
from py_edge.storage.ports import BlobStore, Reading, Transaction
from py_edge.storage.tables import RELEASES


def make_release(
    blobs: BlobStore,
    name: str,
    version: int,
    files: Mapping[str, bytes],
    metadata: dict[str, Any],
    now_ms: int,
) -> Release:
    """Keep the files and describe them; nothing is released yet."""
    listed = tuple(
        ReleaseFile(path, len(data), sha256(data).hexdigest()) for path, data in sorted(files.items())
    )  # fmt: skip
    for data in files.values():
        blobs.put(data)
    metadata = read_json(canonical_json(metadata))
    draft = Release(name, version, digest_of_release(listed, metadata), listed, metadata, now_ms)
    return Release.from_json(read_json(canonical_json(draft.to_json())))


def publish(tx: Transaction, release: Release) -> bool:
    """Make it the current version; False when exactly this is current already. Raises RollbackError: not newer."""
    before = current(tx, release.name)
    if before is not None:
        if before.digest == release.digest and before.version == release.version:
            return False
        if release.version <= before.version:
            raise RollbackError(
                "a release must have a higher version", where=release.name, got=release.version, want=before.version + 1,
                remedy="to go back, release the old files as a new version",
            )  # fmt: skip
        tx.update(RELEASES, (release.name, before.version), current=0)
    row = {"name": release.name, "version": release.version, "digest": release.digest, "current": 1}
    body = canonical_json(release.to_json()).decode()
    tx.put(RELEASES, row | {"at_ms": release.released_at_ms, "body": body})
    tx.notify("releases")
    tx.notify("status")
    return True


def current(tx: Reading, name: str) -> Release | None:
    """The version in use."""
    rows = tx.select(RELEASES, ("name", "=", name), ("current", "=", 1))
    return _load(rows[0]) if rows else None


def currents(tx: Reading) -> list[Release]:
    """The version in use of every model."""
    return [_load(row) for row in tx.select(RELEASES, ("current", "=", 1), order=("name",))]


def version_of(tx: Reading, name: str, version: int) -> Release:
    """A given version. Raises NotFoundError."""
    row = tx.get(RELEASES, name, version)
    if row is None:
        raise NotFoundError("no such release", where=f"{name}/{version}")
    return _load(row)


def versions(tx: Reading, name: str) -> list[Release]:
    """Every version, oldest first."""
    return [_load(row) for row in tx.select(RELEASES, ("name", "=", name), order=("version",))]


def read_files(blobs: BlobStore, release: Release) -> dict[str, bytes]:
    """The files of a release, checked."""
    return {file.path: blobs.get(file.sha256) for file in release.files}


def _load(row: Mapping[str, Any]) -> Release:
    return Release.from_json(read_json(row["body"]))
