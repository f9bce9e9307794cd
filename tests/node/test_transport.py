"""What a parent, or what stands in its place, can do to the files of a release: a code, the place, nothing half-taken."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import random

import pytest

from py_edge.errors import NetworkError, PyEdgeError
from py_edge.node import network
from py_edge.node.follow import Follower
from py_edge.node.network import HttpNetwork
from py_edge.node.node import SystemClock
from py_edge.records import Release, ReleaseFile, digest_of_release
from py_edge.retrain.release import current
from py_edge.storage.in_memory import MemoryBlobs, MemoryStore
from tests.node.raw_server import head, length, raw_server

BODY = b"weights " * 100
LIMIT = 1 << 20


TWICE = gzip.compress(gzip.compress(BODY))
BOMB = gzip.compress(b" " * (4 * LIMIT))
ENDLESS = b"%x\r\n" % 65536 + b" " * 65536 + b"\r\n"
ROWS: dict[str, tuple[bytes, str]] = {
    "body shorter than Content-Length": (head(length(len(BODY))) + BODY[:-1], "E_NETWORK"),
    "body longer than Content-Length": (head(length(len(BODY) - 1)) + BODY, "E_INTEGRITY"),
    "no length and cut": (head() + BODY[:-1], "E_INTEGRITY"),
    "no length and no end": (head("transfer-encoding: chunked") + ENDLESS * 64, "E_LIMIT"),
    "another origin": (head("location: http://127.0.0.1:9/x", length(0), status="302 Found"), "E_POLICY"),
    "gzip within gzip": (head("content-encoding: gzip", length(len(TWICE))) + TWICE, "E_INTEGRITY"),
    "two packings told": (head("content-encoding: gzip, gzip", length(len(TWICE))) + TWICE, "E_INTEGRITY"),
    "gzip bomb": (head("content-encoding: gzip", length(len(BOMB))) + BOMB, "E_LIMIT"),
    "other bytes of that length": (head(length(len(BODY))) + BODY.upper(), "E_INTEGRITY"),
    "a web page": (head("content-type: text/html", length(6)) + b"<html>", "E_INTEGRITY"),
    "nothing at all": (b"", "E_NETWORK"),
}


class Recorded(MemoryBlobs):
    """Remembers whether anything was ever kept."""

    kept = False

    def put(self, data: bytes) -> str:
        """See MemoryBlobs."""
        self.kept = True
        return super().put(data)


def _take(answer: bytes) -> tuple[str, str, bool, bool]:
    """Follow a release whose one file is answered so: code, place, whether it became current, whether bytes were kept."""
    digest = hashlib.sha256(BODY).hexdigest()
    files = (ReleaseFile("w.bin", len(BODY), digest),)
    release = Release("m", 1, digest_of_release(files, {}), files, {})

    async def story() -> tuple[str, str, bool, bool]:
        store, blobs, code, place = MemoryStore(), Recorded(), "", ""
        with raw_server(answer) as url:
            link = HttpNetwork(url)
            try:
                await Follower(link, store, blobs, SystemClock(), random.Random(1)).take(release.to_json())
            except PyEdgeError as error:
                code, place = error.code, error.where
            await link.close()
        there = await store.read(lambda tx: current(tx, "m"))
        return code, place, there is not None, blobs.kept

    return asyncio.run(story())


@pytest.mark.parametrize("name", ROWS)
def test_a_file_that_does_not_come_whole_from_the_parent_is_not_taken(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every row gives its code and names the file or its address; no release is made current, no byte is kept."""
    monkeypatch.setattr(network, "BODY_LIMIT_BYTES", LIMIT)
    answer, code = ROWS[name]
    said, place, current_now, kept = _take(answer)
    assert said == code
    assert place in ("w.bin", f"/v1/blobs/{hashlib.sha256(BODY).hexdigest()}")
    assert not current_now
    assert not kept


@pytest.mark.parametrize(
    "answer",
    [
        head(length(len(BODY))) + BODY,
        head() + BODY,
        head("content-encoding: gzip") + gzip.compress(BODY),
    ],
)
def test_what_comes_whole_is_taken(answer: bytes) -> None:
    """With a length, without one, packed once as told: the release is current."""
    assert _take(answer) == ("", "", True, True)


@pytest.mark.parametrize(("piece", "patience_s", "want"), [(b"x", 1.0, 0), (b"x" * 1_000, 2.0, 50_000)])
def test_a_reply_that_trickles_is_given_up_and_a_slow_one_is_not(
    monkeypatch: pytest.MonkeyPatch, piece: bytes, patience_s: float, want: int
) -> None:
    """A byte now and then is never silence, and would hold a question for ever; what comes at a modem's pace is read."""
    monkeypatch.setattr(network, "REQUEST_TIMEOUT_S", patience_s)

    async def ask(url: str) -> int:
        link = HttpNetwork(url)
        try:
            return len((await link.request("GET", "/")).body)
        except NetworkError:
            return 0
        finally:
            await link.close()

    with raw_server(head(length(50 * len(piece))), *[piece] * 50, every_s=0.05) as url:
        assert asyncio.run(ask(url)) == want
