"""A BlobStore in a folder: every blob is a file named by its sha256, written whole or not at all."""

from __future__ import annotations

import shutil
from hashlib import sha256 as _sha256
from pathlib import Path

from py_edge.errors import IntegrityError, NotFoundError, StorageError
from py_edge.storage.durable import make_folder, sync, write_file

LEFT_TO_OTHERS_BYTES = 64 << 20  # the database beside us must not stop for a model's sake


class FolderBlobs:
    """Blobs as `ab/abcdef…` below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            make_folder(folder)
            for each in (folder, *folder.glob("??")):
                sync(each)  # whoever wrote into it may have been killed before that
        except OSError as error:
            raise StorageError(
                f"cannot use the blob folder: {error.strerror}",
                where=str(folder),
                remedy="check that it is writable",
            ) from error

    def path(self, sha256: str) -> Path:
        """Where a blob is, or would be."""
        return self._folder / sha256[:2] / sha256

    def put(self, data: bytes) -> str:
        """See ports.BlobStore. Raises StorageError when the disk does not take it."""
        name = _sha256(data).hexdigest()
        target = self.path(name)
        if target.exists():
            return name
        try:
            make_folder(target.parent)
            write_file(target, data)
        except OSError as error:
            raise StorageError(
                f"the disk did not take a blob: {error.strerror}", where=str(target)
            ) from error
        return name

    def get(self, sha256: str) -> bytes:
        """See ports.BlobStore. Raises IntegrityError when the bytes changed on disk."""
        try:
            data = self.path(sha256).read_bytes()
        except FileNotFoundError as error:
            raise NotFoundError("no such blob", where=sha256) from error
        if _sha256(data).hexdigest() != sha256:
            raise IntegrityError(
                "a blob changed on disk", where=sha256, remedy="delete the file; it is fetched again"
            )
        return data

    def has(self, sha256: str) -> bool:
        """See ports.BlobStore."""
        return self.path(sha256).exists()

    def room_bytes(self) -> int:
        """See ports.BlobStore."""
        return max(0, shutil.disk_usage(self._folder).free - LEFT_TO_OTHERS_BYTES)
