"""Where a model's bytes come from: a folder, or a mapping of name -> bytes that the host handed in.

A reader opens only plain files below its root; shard paths match one positive grammar first (manifest.py).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from py_edge.errors import (
    IntegrityError,
    LimitError,
    ModelFormatError,
    NotFoundError,
    PathError,
    UnsupportedError,
)

MODEL_FILE = "model.json"
_FLAGS = (
    os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
)


class Reader(Protocol):
    """model_file: its name, for errors. read: the whole of one file, at most `limit` bytes."""

    model_file: str

    def read(self, name: str, limit: int) -> bytes: ...


class MappingReader:
    """Files that are already in memory, by name."""

    def __init__(self, files: Mapping[str, bytes], model_file: str = MODEL_FILE) -> None:
        self._files = files
        self.model_file = model_file

    def read(self, name: str, limit: int) -> bytes:
        """Raises NotFoundError (model.json) or IntegrityError (a shard), LimitError."""
        if name not in self._files:
            raise _missing(name, self.model_file)
        data = self._files[name]
        if len(data) > limit:
            raise LimitError("the file is too large", where=name, got=len(data), want=f"<= {limit} bytes")
        return bytes(data) if not isinstance(data, bytes) else data


class FolderReader:
    """Files of one folder; symbolic links, hard links and devices are refused, before and after opening."""

    def __init__(self, folder: Path, model_file: str = MODEL_FILE) -> None:
        self._folder = folder
        self.model_file = model_file

    def read(self, name: str, limit: int) -> bytes:
        """Raises PathError: not a plain file of this folder; NotFoundError, IntegrityError, LimitError."""
        try:
            handle = self._open(name)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise self._missing(name) from error
        except OSError as error:
            raise PathError(
                "cannot be opened", where=name, got=error.strerror, want="a readable file"
            ) from error
        state = os.fstat(handle)
        if not stat.S_ISREG(state.st_mode):
            os.close(handle)
            raise PathError("not a plain file", where=name, want="a plain file")
        with os.fdopen(handle, "rb") as file:
            if state.st_nlink > 1:
                raise PathError("a hard link", where=name, got=state.st_nlink, want="a file with one name")
            if state.st_size > limit:
                raise LimitError(
                    "the file is too large", where=name, got=state.st_size, want=f"<= {limit} bytes"
                )
            return file.read(state.st_size + 1)

    def _missing(self, name: str) -> ModelFormatError | NotFoundError:
        if name == self.model_file and (self._folder / "saved_model.pb").exists():
            return UnsupportedError("this is a SavedModel", where=str(self._folder), want="a TF.js model.json", remedy="py-edge convert")  # fmt: skip
        place = str(self._folder if name == MODEL_FILE else self._folder / name)
        return _missing(name, self.model_file, place)

    def _open(self, name: str) -> int:
        """A descriptor of the file. Raises PathError on a link, OSError."""
        self._refuse_links(name)
        if os.open not in os.supports_dir_fd:
            return os.open(self._folder / name, _FLAGS)
        # Each part is opened from the folder before, never through a link, so none can be swapped after the check.
        at = os.open(self._folder, os.O_RDONLY)
        for part in Path(name).parts:
            try:
                below = os.open(part, _FLAGS, dir_fd=at)
            finally:
                os.close(at)
            at = below
        return at

    def _refuse_links(self, name: str) -> None:
        place = self._folder
        for part in Path(name).parts:
            place = place / part
            if place.is_symlink():
                raise PathError(
                    "a symbolic link", where=name, got=part, want="a plain file in a plain folder"
                )


def _missing(name: str, model_file: str, place: str = "") -> ModelFormatError | NotFoundError:
    if name == model_file:
        return NotFoundError(
            "there is no model here", where=place or name, remedy="give a folder with model.json in it"
        )
    return IntegrityError("a shard is missing", where=name, remedy="copy every file that model.json names")


def reader_of(source: str | os.PathLike[str] | Mapping[str, bytes] | Reader) -> Reader:
    """A reader for a folder, a path to a model.json (any name), or a mapping of names to bytes."""
    if isinstance(source, Mapping):
        return MappingReader(source)
    if not isinstance(source, (str, os.PathLike)):
        return source
    path = Path(source)
    return FolderReader(path) if path.is_dir() else FolderReader(path.parent, path.name)
