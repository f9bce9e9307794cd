"""What of ours goes into a bundle: the built pages, the stand-alone executors and the Pyodide wheel, in one folder.

In a checkout `prepare` makes the folder `py_edge/_site/` from `web/`, the kernels and the wheel hook. An installed
wheel carries it ready made, so its users need neither Node nor a compiler.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import py_edge
from py_edge.bundle.lock import Lock, read_lock
from py_edge.bundle.snapshot import NAME as SNAPSHOT
from py_edge.bundle.snapshot import make_snapshot
from py_edge.bundle.sources import Fetcher, Report
from py_edge.errors import EnvironmentProblem

PACKAGE = Path(py_edge.__file__).resolve().parent
ROOT = PACKAGE.parent
PARTS = PACKAGE / "_site"
STAMP = "stamp.json"


def in_checkout() -> bool:
    """True if the sources of the page side are here to build from."""
    return (ROOT / "web" / "package.json").is_file() and (ROOT / "wheels" / "lock.json").is_file()


def find_parts() -> Path:
    """The folder with the parts. Raises EnvironmentProblem if they were never made."""
    if (PARTS / STAMP).is_file():
        return PARTS
    remedy = "run make build" if in_checkout() else "install a wheel that `make wheels` wrote in a checkout"
    raise EnvironmentProblem("the parts of the site are missing", where=str(PARTS), remedy=remedy)


def digest_of_files(paths: Iterable[Path], root: Path) -> str:
    """One sha256 over names and contents, the same in any order of `paths`."""
    digest = sha256()
    for path in sorted(set(paths)):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def build_web(*, force: bool = False) -> Path:
    """The built pages in `web/dist`, built anew if a source changed. Raises EnvironmentProblem without Node."""
    web = ROOT / "web"
    sources = [p for folder in ("src", "pages") for p in (web / folder).rglob("*") if p.is_file()]
    sources += [web / "build.mjs", web / "package-lock.json", web / "tsconfig.json"]
    stamp = {"web": digest_of_files(sources, web)}
    dist = web / "dist"
    if not force and _stamp(dist) == stamp:
        return dist
    npm = shutil.which("npm")
    if npm is None:
        raise EnvironmentProblem("npm is not installed", where="web", remedy="install Node 20 or newer")
    if not (web / "node_modules" / "esbuild").is_dir():
        _run([npm, "ci", "--no-audit", "--no-fund", "--silent"], web)
    _run([npm, "run", "--silent", "build"], web)
    _write_stamp(dist, stamp)
    return dist


def prepare(*, offline: bool = False, report: Report | None = None) -> Path:
    """Make `py_edge/_site/` from the checkout; quick when nothing changed, after any other build of this checkout.

    Raises EnvironmentProblem (no Node, no compiler), NetworkError (the runtime cannot be fetched).
    """
    lock = read_lock()
    runtime = Fetcher(lock, offline=offline).fetch(lock.select(["runtime"]), report)
    with one_build_at_a_time():
        return _prepare(lock, runtime)


@contextmanager
def one_build_at_a_time() -> Iterator[None]:
    """Builds of one checkout wait for each other: they write the same folders. Nothing is held where flock is unknown."""
    place = ROOT / ".cache" / "building"
    place.parent.mkdir(exist_ok=True)
    with place.open("w") as handle:
        try:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        except ImportError:
            pass
        yield


def _prepare(lock: Lock, runtime: Mapping[str, Path]) -> Path:
    from py_edge.bundle.executors import build_executors
    from py_edge.bundle.wheels import ABIS, build_wheel, wheel_sources

    dist = build_web()
    executors = build_executors()
    inputs = [p for p in dist.rglob("*") if p.is_file() and p.name != STAMP]
    stamp = {
        "web": digest_of_files(inputs, dist),
        "executors": {name: sha256(path.read_bytes()).hexdigest() for name, path in executors.items()},
        "wheel": digest_of_files([*wheel_sources(), ROOT / "web" / "snapshot.mjs"], ROOT),
        "pyodide": lock.pyodide,
    }
    if _stamp(PARTS) == stamp:
        return PARTS
    wheel = build_wheel(ABIS[0], ROOT / "wheels")
    shutil.rmtree(PARTS, ignore_errors=True)
    shutil.copytree(dist, PARTS, ignore=shutil.ignore_patterns(STAMP))
    for name, path in executors.items():
        shutil.copyfile(path, PARTS / "app" / f"executor.{name}.wasm")
    shutil.copyfile(wheel, PARTS / "app" / wheel.name)
    make_snapshot(ROOT / "web" / "snapshot.mjs", runtime, wheel, PARTS / "app" / SNAPSHOT)
    _write_stamp(PARTS, stamp)
    return PARTS


def _stamp(folder: Path) -> object:
    try:
        return json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _write_stamp(folder: Path, stamp: object) -> None:
    (folder / STAMP).write_text(json.dumps(stamp), encoding="utf-8")


def _run(command: list[str], folder: Path) -> None:
    ran = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, "CI": "1"}
    )
    if ran.returncode:
        tail = "\n".join((ran.stdout + ran.stderr).strip().splitlines()[-20:])
        raise EnvironmentProblem(f"{' '.join(command[-2:])} failed\n{tail}", where=str(folder))
