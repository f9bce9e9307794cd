"""Structured logs of a whole chain: one trace per question, at every node, in every step."""

from __future__ import annotations

import json
from pathlib import Path

import httpx

from tests.chaos.places import NodeProcess, free_port
from tests.node.asking import ask, first_value, question, until, until_answers, work_desk


def test_one_trace_over_all_tiers(tmp_path: Path) -> None:
    """Asked at the site, answered at the cloud: every line is JSON, and both nodes tell of the same trace."""
    ports = free_port(), free_port()
    cloud = NodeProcess(
        {"name": "cloud", "level": 2, "port": ports[1], "log": "json"}, tmp_path / "cloud.log"
    )
    parent = f"http://127.0.0.1:{ports[1]}"
    site = NodeProcess(
        {"name": "site", "port": ports[0], "parent": parent, "log": "json"}, tmp_path / "site.log"
    )  # fmt: skip
    try:
        for node in (cloud, site):
            node.start()
            node.until_ready()
        with (
            httpx.Client(base_url=site.url, trust_env=False) as http,
            httpx.Client(base_url=cloud.url, trust_env=False) as top,
        ):
            device = question(1).device
            assert ask(http, question(1, trace="ab12")).status_code == 202
            assert ask(http, question(2)).status_code == 202
            until(lambda: top.get("/v1/status").json()["tasks_open"] == 2)
            work_desk(top, first_value)
            until_answers(http, device, 2)
            made = http.get(f"/v1/questions/{device}/2").json()
            assert (
                made["question"]["trace"] == top.get(f"/v1/questions/{device}/2").json()["question"]["trace"]
            )
            assert len(made["question"]["trace"]) == 16
            assert made["owner"] == "cloud"
    finally:
        for node in (cloud, site):
            node.kill()
    lines = [json.loads(line) for node in (site, cloud) for line in told(node.log)]
    mine = [(line["node"], line["event"]) for line in lines if line.get("trace") == "ab12"]
    assert mine == [("site", "asked"), ("site", "sent"), ("site", "answered"), ("cloud", "asked")]
    assert all({"at_ms", "level", "logger"} <= set(line) for line in lines)


def told(log: Path) -> list[str]:
    """The log without the greeting for people."""
    return [line for line in log.read_text().splitlines() if " answers at " not in line]
