"""The server as shipped against slow and crooked connections, over raw sockets."""

from __future__ import annotations

import socket
import time

import pytest

from py_edge.node import watchdog
from tests.node.asking import DEVICE
from tests.node.conftest import LiveNode, Start


def talk(node: LiveNode, *parts: bytes, seconds: float = 5.0) -> bytes:
    """Send parts, then read until the other side closes or nothing comes any more."""
    with socket.create_connection(("127.0.0.1", node.port), timeout=seconds) as line:
        for part in parts:
            try:
                line.sendall(part)
            except OSError:
                break
            time.sleep(0.02)
        found = b""
        try:
            while part := line.recv(65_536):
                found += part
        except TimeoutError:
            found += b"<open>"
        except OSError:
            pass
        return found


@pytest.mark.parametrize(
    "parts",
    [
        (),
        (b"GET /healthz HTT",),
        (b"\r\n",),
        (b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n", b"\r\n"),
        (b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\nGET /heal",),
        (b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-a: 1\r\n",),
        (
            b"PUT /v1/questions/"
            + DEVICE.encode()
            + b"/1 HTTP/1.1\r\nhost: localhost\r\ncontent-length: 900\r\n\r\n{",
        ),
    ],
)
def test_a_slow_connection_is_closed(
    start: Start, monkeypatch: pytest.MonkeyPatch, parts: tuple[bytes, ...]
) -> None:
    """Silent, half a header, or a body that does not come: closed when the time is over."""
    monkeypatch.setattr(watchdog, "HEAD_S", 0.3)
    monkeypatch.setattr(watchdog, "BODY_PATIENCE_S", 0.3)
    node = start("site", data="memory:")
    begin = time.monotonic()
    assert not talk(node, *parts).endswith(b"<open>")
    assert time.monotonic() - begin < 3.0
    assert node.http.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /v1/status HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * 70_000 + b"\r\n\r\n",
        b"GET /v1/status HTTP/1.1\r\n" + b"".join(b"x%d: y\r\n" % n for n in range(3_000)) + b"\r\n",
        b"GET /v1/status HTTP/1.1\r\n\r\n",
        b"GET /v1/status HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n\r\n",
        b"GET /v1/status?" + b"a" * 20_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /v1/status HTTP/1.1\nhost: localhost\n\n",
        b"POST /v1/answers/ack HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n2;"
        + b"a" * 200_000
        + b"\r\n{}\r\n0\r\n\r\n",
        b"POST /v1/answers/ack HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n2\n{}\n0\n\n",
        b"POST /v1/answers/ack HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\ntransfer-encoding: x\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"POST /v1/answers/ack HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/answers/ack HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        b"POST /v1/answers/ack HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n{}",
        b"GET /v1/%00 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /v1/%c0%af HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /v1/models/%0d%0ax HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"__INIT__ / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a/b?c\r\n\r\n",
        b"GET /v1/answers?device=%ff HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
    ],
)
def test_a_crooked_request_gets_4xx_or_nothing(start: Start, request_bytes: bytes) -> None:
    """Never 2xx, never 5xx, and the node goes on."""
    node = start("site", data="memory:")
    answer = talk(node, request_bytes, seconds=1.0)
    assert answer in (b"", b"<open>") or answer.split()[1][:1] == b"4"
    assert node.http.get("/healthz").status_code == 200


def test_an_endless_header_is_cut_early(start: Start) -> None:
    """A client that sends header lines for ever is refused after some kilobytes, not after megabytes."""
    node = start("site", data="memory:")
    with socket.create_connection(("127.0.0.1", node.port), timeout=5) as line:
        line.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n")
        sent = 0
        try:
            while sent < 64 << 20:
                sent += line.send(b"x: " + b"a" * 65_000 + b"\r\n")
        except OSError:
            pass
    assert sent < 16 << 20  # what the sockets' own buffers hold, at most
    assert node.http.get("/healthz").status_code == 200


def test_small_chunks_and_pipelined_requests_are_served(start: Start) -> None:
    """The watch refuses no honest client: a body byte by byte in chunks, and two requests in one segment."""
    node = start("site", data="memory:")
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in b'{"device":"' + DEVICE.encode() + b'","events":[]}')
    ack = b"POST /v1/answers/ack HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
    look = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
    found = talk(node, ack + chunks + b"0\r\n\r\n" + look, look, seconds=1.0)
    assert found.count(b"HTTP/1.1 200 OK") == 3
