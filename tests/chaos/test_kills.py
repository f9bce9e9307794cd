"""Real nodes under load, killed at random again and again: nothing lost, nothing twice, everything ends.

A chain of three processes, devices and a person outside. A kill is SIGKILL of a random node, or of the database server
under all of them, at a random moment; it is started again at once on the same data. Fifteen kills by default, 200 with
`make chaos`, 1,000 with CHAOS=long.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from py_edge.node.serve import EXIT_SETTINGS
from tests.chaos.history import check_history, count, read_events
from tests.chaos.load import look
from tests.chaos.places import ROOT, NodeProcess, free_port
from tests.chaos.scale import SCALE
from tests.storage.postgres_server import PostgresServer

pytestmark = pytest.mark.slow
NAMES = ("site", "region", "cloud")
PATIENCE_S = 120.0


class Mortal(Protocol):
    """What may be killed and started again on the same data: a node, or the database server of all of them."""

    def kill(self) -> None: ...

    def start(self) -> None: ...

    def until_ready(self) -> None: ...


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> PostgresServer | None:
    """The server that keeps what all nodes know; None: each has its own file."""
    found: PostgresServer | None = None
    if request.param == "postgres":
        found = request.getfixturevalue("postgres")
    return found


@pytest.fixture
def chain(tmp_path: Path, database: PostgresServer | None) -> Iterator[list[NodeProcess]]:
    """Three nodes, each the parent of the one before; all are killed at the end.

    A node that starts while its database is away ends with one sentence, and is started again as its service would.
    """
    ports = [free_port() for _ in NAMES]
    nodes = []
    for level, name in enumerate(NAMES, 1):
        settings = {"name": name, "level": level, "data": tmp_path / name, "port": ports[level - 1]}
        if level < len(NAMES):
            settings["parent"] = f"http://127.0.0.1:{ports[level]}"
        if database:
            settings["database"] = database.new_database()
        again_after = (EXIT_SETTINGS,) if database else ()
        nodes.append(NodeProcess(settings, tmp_path / f"{name}.log", again_after=again_after))
    for node in nodes:
        node.start()
    yield nodes
    for node in nodes:
        node.kill()


def test_random_kills_lose_nothing(
    chain: list[NodeProcess], database: PostgresServer | None, tmp_path: Path
) -> None:
    """The outside history of all devices and what every node says at the end agree."""
    for node in chain:
        node.until_ready()
    stop, history = tmp_path / "stop", tmp_path / "history.jsonl"
    words = [sys.executable, "-m", "tests.chaos.load"]
    person = subprocess.Popen([*words, "person", "--url", chain[-1].url], cwd=ROOT)
    devices = subprocess.Popen(
        [*words, "devices", "--url", chain[0].url, "--history", str(history), "--stop", str(stop),
         "--patience-s", str(PATIENCE_S)], cwd=ROOT,
    )  # fmt: skip
    rng = random.Random(f"{SCALE.kills} kills, {SCALE.number}")
    mortals: list[Mortal] = [*chain, database] if database else [*chain]
    try:
        for _ in SCALE.deaths():
            time.sleep(rng.random() * 0.5)
            mortal = rng.choice(mortals)
            if rng.random() < 0.5:
                mortal.until_ready()  # else it may die while it starts
            mortal.kill()
            mortal.start()
        for node in chain:
            node.until_ready()
        stop.touch()
        devices.wait(PATIENCE_S + 30)
        known = {node.name: look(node.url, history) for node in chain}
    finally:
        for process in (person, devices):
            process.kill()
            process.wait()
    events = read_events(history)
    print(f"\n{len(SCALE.deaths())} kills: {count(events)}")
    assert check_history(events, known) == []
    assert count(events)["ok"] > 10 * len(NAMES)
    assert count(events)["erased"] > 0
