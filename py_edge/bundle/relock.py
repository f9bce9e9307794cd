"""Make the lock anew for a Pyodide version: digests of the runtime from its npm package, of wheels from its own lock.

What npm gives is the root of trust; every wheel is fetched once and must have the digest that Pyodide's lock names.
Files that no Pyodide release decides (our node's wheels, micropip, the second ABI) stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from py_edge.bundle.cache import sha256_of
from py_edge.bundle.lock import Container, Lock, LockedFile
from py_edge.bundle.sources import Fetcher, read_package
from py_edge.errors import ModelFormatError, NotFoundError

ROOTS: Mapping[str, tuple[str, ...]] = {"numpy": ("numpy",), "sklearn": ("scikit-learn",)}
OFFICIAL_LOCK = "pyodide-lock.json"


def relock(lock: Lock, version: str, tiers: Sequence[str], fetcher: Fetcher) -> Lock:
    """The lock for this Pyodide version with these tiers.

    Raises NetworkError (a source is missing), NotFoundError (a package without a known licence), ModelFormatError
    (another Python: the ABI of our side modules must be chosen by a person).
    """
    package = f"npm:pyodide@{version}"
    members, archive = read_package(package)
    official = json.loads(members[f"package/{OFFICIAL_LOCK}"])
    abi = f"pyemscripten_{official['info']['abi_version']}"
    if abi != lock.abi:
        raise ModelFormatError("this Pyodide has another ABI", where=package, got=abi, want=lock.abi)
    same = version == lock.pyodide
    old = {file.name: file for file in lock.files if file.tier in ("runtime", *ROOTS)}
    files = [
        replace(
            file,
            size=len(members[f"package/{file.name}"]),
            sha256=sha256_of(members[f"package/{file.name}"]),
            sources=_sources(file, version, same),
        )
        for file in lock.select(["runtime"])
    ]
    for tier in tiers:
        known = {file.name for file in files}
        wheels = [
            wheel for wheel in closure(official["packages"], ROOTS[tier]) if wheel["file_name"] not in known
        ]
        files += [_wheel(wheel, tier, version, old, fetcher) for wheel in wheels]
    others = [file for file in lock.files if file.tier not in ("runtime", *ROOTS)]
    used = {source.partition("!")[0] for file in [*files, *others] for source in file.sources}
    containers = {**lock.containers, package: Container(package, len(archive), sha256_of(archive))}
    kept = {key: container for key, container in containers.items() if key in used}
    return replace(lock, pyodide=version, containers=kept, files=(*files, *others))


def closure(packages: Mapping[str, Any], roots: Sequence[str]) -> list[dict[str, Any]]:
    """These packages and all they depend on, what is needed first standing first. Raises NotFoundError."""
    found: dict[str, dict[str, Any]] = {}
    seen: set[str] = set()

    def visit(name: str) -> None:
        if name in seen:
            return
        if name not in packages:
            raise NotFoundError("Pyodide has no such package", where=OFFICIAL_LOCK, got=name)
        seen.add(name)
        for needed in packages[name]["depends"]:
            visit(needed)
        found[name] = packages[name]

    for root in roots:
        visit(root)
    return list(found.values())


def to_json(lock: Lock) -> str:
    """The text of `wheels/lock.json`."""
    containers = {key: asdict(container) for key, container in lock.containers.items()}
    for container in containers.values():
        del container["key"]
        if not container["python"]:
            del container["python"]
    document = {
        "pyodide": lock.pyodide, "abi": lock.abi, "python": lock.python, "containers": containers,
        "files": [asdict(file) for file in lock.files],
    }  # fmt: skip
    return json.dumps(document, indent=1) + "\n"


def _sources(file: LockedFile, version: str, same: bool) -> tuple[str, ...]:
    """Where the file of this version can be had; a container of the old version holds only old files."""
    if same:
        return file.sources
    member = f"npm:pyodide@{version}!package/{file.name}"
    return (member, _cdn(version, file.name))


def _cdn(version: str, name: str) -> str:
    return f"cdn:https://cdn.jsdelivr.net/pyodide/v{version}/full/{name}"


def _wheel(
    entry: Mapping[str, Any],
    tier: str,
    version: str,
    old: Mapping[str, LockedFile],
    fetcher: Fetcher,
) -> LockedFile:
    name, distribution = entry["file_name"], entry["file_name"].partition("-")[0]
    before = next((file for file in old.values() if file.name.partition("-")[0] == distribution), None)
    if before is None:
        raise NotFoundError(
            "the licence of this package is not known", where=name, remedy="add it to the lock by hand"
        )
    kept = before.sources if before.sha256 == entry["sha256"] else (_cdn(version, name),)
    file = LockedFile(name, tier, before.size, entry["sha256"], before.licence, kept)
    path = fetcher.fetch([file])[name]
    return replace(file, size=path.stat().st_size)
