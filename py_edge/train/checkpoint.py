"""Generations: the whole state of a training run in one blob, written atomically, so that a kill loses one interval at most.

A blob is `PEGN`, u32 header bytes, header JSON, the tensors' bytes in its order, sha256 of all before. A torn or rotten blob
fails its digest and the one before it is taken. The store is handed in: files on a node, IndexedDB in a tab.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from py_edge.errors import IntegrityError, StorageError

_MAGIC = b"PEGN"


class Shelf(Protocol):
    """Named blobs. `write` replaces as a whole or not at all and returns when it is durable; StorageError when full."""

    def names(self) -> list[str]: ...
    def read(self, name: str) -> bytes: ...
    def write(self, name: str, data: bytes) -> None: ...
    def delete(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Generation:
    """state: variable -> bytes; fingerprint: of base weights, data and settings; notes: position, sums, history (JSON)."""

    number: int
    fingerprint: str
    state: Mapping[str, bytes]
    notes: Mapping[str, Any] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        header = json.dumps(
            {
                "number": self.number,
                "fingerprint": self.fingerprint,
                "sizes": {name: len(data) for name, data in self.state.items()},
                "notes": self.notes,
            }
        ).encode()
        body = b"".join([_MAGIC, struct.pack("<I", len(header)), header, *self.state.values()])
        return body + hashlib.sha256(body).digest()

    @classmethod
    def from_bytes(cls, data: bytes) -> Generation:
        """Raises IntegrityError: torn, rotten or something else."""
        body, digest = data[:-32], data[-32:]
        if body[:4] != _MAGIC or hashlib.sha256(body).digest() != digest:
            raise IntegrityError("this generation is torn or not one", where="checkpoint", got=len(data))
        (size,) = struct.unpack_from("<I", body, 4)
        header = json.loads(body[8 : 8 + size])
        at, state = 8 + size, {}
        for name, length in header["sizes"].items():
            state[name], at = body[at : at + length], at + length
        return cls(header["number"], header["fingerprint"], state, header["notes"])


class Generations:
    """The last `keep` generations of one run on a shelf.

    One is due every so many steps and after each epoch, but not before `every_s` seconds have passed since the last.
    """

    def __init__(
        self, shelf: Shelf, *, every: int = 50, every_s: float = 0.0, keep: int = 2, name: str = "generation"
    ) -> None:
        self.shelf, self.every, self.keep, self.name = shelf, max(1, every), max(1, keep), name
        self.every_s, self._last_s = every_s, time.monotonic()
        self.problem = ""

    def due(self, iteration: int = 0) -> bool:
        """Whether to write one after this many steps; 0: at the end of an epoch."""
        return iteration % self.every == 0 and time.monotonic() - self._last_s >= self.every_s

    def _names(self) -> list[str]:
        return sorted(n for n in self.shelf.names() if n.startswith(f"{self.name}-"))

    def latest(self, fingerprint: str = "") -> Generation | None:
        """The newest whole generation (of this run, when a fingerprint is given)."""
        for name in reversed(self._names()):
            try:
                found = Generation.from_bytes(self.shelf.read(name))
            except IntegrityError:
                continue
            if not fingerprint or found.fingerprint == fingerprint:
                return found
        return None

    def write(self, fingerprint: str, state: Mapping[str, bytes], notes: Mapping[str, Any]) -> bool:
        """Returns False, and tells why in `problem`, when the shelf is full: learning goes on in memory."""
        self._last_s = time.monotonic()
        names = self._names()
        number = int(names[-1].rpartition("-")[2]) + 1 if names else 0
        try:
            self.shelf.write(
                f"{self.name}-{number:08d}", Generation(number, fingerprint, state, notes).to_bytes()
            )
        except StorageError as error:
            self.problem = str(error)
            return False
        for old in names[: len(names) + 1 - self.keep]:
            self.shelf.delete(old)
        self.problem = ""
        return True

    def clear(self) -> None:
        for name in self._names():
            self.shelf.delete(name)


class Kept:
    """A shelf in memory whose owner puts `blobs` away: the page writes them into IndexedDB between two pieces of a fit."""

    def __init__(self, blobs: Mapping[str, bytes] | None = None) -> None:
        self.blobs = dict(blobs or {})

    def names(self) -> list[str]:
        return list(self.blobs)

    def read(self, name: str) -> bytes:
        return self.blobs[name]

    def write(self, name: str, data: bytes) -> None:
        self.blobs[name] = data

    def delete(self, name: str) -> None:
        self.blobs.pop(name, None)


class Folder:
    """A shelf of files: temporary name, fsync, rename, fsync of the folder."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)

    def names(self) -> list[str]:
        return [p.name for p in self.path.iterdir() if not p.name.startswith(".")]

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        temporary = self.path / f".{name}.part"
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path / name)
            folder = os.open(self.path, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise StorageError(
                "the generation was not written", where=str(self.path.name), got=error.strerror
            ) from error

    def delete(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)
