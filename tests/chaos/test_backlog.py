"""Ten thousand questions wait while the parent is away; when it is back they all go up soon, and none stays behind."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import httpx
import pytest

from py_edge.chain.tier import Tier
from py_edge.node.node import SystemClock
from py_edge.storage.sqlite import SqliteStore
from tests.chaos.places import NodeProcess, free_port
from tests.node.asking import DEVICE, question

pytestmark = pytest.mark.slow
COUNT = 10_000
SOON_S = 240.0  # a fraction of it on two quiet cores; CI's are not


def test_ten_thousand_waiting_questions_go_up_soon(tmp_path: Path) -> None:
    """Every one is with the parent, the outbox is empty, nothing was buried, and the site answers meanwhile."""
    room = {"outbox_limit": 2 * COUNT}
    cloud = {"name": "cloud", "level": 2, "data": tmp_path / "cloud", "port": free_port(), **room}
    parent = f"http://127.0.0.1:{cloud['port']}"
    site = {"name": "site", "data": tmp_path / "site", "port": free_port(), "parent": parent, **room}
    nodes = [NodeProcess(each, tmp_path / f"{each['name']}.log") for each in (site, cloud)]
    try:
        asyncio.run(fill(tmp_path / "site"))
        nodes[0].start()
        nodes[0].until_ready()
        with httpx.Client(base_url=nodes[0].url, timeout=10, trust_env=False) as http:
            assert http.get("/v1/status").json()["outbox"] == COUNT
            nodes[1].start()
            nodes[1].until_ready()
            begin = time.monotonic()
            while left := http.get("/v1/status").json()["outbox"]:
                assert time.monotonic() - begin < SOON_S, f"{left} still wait"
                time.sleep(1)
            print(f"\n{COUNT} waiting questions went up in {time.monotonic() - begin:.0f} s")
            assert http.get("/v1/dead-letters").json()["dead_letters"] == []
        told = httpx.get(f"{nodes[1].url}/v1/status", timeout=10, trust_env=False).json()
        assert {state: count for state, count in told["questions"].items() if count} == {"queued": COUNT}
    finally:
        for node in nodes:
            if node.process is not None:
                node.kill()


async def fill(data: Path) -> None:
    """A site's folder with all of them in its outbox."""
    store = SqliteStore(data / "node.db")
    tier = Tier("site", 1, store, SystemClock(), random.Random(0))
    await asyncio.gather(*[tier.ask(question(number), DEVICE) for number in range(1, COUNT + 1)])
    await store.close()
