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
