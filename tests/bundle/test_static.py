"""Content negotiation: the best packed copy for whoever can unpack it, the file itself for everybody else."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from py_edge.testing import Origin

TEXT = b"export const answer = 42;\n" * 200


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    """A folder with one file in three forms and one without copies."""
    (tmp_path / "a.js").write_bytes(TEXT)
    (tmp_path / "a.js.gz").write_bytes(gzip.compress(TEXT))
    (tmp_path / "a.js.br").write_bytes(b"packed by brotli")
    (tmp_path / "b.wasm").write_bytes(TEXT)
    with Origin(tmp_path) as origin, httpx.Client(base_url=origin.url) as opened:
        yield opened


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("br;q=0.2, gzip;q=0.8", "gzip"),
        ("br;q=0, *", "gzip"),
        ("identity", None),
        ("", None),
        ("gzip;q=nonsense", None),
    ],
)
def test_the_coding_is_what_the_browser_prefers(
    client: httpx.Client, accepted: str, coding: str | None
) -> None:
    """Whatever goes out is typed as the file, and caches are told that the answer varies."""
    with client.stream("GET", "/a.js", headers={"accept-encoding": accepted}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers.get("content-encoding") == coding
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["vary"] == "accept-encoding"
    assert (gzip.decompress(raw) if coding == "gzip" else raw) == (
        b"packed by brotli" if coding == "br" else TEXT
    )
    assert int(answer.headers["content-length"]) == len(raw)


def test_a_copy_older_than_the_file_is_not_sent(client: httpx.Client, tmp_path: Path) -> None:
    """Whoever edits a file of a bundle is not shown the old one."""
    (tmp_path / "a.js").write_bytes(b"edited")
    later = (tmp_path / "a.js.br").stat().st_mtime_ns + 10**9
    os.utime(tmp_path / "a.js", ns=(later, later))
    assert client.get("/a.js", headers={"accept-encoding": "br"}).content == b"edited"


def test_a_file_without_copies_a_range_and_a_second_request(client: httpx.Client) -> None:
    """No copy: as it is. A range counts bytes of the file. The same again is 304, but not in another coding."""
    plain = client.get("/b.wasm")
    assert (plain.headers["content-type"], plain.content) == ("application/wasm", TEXT)
    assert "vary" not in plain.headers
    part = client.get("/a.js", headers={"range": "bytes=0-5", "accept-encoding": "br"})
    assert (part.status_code, part.content) == (206, TEXT[:6])
    first = client.get("/a.js", headers={"accept-encoding": "gzip"})
    again = {"if-none-match": first.headers["etag"]}
    assert client.get("/a.js", headers={**again, "accept-encoding": "gzip"}).status_code == 304
    assert client.get("/a.js", headers={**again, "accept-encoding": "identity"}).status_code == 200
