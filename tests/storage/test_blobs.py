"""Blobs in a folder: whole or not at all, and checked when read."""

from __future__ import annotations

import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from py_edge.errors import IntegrityError, NotFoundError
from py_edge.storage.blobs import FolderBlobs
from py_edge.storage.in_memory import MemoryBlobs
from py_edge.storage.ports import BlobStore
from tests.storage.test_durable import DATA, cuts


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_bytes_are_found_by_their_hash(kind: str, tmp_path: Path) -> None:
    """Put twice is once; what is not there is said."""
    blobs: BlobStore = FolderBlobs(tmp_path) if kind == "folder" else MemoryBlobs()
    name = blobs.put(b"weights")
    assert name == sha256(b"weights").hexdigest() == blobs.put(b"weights")
    assert (blobs.get(name), blobs.has(name), blobs.has("0" * 64)) == (b"weights", True, False)
    with pytest.raises(NotFoundError):
        blobs.get("0" * 64)


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    """One flipped bit and the blob is refused."""
    blobs = FolderBlobs(tmp_path)
    name = blobs.put(b"weights")
    blobs.path(name).write_bytes(b"weighty")
    with pytest.raises(IntegrityError):
        blobs.get(name)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [name]


KILLED = """
from py_edge.storage import durable
from py_edge.storage.blobs import FolderBlobs
(disk / "blobs").mkdir()
keep, durable.sync = durable.sync, lambda path: None  # killed before it came to this
name = FolderBlobs(disk / "blobs").put(DATA)
durable.sync = keep
assert FolderBlobs(disk / "blobs").has(name)
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_what_a_killed_process_put_is_kept_once_it_is_found(tmp_path: Path) -> None:
    """A blob whose file is there and whose name was not yet safe: who finds it at the start may build on it."""
    name = sha256(DATA).hexdigest()
    ends = [state for over, state in cuts(KILLED, tmp_path) if over]
    assert [state.get(f"blobs/{name[:2]}/{name}") == DATA for state in ends] == [True] * len(ends)
    assert ends
