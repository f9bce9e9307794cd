"""The test server: what it leaves behind when the power is cut."""

from __future__ import annotations

import gc
import socket
import warnings
from pathlib import Path

from py_edge.testing import Origin


def test_a_cut_leaves_no_file_open(tmp_path: Path) -> None:
    """Stopped while dozens of files are just being opened, it lets each request end: none stays open."""
    (tmp_path / "large.bin").write_bytes(bytes(1 << 20))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        for _ in range(5):
            with Origin(tmp_path) as origin:
                clients = [socket.create_connection(("127.0.0.1", origin.port)) for _ in range(60)]
                for client in clients:
                    client.sendall(b"GET /large.bin HTTP/1.1\r\nhost: here\r\n\r\n")
                clients[-1].recv(1)
            for client in clients:
                client.close()
        gc.collect()
    assert [str(one.message) for one in caught] == []
