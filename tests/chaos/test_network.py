"""Four tiers in network namespaces with a bad network between them: nothing lost, nothing twice, everything ends.

Devices, site, region and cloud each have a namespace; wires are taken away whole and one way, and between two tiers
every TCP connection has a fate of its own (see proxy.py). netem is laid over it where the kernel has it.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos import namespaces
from tests.chaos.history import check_history, count, read_events
from tests.chaos.load import read_look
from tests.chaos.places import ROOT, NodeProcess, inside
from tests.chaos.scale import SCALE
from tests.node.asking import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not namespaces.possible(), reason="network namespaces need root and iproute2"),
]
NAMES = ("site", "region", "cloud")
PORT, PROXY_PORT, TOKEN = 8600, 8700, "a-secret-of-this-test-only"
PATIENCE_S, START_S, LONGEST_S, ENOUGH = 150.0, 90.0, 120.0, 20
Processes = list[subprocess.Popen[bytes]]


@pytest.fixture
def row() -> Iterator[namespaces.Row]:
    """Namespaces for devices, site, region, cloud."""
    with namespaces.Row(len(NAMES) + 1) as made:
        yield made


@pytest.fixture
def helpers() -> Iterator[Processes]:
    """Processes that are killed at the end."""
    processes: Processes = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def test_a_bad_network_loses_nothing(row: namespaces.Row, helpers: Processes, tmp_path: Path) -> None:
    """After the network has healed every acknowledged question has its answer, once, at its own device."""
    calm, stop, history = tmp_path / "calm", tmp_path / "stop", tmp_path / "history.jsonl"

    def helper(number: int, *words: str) -> subprocess.Popen[bytes]:
        command = [*inside(row.names[number]), sys.executable, "-m", *words]
        helpers.append(subprocess.Popen(command, cwd=ROOT))
        return helpers[-1]

    nodes = [make_node(row, number, tmp_path) for number in range(1, len(NAMES) + 1)]
    for number in range(len(NAMES)):
        target = f"{row.address(number + 1)}:{PORT}"
        helper(
            number, "tests.chaos.proxy", "--listen", str(PROXY_PORT), "--to", target,
            "--seed", str(number), "--calm", str(calm),
        )  # fmt: skip
    for node in nodes:
        node.start()
        assert node.process is not None
        helpers.append(node.process)
    near, top = f"http://127.0.0.1:{PROXY_PORT}", f"http://127.0.0.1:{PORT}"
    helper(len(NAMES), "tests.chaos.load", "person", "--url", top, "--token", TOKEN)
    devices = helper(
        0, "tests.chaos.load", "devices", "--url", near, "--token", TOKEN, "--history", str(history),
        "--stop", str(stop), "--patience-s", str(PATIENCE_S), "--pause-s", "0.1",
    )  # fmt: skip
    calm.touch()
    until(lambda: acknowledged(history) > 0, START_S)
    calm.unlink()
    netem = storm(row, lambda: acknowledged(history) > ENOUGH)
    calm.touch()
    stop.touch()
    devices.wait(PATIENCE_S + 30)
    known = {}
    for number, node in enumerate(nodes, 1):
        out = tmp_path / f"{node.name}.json"
        words = ("--url", top, "--token", TOKEN, "--history", str(history), "--out", str(out))
        assert helper(number, "tests.chaos.load", "look", *words).wait(PATIENCE_S + 30) == 0
        known[node.name] = read_look(out)
    events = read_events(history)
    print(
        f"\n{SCALE.storm_s:.0f} s of storm, netem {'laid over' if netem else 'not in this kernel'}: {count(events)}"
    )
    assert check_history(events, known) == []
    assert count(events)["ok"] > ENOUGH
    assert count(events)["erased"] > 0


def acknowledged(history: Path) -> int:
    """How many questions the devices know to be safe."""
    return history.read_text(encoding="utf-8").count('"kind": "ok"') if history.exists() else 0


def make_node(row: namespaces.Row, number: int, tmp_path: Path) -> NodeProcess:
    """The node of namespace `number`, whose parent stands behind a proxy of its own."""
    name = NAMES[number - 1]
    settings = {
        "name": name, "level": number, "data": tmp_path / name, "port": PORT, "host": "0.0.0.0",
        "token": TOKEN,
    }  # fmt: skip
    if number < len(NAMES):
        settings |= {"parent": f"http://127.0.0.1:{PROXY_PORT}", "parent_token": TOKEN}
    return NodeProcess(settings, tmp_path / f"{name}.log", row.names[number])


def storm(row: namespaces.Row, enough: Callable[[], bool]) -> bool:
    """Spoil the wires for a while, longer on a slow machine, then mend all; gives whether netem took part."""
    rng = random.Random(7)
    wires = range(len(NAMES))
    netem = min(tuple(row.shake(wire, namespaces.NETEM) for wire in wires))
    begin = time.monotonic()
    while (lasted := time.monotonic() - begin) < SCALE.storm_s or (lasted < LONGEST_S and not enough()):
        spoil = rng.choice((row.cut, row.one_way))
        wire = rng.choice(wires)
        spoil(wire, True)
        time.sleep(rng.random() * 2)
        spoil(wire, False)
        time.sleep(rng.random())
    for wire in wires:
        row.shake(wire, "")
        row.cut(wire, False)
        row.one_way(wire, False)
    return netem
