"""Get locked bytes from the first source that has them: cache, mirrors, npm, the official CDN, PyPI.

A source is a string: `npm:pyodide@314.0.3!package/pyodide.mjs`, `cdn:https://…`, `pypi:name==version[!member]`.
npm and PyPI are asked through their ordinary clients, so proxies, private indexes and credentials just work.
Whatever comes is believed only if its sha256 is the locked one; else the reason is noted and the next is asked.
"""

from __future__ import annotations

import http.client
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from py_edge.bundle.cache import Cache, sha256_of
from py_edge.bundle.lock import Lock, LockedFile
from py_edge.errors import NetworkError

Report = Callable[[str, int, int], None]
"""Called with (file name, bytes done, bytes in all); the total is known before the first byte."""

TIMEOUT_S = 30.0
CLIENT_TIMEOUT_S = 900.0


class Refusal(Exception):
    """One source could not give one file; the text is the reason shown in the table."""


@dataclass(frozen=True)
class Attempt:
    """One row of the failure table: which file, which source, why not."""

    name: str
    source: str
    reason: str


class Fetcher:
    """Fetches locked files; package archives are downloaded once however many members are wanted."""

    def __init__(
        self,
        lock: Lock,
        cache: Cache | None = None,
        mirrors: Sequence[str] | None = None,
        offline: bool = False,
    ) -> None:
        self.lock = lock
        self.cache = cache or Cache()
        self.mirrors = list(mirrors) if mirrors is not None else os.environ.get("PY_EDGE_MIRRORS", "").split()
        self.offline = offline
        self.attempts: list[Attempt] = []
        self._archives: dict[str, bytes | Refusal] = {}

    def fetch(self, files: Sequence[LockedFile], report: Report | None = None) -> dict[str, Path]:
        """Name to verified path in the cache. Raises NetworkError with the whole table if any is not to be had."""
        total = sum(file.size for file in files)
        done = 0
        paths: dict[str, Path] = {}
        self._archives.clear()
        for file in files:
            if report:
                report(file.name, done, total)
            path = self._fetch_one(file)
            if path is not None:
                paths[file.name] = path
            done += file.size
        self._archives.clear()
        if report:
            report("", done, total)
        if len(paths) < len(files):
            raise NetworkError(
                "not every file could be fetched\n" + table(self.attempts),
                remedy="go online once, or name a mirror in PY_EDGE_MIRRORS (a folder or URL holding the files)",
            )
        return paths

    def survey(self, files: Sequence[LockedFile]) -> list[Attempt]:
        """Ask every source of every file, cache or not, and say how each did: reason "" is the locked bytes."""
        found = []
        for file in files:
            for source in self._sources(file):
                try:
                    _check(self._ask(source, file.size), file)
                    found.append(Attempt(file.name, source, ""))
                except Refusal as reason:
                    found.append(Attempt(file.name, source, str(reason)))
        self._archives.clear()
        return found

    def _sources(self, file: LockedFile) -> list[str]:
        mirrors = [f"mirror:{mirror.rstrip('/')}/{file.name}" for mirror in self.mirrors]
        return mirrors if self.offline else [*mirrors, *file.sources]

    def _fetch_one(self, file: LockedFile) -> Path | None:
        if self.cache.read(file.sha256) is not None:
            return self.cache.path(file.sha256)
        for source in self._sources(file):
            try:
                return self.cache.write(_check(self._ask(source, file.size), file), file.sha256)
            except Refusal as reason:
                self.attempts.append(Attempt(file.name, source, str(reason)))
        if self.offline:
            self.attempts.append(Attempt(file.name, "network", "offline was asked for"))
        return None

    def _ask(self, source: str, size: int) -> bytes:
        kind, _, rest = source.partition(":")
        if kind in ("cdn", "mirror"):
            return _read_url(rest, size)
        archive, _, member = source.partition("!")
        data = self._archive(kind, archive)
        return _read_member(data, member) if member else data

    def _archive(self, kind: str, key: str) -> bytes:
        if key not in self._archives:
            try:
                self._archives[key] = _download(kind, key, self.lock)
            except Refusal as reason:
                self._archives[key] = reason
        archive = self._archives[key]
        if isinstance(archive, Refusal):
            raise archive
        return archive


def _check(data: bytes, file: LockedFile) -> bytes:
    got = sha256_of(data)
    if got != file.sha256:
        raise Refusal(f"sha256 is {got[:12]}…, the lock says {file.sha256[:12]}…")
    return data


def table(attempts: Sequence[Attempt]) -> str:
    """The failures as text: file, source, reason, one row each."""
    rows = [("file", "source", "reason"), *((a.name, a.source, a.reason) for a in attempts)]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    return "\n".join(
        f"  {name:<{widths[0]}}  {source:<{widths[1]}}  {reason}" for name, source, reason in rows
    )


class Secure(urllib.request.HTTPRedirectHandler):
    """Follows a mirror to another address (the digest is locked), but never from https down to something else."""

    def redirect_request(self, request: Any, *answer: Any) -> urllib.request.Request | None:
        """`answer` ends with the new address."""
        if not answer[-1].startswith("https:" if request.type == "https" else ("http:", "https:")):
            raise Refusal(f"E_POLICY: redirected from {request.type} to {answer[-1][:160]}")
        return super().redirect_request(request, *answer)


def _read_url(url: str, size: int) -> bytes:
    if "://" not in url:
        try:
            return Path(url).read_bytes()
        except OSError as error:
            raise Refusal(str(error.strerror)) from error
    try:
        with urllib.request.build_opener(Secure).open(url, timeout=TIMEOUT_S) as response:
            if response.headers.get_content_type() == "text/html":
                raise Refusal("E_INTEGRITY: a web page came instead of the file")
            data = bytes(response.read(size + 1))
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        raise Refusal(str(getattr(error, "reason", error))) from error
    if len(data) != size:
        got = f"{len(data)} bytes" if len(data) < size else "more bytes"
        raise Refusal(f"E_INTEGRITY: {got} came, the lock says {size}")
    return data


def read_package(key: str) -> tuple[dict[str, bytes], bytes]:
    """Members by name, and the archive itself, of an npm package. Raises NetworkError."""
    try:
        archive = _download("npm", key, Lock("", "", "", {}, ()))
    except Refusal as reason:
        raise NetworkError("the package could not be fetched", where=key, got=str(reason)) from reason
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        files = ((member.name, members.extractfile(member)) for member in members)
        return {name: file.read() for name, file in files if file}, archive


def _download(kind: str, key: str, lock: Lock) -> bytes:
    package = key.partition(":")[2]
    with tempfile.TemporaryDirectory() as folder:
        if kind == "npm":
            command = ["npm", "pack", package, "--pack-destination", folder, "--ignore-scripts", "--silent"]
        else:
            command = [sys.executable, "-m", "pip", "download", package, "--no-deps", "--only-binary=:all:"]
            command += ["--quiet", "--disable-pip-version-check", "--dest", folder]
            if key in lock.containers and lock.containers[key].python:
                command += ["--python-version", lock.containers[key].python]
        try:
            ran = subprocess.run(
                command, capture_output=True, text=True, timeout=CLIENT_TIMEOUT_S, check=False
            )
        except FileNotFoundError as error:
            raise Refusal(f"{command[0]} is not installed") from error
        except subprocess.TimeoutExpired as error:
            raise Refusal(f"{command[0]} took longer than {CLIENT_TIMEOUT_S:.0f} s") from error
        got = list(Path(folder).iterdir())
        if ran.returncode or len(got) != 1:
            lines = [line for line in ran.stderr.splitlines() if "error" in line.lower()] or ["no file came"]
            raise Refusal(f"{command[0] if kind == 'npm' else 'pip'}: {lines[-1].strip()[:160]}")
        return got[0].read_bytes()


def _read_member(data: bytes, member: str) -> bytes:
    try:
        if data[:2] == b"PK":
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                return archive.read(member)
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            file = archive.extractfile(member)
            if file is None:
                raise KeyError(member)
            return file.read()
    except (KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise Refusal(f"no member {member} in the archive") from error
