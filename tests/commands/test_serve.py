"""`py-edge serve` from the command line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from py_edge.cli import main

SERVE = [sys.executable, "-m", "py_edge", "serve", "--port", "0"]


def test_a_node_serves_and_stops(tmp_path: Path) -> None:
    """It says where it answers, answers there under its name, says that its parent is dead, and ends with 0."""
    node = subprocess.Popen(
        [*SERVE, "--name", "hut", "--data", str(tmp_path), "--parent", "http://127.0.0.1:9"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert node.stderr is not None
    said = node.stderr.readline()
    assert said.startswith("hut answers at http://127.0.0.1:")
    with urllib.request.urlopen(f"{said.split()[-1]}/v1/status", timeout=30) as response:
        assert json.load(response)["name"] == "hut"
    assert "does not answer" in node.stderr.readline()
    node.send_signal(signal.SIGTERM)
    _, rest = node.communicate(timeout=30)
    assert node.returncode == 0
    assert rest == ""


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--parent", "nonsense"], "not a URL"),
        (["--port", "many"], "port"),
        (["--port", "99999"], "want 0 to 65535"),
        (["--site-dir", "/nowhere"], "/nowhere"),
        (["--threshold", "5"], "threshold: out of range"),
        (["--host", "0.0.0.0"], "token"),
        (["--config", "/nowhere.toml"], "nowhere.toml"),
        (["--model", "/nowhere"], "/nowhere"),
        (["--token", "short"], "16 characters"),
    ],
)
def test_wrong_settings_are_one_sentence(
    given: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is wrong and what to do, exit code 2, no traceback."""
    assert main(["serve", *given]) == 2
    said = capsys.readouterr().err.strip()
    assert words in said
    assert "\n" not in said
