"""The content-addressed cache: a file's name is its sha256, and nothing unverified ever gets one.

Folder: `$PY_EDGE_CACHE`, else `$XDG_CACHE_HOME/py_edge`, else `~/.cache/py_edge`.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from py_edge.errors import IntegrityError, StorageError


def sha256_of(data: bytes) -> str:
    """The digest as 64 lower-case hex characters."""
    return hashlib.sha256(data).hexdigest()


def cache_dir() -> Path:
    """The folder of this user; it need not exist yet."""
    if named := os.environ.get("PY_EDGE_CACHE"):
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "py_edge"


class Cache:
    """Verified bytes by digest, in one folder that several processes may share."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or cache_dir()

    def path(self, sha256: str) -> Path:
        """Where bytes with this digest lie or would lie."""
        return self.root / "sha256" / sha256[:2] / sha256

    def has(self, sha256: str, size: int) -> bool:
        """True if a file of this digest and length is there; its content is checked when it is read."""
        path = self.path(sha256)
        return path.is_file() and path.stat().st_size == size

    def read(self, sha256: str) -> bytes | None:
        """The bytes, checked again; None if absent. A damaged file is removed and counts as absent."""
        path = self.path(sha256)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        if sha256_of(data) == sha256:
            return data
        path.unlink(missing_ok=True)
        return None

    def write(self, data: bytes, sha256: str) -> Path:
        """Keep these bytes: temporary file, then rename. Raises IntegrityError, StorageError (full, read-only)."""
        got = sha256_of(data)
        if got != sha256:
            raise IntegrityError("these bytes are not the ones that were asked for", got=got, want=sha256)
        path = self.path(sha256)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.replace(temporary, path)
        except OSError as error:
            raise StorageError(
                f"the cache cannot be written: {error.strerror}",
                where=str(self.root),
                remedy="free some space, or name another folder with PY_EDGE_CACHE",
            ) from error
        return path
