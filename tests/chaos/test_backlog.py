"""Ten thousand questions wait while the parent is away; when it is back they all go up soon, and none stays behind."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import httpx
import pytest

from tests.chaos.places import NodeProcess, free_port
from tests.node.asking import DEVICE, question, until

pytestmark = pytest.mark.slow
COUNT, AT_ONCE = 10_000, 32
SOON_S = 150.0  # 60 s on two quiet cores; CI's are not


def test_ten_thousand_waiting_questions_go_up_soon(tmp_path: Path) -> None:
    """Every one is with the parent, the outbox is empty, nothing was buried, and the site answers meanwhile."""
    room = {"outbox_limit": 2 * COUNT}
    cloud = {"name": "cloud", "level": 2, "data": tmp_path / "cloud", "port": free_port(), **room}
    parent = f"http://127.0.0.1:{cloud['port']}"
    site = {"name": "site", "data": tmp_path / "site", "port": free_port(), "parent": parent, **room}
    nodes = [NodeProcess(each, tmp_path / f"{each['name']}.log") for each in (site, cloud)]
    try:
        nodes[0].start()
        nodes[0].until_ready()
        assert asyncio.run(ask_all(nodes[0].url)) == {202}
        with httpx.Client(base_url=nodes[0].url, timeout=10, trust_env=False) as http:
            assert http.get("/v1/status").json()["outbox"] == COUNT
            nodes[1].start()
            nodes[1].until_ready()
            begin = time.monotonic()
            until(lambda: http.get("/v1/status").json()["outbox"] == 0, SOON_S)
            print(f"\n{COUNT} waiting questions went up in {time.monotonic() - begin:.0f} s")
            assert http.get("/v1/dead-letters").json()["dead_letters"] == []
        told = httpx.get(f"{nodes[1].url}/v1/status", timeout=10, trust_env=False).json()
        assert told["questions"] == {"queued": COUNT}
    finally:
        for node in nodes:
            if node.process is not None:
                node.kill()


async def ask_all(url: str) -> set[int]:
    """Ask them all; gives the kinds of replies."""
    numbers, replies = iter(range(1, COUNT + 1)), set()

    async def one_after_the_other(http: httpx.AsyncClient) -> None:
        for number in numbers:
            wire = question(number).to_json()
            replies.add((await http.put(f"/v1/questions/{DEVICE}/{number}", json=wire)).status_code)

    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as http:
        await asyncio.gather(*[one_after_the_other(http) for _ in range(AT_ONCE)])
    return replies
