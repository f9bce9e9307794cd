"""Write the relocatable static folder: entries under fixed names, everything else in immutable hashed folders.

    index.html desk.html dashboard.html py-edge.js predict.js pixels.js bundle.json   always asked for anew
    types/  *.d.ts                                                          TypeScript finds them beside the scripts
    app-<h>/  our workers, pages with py-edge.js beside them, executors and wheel   never changes
    rt-<version>-<h>/  Pyodide                                              never changes
    models/<name>/  release.json beside its files
Nothing points outside of the folder, no path begins with a slash, and the same input gives the same bytes.
"""

from __future__ import annotations

import json
import re
import shutil
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import Any

import py_edge
from py_edge.bundle.cache import sha256_of
from py_edge.bundle.hosting import compressed, hosting_files, licence_list, sbom, unpacked
from py_edge.bundle.lock import Lock, read_lock
from py_edge.bundle.models import model_files
from py_edge.bundle.parts import STAMP, find_parts
from py_edge.bundle.snapshot import NAME as SNAPSHOT
from py_edge.bundle.sources import Fetcher, Report
from py_edge.errors import ModelFormatError, NotFoundError, StorageError

PLACEHOLDER = "__PY_EDGE_ASSETS__"
APP_PLACEHOLDER = "__APP__"
INDEX = "bundle.json"
EDGE_PLACEHOLDER = "__EDGE__"
NODE_SERVED: Mapping[str, str] = MappingProxyType({"origin": ".", "model": "device"})
NODE_TIER = "node"
"""What a node in the tab needs beside py_edge: Starlette and what it stands on; lies with our own files."""
ENTRIES = (".js", ".webmanifest", ".ts", ".json", ".html")
"""In the order in which they are written: a page names the digests of its scripts, so it comes after them."""
SEALED = re.compile(r'(<script type="module" src|<link rel="(?:stylesheet|modulepreload)" href)="([^"]+)"')
TYPES = "types"
WORKER = "sw.js"
ELEMENT = "py-edge.js"
"""Lies at the root for everybody's pages, and for ours under the hash too: a browser that kept the last bundle's never takes it."""


@dataclass(frozen=True)
class Bundle:
    """What was written: the folder, and of each file its size in bytes and sha256, by path.

    Packed copies are not in `files`: they are made from those by whichever compressors are installed.
    """

    folder: Path
    files: Mapping[str, tuple[int, str]]
    packed: tuple[str, ...] = ()

    @property
    def tree_hash(self) -> str:
        """One digest over all names and contents; equal bundles have equal tree hashes."""
        lines = [f"{path} {size} {digest}\n" for path, (size, digest) in sorted(self.files.items())]
        return sha256("".join(lines).encode()).hexdigest()


def collect(
    folder: Path,
    *,
    models: Sequence[Path] = (),
    tiers: Sequence[str] = ("runtime",),
    edge: Mapping[str, str] = NODE_SERVED,
    offline: bool = False,
    report: Report | None = None,
    fetcher: Fetcher | None = None,
) -> Bundle:
    """Write the bundle into `folder`, which is made, or emptied if it held a bundle before.

    models: TF.js folders or releases. edge: attributes of the front page's element. fetcher: where third-party bytes
    come from, by default the cache and the lock's sources. Raises StorageError (folder in use, not writable),
    NetworkError (runtime not to be had), EnvironmentProblem (parts not built), what `load_model` raises.
    """
    parts, lock = find_parts(), read_lock()
    shipped = dict(model_files(model) for model in models)
    runtime = (fetcher or Fetcher(lock, offline=offline)).fetch(lock.select(tiers), report)
    try:
        _empty(folder)
        data = {name: path.read_bytes() for name, path in runtime.items()}
        ours = {p.name: p.read_bytes() for p in sorted((parts / "app").iterdir())}
        node = [file.name for file in lock.select(tiers) if file.tier == NODE_TIER]
        ours |= {name: data.pop(name) for name in node}
        data["pyodide-lock.json"] = filtered_lock(data["pyodide-lock.json"], lock, tiers)
        rt = _write_tree(folder, f"rt-{lock.pyodide}", data)
        # The asset table in it names both folders, so the hash is of the script without its table, and of rt.
        element = (parts / ELEMENT).read_text(encoding="utf-8")
        app = _write_tree(folder, "app", {**ours, ELEMENT: (rt + element).encode()})
        for model, files in shipped.items():
            for path, content in files.items():
                (folder / "models" / model / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / "models" / model / path).write_bytes(content)
        said = {"THIRD_PARTY.md": licence_list(lock, tiers, py_edge.__version__), **hosting_files(app, rt)}
        said["sbom.cdx.json"] = sbom(lock, tiers, py_edge.__version__)
        for name, text in said.items():
            (folder / name).write_bytes(text)
        known = _list(folder)
        wheel = next(path for path in known if path.startswith(f"{app}py_edge-") and path.endswith(".whl"))
        snapshot = f"{app}{SNAPSHOT}" if f"{app}{SNAPSHOT}" in known else ""
        assets = {
            "version": py_edge.__version__,
            "app": app,
            "runtime": rt,
            "wheel": wheel,
            "snapshot": snapshot,
            "node": [f"{app}{name}" for name in node],
            "files": {p: known[p] for p in known if _needs_size(p, app, rt)},
        }
        (folder / app / ELEMENT).write_text(_fill(element, assets), encoding="utf-8")
        attributes = " ".join(f'{name}="{escape(value)}"' for name, value in edge.items())
        shutil.copytree(parts / TYPES, folder / TYPES)
        entries = [p for p in parts.iterdir() if p.suffix in ENTRIES and p.name != STAMP]
        for entry in sorted(entries, key=lambda p: (ENTRIES.index(p.suffix), p.name)):
            filled = _fill(entry.read_text(encoding="utf-8"), assets)
            filled = filled.replace(EDGE_PLACEHOLDER, attributes)
            if entry.suffix == ".html":
                filled = _sealed(filled, folder)
            (folder / entry.name).write_text(filled, encoding="utf-8")
        _mark_worker(folder)
        known = _list(folder)
        packed = compressed({path: (folder / path).read_bytes() for path in known})
        for name, content in packed.items():
            (folder / name).write_bytes(content)
        bundle = Bundle(folder, known, tuple(sorted(packed)))
        index = {
            "version": py_edge.__version__,
            "tree": bundle.tree_hash[:16],
            "offline": True,
            "app": app,
            "runtime": rt,
            "files": dict(bundle.files),
        }
        (folder / INDEX).write_text(json.dumps(index, indent=1, sort_keys=True), encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"the bundle cannot be written: {error.strerror}", where=str(error.filename or folder)
        ) from error
    return bundle


def verify(folder: Path) -> list[str]:
    """What is wrong with the bundle in this folder: a line per file that is missing, changed or foreign; [] if all is well.

    Raises NotFoundError without a bundle.json, ModelFormatError if it is not one.
    """
    if not (folder / INDEX).is_file():
        raise NotFoundError("this folder holds no bundle", where=str(folder), want=INDEX)
    try:
        told: dict[str, list[Any]] = json.loads((folder / INDEX).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFormatError(
            "this is not the index of a bundle", where=str(folder / INDEX), got=str(error)
        ) from error
    found = _list(folder)
    wrong = [f"{path}: missing" for path in told if path not in found]
    wrong += [f"{path}: changed" for path in told if path in found and list(found[path]) != told[path]]
    for path in sorted(found.keys() - told.keys()):
        whole, _, ending = path.rpartition(".")
        if ending not in ("gz", "br") or whole not in told:
            wrong.append(f"{path}: not of this bundle")
            continue
        content = unpacked(path, (folder / path).read_bytes())
        if content is None or sha256_of(content) != told[whole][1]:
            wrong.append(f"{path}: not a copy of {whole}")
    return wrong


def filtered_lock(official: bytes, lock: Lock, tiers: Sequence[str]) -> bytes:
    """Pyodide's own lock with only the packages that are shipped, so that others fail by name, not by download."""
    raw: dict[str, Any] = json.loads(official)
    shipped = {file.name for file in lock.select(tiers)}
    packages = {name: entry for name, entry in raw["packages"].items() if entry["file_name"] in shipped}
    return json.dumps({"info": raw["info"], "packages": packages}, sort_keys=True).encode()


def _fill(text: str, assets: Mapping[str, Any]) -> str:
    table = json.dumps(json.dumps(assets, separators=(",", ":"), sort_keys=True))
    for quote in ('"', "'", "`"):
        text = text.replace(f"{quote}{PLACEHOLDER}{quote}", table)
    return text.replace(APP_PLACEHOLDER, assets["app"])


def integrity(digest: str) -> str:
    """A hexadecimal sha256 as pages write it (W3C Subresource Integrity, sec. 3.1)."""
    return f"sha256-{b64encode(bytes.fromhex(digest)).decode()}"


def _sealed(page: str, folder: Path) -> str:
    """The page with the digest of each script and style sheet that it names, so that a browser takes no other bytes."""

    def seal(found: re.Match[str]) -> str:
        tag, path = found.groups()
        return f'{tag}="{path}" integrity="{integrity(sha256_of((folder / path).read_bytes()))}"'

    return SEALED.sub(seal, page)


def _mark_worker(folder: Path) -> None:
    """Browsers look for a new bundle by comparing the service worker alone, so it differs when any other file does."""
    mark = Bundle(folder, _list(folder)).tree_hash[:16]
    with (folder / WORKER).open("a", encoding="utf-8") as worker:
        worker.write(f"\n// {mark}\n")


def _needs_size(path: str, app: str, rt: str) -> bool:
    """True for what the page fetches by itself; its size must be known before the first byte."""
    return path.startswith(rt) or (path.startswith(app) and path.endswith((".wasm", ".whl", SNAPSHOT)))


def _write_tree(folder: Path, stem: str, files: Mapping[str, bytes]) -> str:
    """Write the files into `<stem>-<hash>/`; gives that name with its slash."""
    digest = sha256(
        "".join(f"{name} {sha256_of(files[name])}\n" for name in sorted(files)).encode()
    ).hexdigest()
    name = f"{stem}-{digest[:8]}/"
    (folder / name).mkdir(parents=True)
    for path, data in files.items():
        (folder / name / path).write_bytes(data)
    return name


def _list(folder: Path) -> dict[str, tuple[int, str]]:
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != INDEX)
    return {p.relative_to(folder).as_posix(): (p.stat().st_size, sha256_of(p.read_bytes())) for p in paths}


def _empty(folder: Path) -> None:
    """A new or emptied folder. Raises StorageError for one that holds something else than a bundle."""
    if folder.is_dir() and any(folder.iterdir()):
        if not (folder / INDEX).is_file():
            raise StorageError(
                "this folder holds something else than a bundle",
                where=str(folder),
                remedy="name an empty or new one",
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
