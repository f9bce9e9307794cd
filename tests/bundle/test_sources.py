"""Fetching locked bytes: order, verification, the table of refusals, offline."""

from __future__ import annotations

import gzip
import io
import threading
import urllib.request
from collections.abc import Iterator
from email.message import Message
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from py_edge.bundle.cache import Cache, sha256_of
from py_edge.bundle.lock import Lock, LockedFile
from py_edge.bundle.sources import Fetcher, Refusal, Secure
from py_edge.errors import IntegrityError, NetworkError
from tests.node.raw_server import head, length, raw_server

GOOD = b"the locked bytes" * 100


class Quiet(SimpleHTTPRequestHandler):
    """A static server that does not print."""

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the URL under which it is served."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def _lock(*sources: str) -> Lock:
    file = LockedFile("runtime.bin", "runtime", len(GOOD), sha256_of(GOOD), "MIT", sources)
    return Lock("0", "3.14", "abi", {}, (file,))


def test_a_lying_mirror_is_noted_and_the_next_source_is_tried(
    tmp_path: Path, served: tuple[Path, str]
) -> None:
    """The first source whose bytes match wins, and a mismatch is on record."""
    folder, url = served
    (folder / "runtime.bin").write_bytes(GOOD)
    liar = tmp_path / "liar"
    liar.mkdir()
    (liar / "runtime.bin").write_bytes(b"something else")
    lock = _lock(f"cdn:{url}/runtime.bin")
    fetcher = Fetcher(lock, Cache(tmp_path / "cache"), mirrors=[str(liar)])
    paths = fetcher.fetch(lock.files)
    assert paths["runtime.bin"].read_bytes() == GOOD
    assert [attempt.source for attempt in fetcher.attempts] == [f"mirror:{liar}/runtime.bin"]
    assert "sha256" in fetcher.attempts[0].reason


def test_when_nobody_has_it_one_table_tells_file_source_and_reason(
    tmp_path: Path, served: tuple[Path, str]
) -> None:
    """A failed fetch says everything that was tried and what to do."""
    lock = _lock(f"cdn:{served[1]}/absent.bin", "cdn:http://127.0.0.1:9/refused")
    with pytest.raises(NetworkError) as caught:
        Fetcher(lock, Cache(tmp_path / "cache"), mirrors=[]).fetch(lock.files)
    text = str(caught.value)
    assert text.count("runtime.bin") == 2
    assert "not found" in text.lower()
    assert "refused" in text
    assert "PY_EDGE_MIRRORS" in text
    assert not list((tmp_path / "cache").rglob("*.*"))


def test_once_fetched_it_works_offline_and_reports_a_known_total(
    tmp_path: Path, served: tuple[Path, str]
) -> None:
    """The second run asks nobody, and the progress total is the same before and after."""
    folder, url = served
    (folder / "runtime.bin").write_bytes(GOOD)
    lock = _lock(f"cdn:{url}/runtime.bin")
    cache = Cache(tmp_path / "cache")
    Fetcher(lock, cache, mirrors=[]).fetch(lock.files)
    seen: list[tuple[str, int, int]] = []
    Fetcher(lock, cache, mirrors=[], offline=True).fetch(lock.files, lambda *step: seen.append(step))
    assert seen == [("runtime.bin", 0, len(GOOD)), ("", len(GOOD), len(GOOD))]


def test_a_damaged_cache_entry_is_fetched_again(tmp_path: Path, served: tuple[Path, str]) -> None:
    """Cached bytes are checked at every read; damage heals itself."""
    folder, url = served
    (folder / "runtime.bin").write_bytes(GOOD)
    lock = _lock(f"cdn:{url}/runtime.bin")
    cache = Cache(tmp_path / "cache")
    path = Fetcher(lock, cache, mirrors=[]).fetch(lock.files)["runtime.bin"]
    path.write_bytes(b"x" * len(GOOD))
    Fetcher(lock, cache, mirrors=[]).fetch(lock.files)
    assert path.read_bytes() == GOOD


def test_the_cache_refuses_bytes_that_do_not_match(tmp_path: Path) -> None:
    """Nothing unverified is ever kept."""
    with pytest.raises(IntegrityError):
        Cache(tmp_path).write(b"other", sha256_of(GOOD))


def test_a_survey_asks_every_source_and_names_those_that_lie(
    tmp_path: Path, served: tuple[Path, str]
) -> None:
    """Good and bad sources stand in one list, whatever the cache has."""
    folder, url = served
    (folder / "good").write_bytes(GOOD)
    (folder / "liar").write_bytes(b"x" * len(GOOD))
    lock = _lock(f"cdn:{url}/good", f"cdn:{url}/liar", f"cdn:{url}/absent")
    found = Fetcher(lock, Cache(tmp_path / "cache"), mirrors=[]).survey(lock.files)
    assert [one.reason.split(" ")[0] for one in found] == ["", "sha256", "File"]


SIZE = len(GOOD)
RAW = {
    "body shorter than Content-Length": (head(length(SIZE)) + GOOD[:-1], "E_INTEGRITY"),
    "body longer than Content-Length": (head(length(SIZE - 1)) + GOOD, "E_INTEGRITY"),
    "no length and no end": (head() + GOOD * 1000, "E_INTEGRITY: more bytes"),
    "a chunk cut": (head("transfer-encoding: chunked") + b"fff\r\n" + GOOD[:9], "IncompleteRead"),
    "gzip unasked": (head("content-encoding: gzip") + gzip.compress(GOOD), "E_INTEGRITY"),
    "a web page": (head("content-type: text/html", length(SIZE)) + GOOD, "E_INTEGRITY: a web page"),
    "no HTTP": (b"220 mail.example ESMTP\r\n", "220"),
    "an address of another kind": (head("location: ftp://127.0.0.1/x", status="302 Found"), "E_POLICY"),
}


@pytest.mark.parametrize("name", RAW)
def test_what_a_mirror_can_do_wrong_is_one_row_of_the_table(tmp_path: Path, name: str) -> None:
    """Cut, endless, packed, replaced, no HTTP at all: a reason in the table, nothing in the cache, no other exception."""
    answer, reason = RAW[name]
    with raw_server(answer) as url:
        lock = _lock(f"cdn:{url}/runtime.bin")
        fetcher = Fetcher(lock, Cache(tmp_path / "cache"), mirrors=[])
        with pytest.raises(NetworkError):
            fetcher.fetch(lock.files)
    assert reason in fetcher.attempts[0].reason
    assert not list((tmp_path / "cache").rglob("*.*"))


def test_a_mirror_may_not_lead_from_https_to_http() -> None:
    """Elsewhere on https is fine, for the digest is locked; what travels in the open is not asked for."""
    asked = urllib.request.Request("https://mirror.example/x")
    moved = Secure().redirect_request(asked, io.BytesIO(), 302, "Found", Message(), "https://other.example/x")
    assert moved is not None
    assert moved.full_url == "https://other.example/x"
    with pytest.raises(Refusal, match="E_POLICY"):
        Secure().redirect_request(asked, io.BytesIO(), 302, "Found", Message(), "http://mirror.example/x")
