"""A stream of events over a real connection: heartbeat, end, and nothing left behind."""

from __future__ import annotations

import socket

import pytest

from py_edge.node import events
from tests.node.asking import DEVICE, until
from tests.node.conftest import LiveNode, Start

PATH = f"/v1/answers/stream?device={DEVICE}"


def listen(node: LiveNode) -> socket.socket:
    """A connection on which an event stream was asked for."""
    line = socket.create_connection(("127.0.0.1", node.port), timeout=5)
    line.sendall(f"GET {PATH} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
    return line


def read_until(line: socket.socket, wanted: bytes) -> bytes:
    """What comes, up to some bytes."""
    found = b""
    while wanted not in found:
        part = line.recv(65_536)
        assert part, found
        found += part
    return found


def test_a_heartbeat_comes_while_nothing_happens(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """One comment after the other, so that neither side nor a proxy takes silence for a broken line."""
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.05)
    node = start("site", data="memory:")
    with listen(node) as line:
        head = read_until(line, b"\r\n\r\n").lower()
        assert b" 200 " in head
        assert b"content-type: text/event-stream" in head
        assert b"cache-control: no-store" in head
        for _ in range(3):
            read_until(line, events.PING)


def test_a_client_that_leaves_is_forgotten(start: Start) -> None:
    """Its generator ends at once, in the middle of its wait, and nobody counts it as listening."""
    node = start("site", data="memory:")
    lines = [listen(node) for _ in range(20)]
    for line in lines:
        read_until(line, b"\r\n\r\n")
    until(lambda: node.node.listening == 20)
    for line in lines:
        line.close()
    until(lambda: node.node.listening == 0)
    assert node.node.bus.listeners("closing") == 0


def test_head_asks_for_no_events(start: Start) -> None:
    """HEAD gets the header that GET gets, and an end."""
    node = start("site", data="memory:")
    reply = node.http.head(PATH)
    assert (reply.status_code, reply.content) == (200, b"")
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert node.http.get("/healthz").status_code == 200
    assert node.node.listening == 0


def test_a_node_that_closes_ends_its_streams(start: Start) -> None:
    """The last chunk says that this is the end, not a broken line."""
    node = start("site", data="memory:")
    with listen(node) as line:
        read_until(line, b"\r\n\r\n")
        node.stop()
        read_until(line, b"0\r\n\r\n")
        assert line.recv(1) == b""
