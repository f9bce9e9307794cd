"""The whole loop: two node processes, a real page, a desk, from the command that users type."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from py_edge.host.chromium import chromium_flags, find_chromium

ROUND_KEYS = {
    "questions", "device_share", "site_share", "cloud_share", "person_share", "system_accuracy", "device_alone",
}  # fmt: skip
KEYS = {
    "rounds", "lost", "first_prediction_ms", "python_ready_ms", "fine_tune_ms", "round_trip_ms", "releases", "refused",
}  # fmt: skip
DEMO = [sys.executable, "-m", "py_edge", "demo", "--headless", "--once"]


def play(folder: Path, *more: str) -> dict[str, Any]:
    """Run the demo; gives its JSON."""
    file = folder / "story.json"
    done = subprocess.run(
        [*DEMO, "--json", str(file), *more], capture_output=True, text=True, timeout=1200, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "the page complained" not in done.stderr, done.stderr
    assert "questions lost" in done.stdout
    found: dict[str, Any] = json.loads(file.read_text())
    assert set(found) >= KEYS
    for each in found["rounds"]:
        assert set(each) >= ROUND_KEYS
        shares = [each[f"{place}_share"] for place in ("device", "site", "cloud", "person")]
        assert sum(shares) == pytest.approx(1)
    return found


@pytest.mark.browser
def test_the_loop_closes_at_small_scale(tmp_path: Path) -> None:
    """Three short rounds: all to the person at first, fewer later; nothing lost; the tab learnt; every candidate judged."""
    story = play(tmp_path, "--rounds", "3", "--questions", "80", "--seed", "5")
    first, last = story["rounds"][0], story["rounds"][-1]
    assert first["person_share"] == 1
    assert last["person_share"] < 0.9
    assert all(each["system_accuracy"] >= 0.9 for each in story["rounds"])
    assert last["device_alone"] > first["device_alone"]
    assert story["lost"] == 0
    assert story["asked"] <= 240
    assert story["releases"] + story["refused"] == 3 * 2
    assert 0 < story["first_prediction_ms"] < story["python_ready_ms"]
    assert story["fine_tune_ms"] > 0
    assert story["round_trip_ms"] > 0


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("seed", range(4))
def test_the_story_reaches_its_targets(seed: int, tmp_path: Path) -> None:
    """Ten rounds: the device asks less, persons hardly at all, the whole stays right, the device alone gets better."""
    story = play(tmp_path, "--seed", str(seed))
    rounds = story["rounds"]
    assert len(rounds) == 10
    assert 1 - rounds[-1]["device_share"] <= 0.40
    assert rounds[-1]["person_share"] <= 0.05
    assert min(each["system_accuracy"] for each in rounds) >= 0.95
    assert rounds[-1]["device_alone"] >= max(0.85, rounds[0]["device_alone"] + 0.12)
    assert story["lost"] == 0
    assert story["releases"] > 0


@pytest.fixture
def short() -> Iterator[Path]:
    """A temporary folder for Chromium, whose sockets there may have paths of 107 bytes; pytest's can be too long."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.browser
def test_interrupting_leaves_nothing_running(short: Path) -> None:
    """Ctrl-C in the middle of the story: exit code 130, no traceback, both nodes gone, the temporary folder too."""
    environment = {**os.environ, "TMPDIR": str(short)}
    with subprocess.Popen(
        [*DEMO, "--seed", "5", "--questions", "40"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as demo:
        assert demo.stdout is not None
        first = demo.stdout.readline()
        time.sleep(2)
        demo.send_signal(signal.SIGINT)
        _, said = demo.communicate(timeout=60)
    assert first.startswith("round"), said
    assert demo.returncode == 130
    assert "Traceback" not in said
    ports = [
        int(line.rsplit(":", 1)[1].split("/")[0])
        for line in said.splitlines()
        if line.startswith(("desk", "dash"))
    ]
    assert len(ports) == 2
    for port in ports:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert list(short.glob("py-edge-demo-*")) == []


def test_a_used_port_and_a_missing_browser_are_one_sentence() -> None:
    """What is missing is said with its remedy, exit code 1, before anything is left running."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for more, environment, words in (
            (["--port", port], {}, "choose another"),
            ([], {"PY_EDGE_CHROMIUM": "/nowhere/chromium"}, "PY_EDGE_CHROMIUM"),
        ):
            done = subprocess.run(
                [*DEMO, "--seed", "5", *more],
                capture_output=True,
                text=True,
                env={**os.environ, **environment},
                check=False,
            )
            assert done.returncode == 1
            assert words in done.stderr.splitlines()[-1]
            assert "Traceback" not in done.stderr


@pytest.mark.browser
def test_with_a_display_the_users_browser_plays_it(tmp_path: Path) -> None:
    """Where there is a display the page opens in the browser that the user has, and the story is told there."""
    pid = tmp_path / "pid"
    flags = " ".join(
        [
            "--headless",
            "--remote-debugging-port=0",
            f"--user-data-dir={tmp_path / 'profile'}",
            *chromium_flags(),
        ]
    )
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho $$ > {pid}\nexec "{find_chromium()}" {flags} "$1" >/dev/null 2>&1\n')
    browser.chmod(0o755)
    file = tmp_path / "story.json"
    demo = [
        sys.executable,
        "-m",
        "py_edge",
        "demo",
        "--once",
        "--rounds",
        "1",
        "--questions",
        "20",
        "--json",
        str(file),
    ]
    try:
        done = subprocess.run(
            [*demo, "--seed", "5"], capture_output=True, text=True, timeout=600, check=False,
            env={**os.environ, "DISPLAY": ":99", "BROWSER": f"{browser} %s &"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "a headless one plays" not in done.stderr
        story = json.loads(file.read_text())
        assert story["lost"] == 0
        assert story["rounds"][0]["person_share"] == 1
    finally:
        os.kill(int(pid.read_text()), signal.SIGTERM)
