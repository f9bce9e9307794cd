"""Files and folders that a power cut leaves as they were: fsync of a file keeps its bytes, only its folder's keeps its name."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def make_folder(folder: Path) -> None:
    """Make it and what is missing above it. One that is there may have been made a moment before its maker was killed."""
    if not folder.parent.exists():
        make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    with contextlib.suppress(PermissionError):  # the folder above may be somebody else's, who made this one
        sync(folder.parent)


def write_file(path: Path, data: bytes) -> None:
    """The whole file or none, in a folder that is there."""
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".draft-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    sync(path.parent)


def sync_all(folder: Path) -> None:
    """Keep everything in a folder that was filled by other means; its own name is the caller's."""
    for path in (folder, *folder.rglob("*")):
        sync(path)


def sync(path: Path) -> None:
    """Keep the bytes of a file, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
