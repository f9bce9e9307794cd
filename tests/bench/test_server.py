"""The benchmark's server."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from py_edge.bench.server import Server


def test_isolated_and_remembered(tmp_path: Path) -> None:
    """Every answer carries the isolation headers; what was handed out can be counted."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.wasm").write_bytes(b"\0asm")
    with Server({"/m/": tmp_path / "a"}) as server:
        with urllib.request.urlopen(f"{server.url}/m/x.wasm?query") as answer:
            assert answer.read() == b"\0asm"
            assert answer.headers["Content-Type"] == "application/wasm"
            assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        assert [file.name for file in server.given] == ["x.wasm"]


def test_nothing_outside_of_a_mount(tmp_path: Path) -> None:
    """A path cannot climb out of its folder."""
    (tmp_path / "a").mkdir()
    (tmp_path / "secret").write_text("no")
    with Server({"/m/": tmp_path / "a"}) as server:
        for path in ("/m/../secret", "/m/%2e%2e/secret", "/secret"):
            with pytest.raises(urllib.error.HTTPError):
                urllib.request.urlopen(server.url + path)
