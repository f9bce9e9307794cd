"""The lock of every third-party byte: name, size, sha256, licence, tier and ordered sources.

The file is `wheels/lock.json`; it is the root of trust. No source is believed, only the digest here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from py_edge.errors import ModelFormatError, NotFoundError

LOCK_NAME = "lock.json"
NEEDS: Mapping[str, tuple[str, ...]] = {"sklearn": ("numpy",)}
"""Tiers that a tier stands on."""


@dataclass(frozen=True)
class Container:
    """An archive that a package client downloads whole; `size` makes the progress bar's total known.

    key: `npm:name@version` or `pypi:name==version`. python: the version pip must resolve for, or "".
    """

    key: str
    size: int
    sha256: str
    python: str = ""


@dataclass(frozen=True)
class LockedFile:
    """One file that may be shipped. size in bytes; sha256 lower-case hex; sources in the order to try."""

    name: str
    tier: str
    size: int
    sha256: str
    licence: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Lock:
    """All of `lock.json`. pyodide and python are versions; abi is the wheel platform without `_wasm32`."""

    pyodide: str
    python: str
    abi: str
    containers: dict[str, Container]
    files: tuple[LockedFile, ...]

    @property
    def tiers(self) -> tuple[str, ...]:
        """Every tier that some file belongs to, in file order."""
        return tuple(dict.fromkeys(file.tier for file in self.files))

    def select(self, tiers: Iterable[str]) -> tuple[LockedFile, ...]:
        """The files of these tiers and of those that they stand on, in lock order. Raises NotFoundError for a tier nobody belongs to."""
        wanted = {need for tier in tiers for need in (tier, *NEEDS.get(tier, ()))}
        unknown = wanted - set(self.tiers)
        if unknown:
            raise NotFoundError(
                "there is no such tier",
                where="tiers",
                got=", ".join(sorted(unknown)),
                want=", ".join(self.tiers),
            )
        return tuple(file for file in self.files if file.tier in wanted)


def find_lock() -> Path:
    """Where the lock lies: inside the installed package, else in the checkout's `wheels/`.

    Raises NotFoundError if neither is there.
    """
    package = Path(__file__).resolve().parent
    for path in (package / LOCK_NAME, package.parent.parent / "wheels" / LOCK_NAME):
        if path.is_file():
            return path
    raise NotFoundError("lock.json is missing", where=str(package), remedy="reinstall py_edge")


def read_lock(path: Path | None = None) -> Lock:
    """Read and check the lock. Raises ModelFormatError if it does not have the expected fields."""
    path = path or find_lock()
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        containers = {key: Container(key=key, **fields) for key, fields in raw["containers"].items()}
        files = tuple(LockedFile(**{**item, "sources": tuple(item["sources"])}) for item in raw["files"])
        return Lock(raw["pyodide"], raw["python"], raw["abi"], containers, files)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFormatError("the lock cannot be read", where=str(path), got=str(error)) from error
