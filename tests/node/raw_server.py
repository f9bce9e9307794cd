"""A server that answers with given bytes, right or wrong as they are: what no web framework would send."""

from __future__ import annotations

import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


def head(*lines: str, status: str = "200 OK") -> bytes:
    """The head of an answer."""
    return "\r\n".join([f"HTTP/1.1 {status}", "connection: close", *lines, "", ""]).encode()


def length(count: int) -> str:
    """The line that promises so many bytes."""
    return f"content-length: {count}"


@contextmanager
def raw_server(*answer: bytes, every_s: float = 0.0) -> Iterator[str]:
    """A socket that says these bytes to whoever asks, right or wrong as they are, piece after piece, and closes."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            try:
                for piece in answer:
                    self.request.sendall(piece)
                    time.sleep(every_s)
            except OSError:
                return  # the other side has had enough, which is what some rows want

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
