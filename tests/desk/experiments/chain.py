"""X9, X10 and X11 over real nodes and real HTTP: the way home, a desk that is asked too much, equal questions.

Run: python -m tests.desk.experiments.chain [--json FILE] [--svg FILE, one picture each]. Two nodes on loopback, SQLite, the far one with the desk.
X9: milliseconds from a person's vote at the far node to the event on the device's open stream at the near node.
X10: a desk served at a steady pace by one person is asked three times as much as it can do, with room for 30 questions:
goodput against the pace alone, how fast refusals come, and how far the waiting time told at the start was off.
X11: 1,000 devices ask 50 distinct questions; how many the far node hears, and whether each device gets its own answer.
Controls: the way home by asking every second; a desk that is not asked too much; devices that all ask something else.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from py_edge.node.settings import Settings
from tests.node.asking import ask, question, until
from tests.node.conftest import LiveNode
from tests.train.experiments.command import flags, publish
from tests.train.experiments.picture import Panel, draw

DEVICES, DISTINCT, APART, CLICKS, POLLED, DESK_S, ROOM, OVERLOAD_S = 1_000, 50, 200, 60, 8, 0.1, 30, 12.0


@contextmanager
def two_nodes(**far: Any) -> Iterator[tuple[LiveNode, LiveNode]]:
    """A near node under a far one."""
    with tempfile.TemporaryDirectory() as folder:
        top = LiveNode(Settings(name="far", level=2, data=f"{folder}/far", port=0, **far))
        near = LiveNode(Settings(name="near", data=f"{folder}/near", port=0, parent=top.url))
        try:
            yield near, top
        finally:
            near.stop()
            top.stop()


def vote_next(http: httpx.Client, label: Callable[[dict[str, Any]], int]) -> bool:
    """One look and one vote of one person; False when nothing waits."""
    task = http.get("/v1/desk/next?annotator=ann").json()["task"]
    if task is None:
        return False
    body = {"annotator": "ann", "verdict": "label", "label_index": label(task), "seconds": DESK_S}
    return http.post(f"/v1/desk/{task['task']}/vote", json=body).status_code == 200


def way_home(clicks: int, poll_s: float = 0.0) -> dict[str, Any]:
    """X9: over the stream, or (the control) by asking every poll_s."""
    device, waits = "ab" * 16, []
    with (
        two_nodes() as (near, far),
        near.http.stream("GET", f"/v1/answers/stream?device={device}") as open_stream,
        httpx.Client(base_url=near.url, trust_env=False) as http,
    ):
        lines = open_stream.iter_lines()
        for sequence in range(1, clicks + 1):
            ask(http, question(sequence, device=device))
            until(lambda: far.http.get("/v1/status").json()["tasks_open"])
            begin = time.perf_counter()
            vote_next(far.http, lambda task: 3)
            if poll_s:
                while not (page := http.get(f"/v1/answers?device={device}").json()["answers"]):
                    time.sleep(poll_s)
                taken = [entry["event"] for entry in page]
                http.post("/v1/answers/ack", json={"device": device, "events": taken})
            else:
                while not next(lines).startswith("data:"):
                    pass
            waits.append(1e3 * (time.perf_counter() - begin))
    waits.sort()
    return {"clicks": clicks, "p50_ms": round(waits[clicks // 2], 1), "p95_ms": round(waits[int(0.95 * clicks)], 1),
            "most_ms": round(waits[-1], 1)}  # fmt: skip


def overload(factor: float) -> dict[str, Any]:
    """X10: one person who takes DESK_S per vote, questions at `factor` times that pace."""
    refused_ms, told, asked_at = [], {}, {}
    over = threading.Event()
    with tempfile.TemporaryDirectory() as folder:
        node = LiveNode(Settings(name="desk", data=f"{folder}/desk", port=0, outbox_limit=ROOM))
        try:
            person = threading.Thread(target=sit, args=(node, over))
            person.start()
            begin = time.perf_counter()
            sequence = 0
            while (now := time.perf_counter()) < begin + OVERLOAD_S:
                sequence += 1
                answer = ask(node.http, question(sequence))
                if answer.status_code == 202:
                    asked_at[sequence], told[sequence] = time.time(), answer.json()["estimate_s"]
                else:
                    refused_ms.append(1e3 * (time.perf_counter() - now))
                time.sleep(max(0.0, begin + sequence * DESK_S / factor - time.perf_counter()))
            done = node.http.get("/v1/status").json()["votes"]
            until(lambda: not node.http.get("/v1/status").json()["tasks_open"], 30)
            over.set()
            person.join(10)
            off = [error for number in asked_at if (error := miss(node, number, asked_at, told)) is not None]
        finally:
            over.set()
            node.stop()
    refused_ms.sort()
    return {"factor": factor, "goodput": round(done * DESK_S / OVERLOAD_S, 3), "refused": len(refused_ms),
            "refusal_p99_ms": round(refused_ms[int(0.99 * len(refused_ms))], 1) if refused_ms else None,
            "told_wait_median_error": round(statistics.median(off), 3) if off else None}  # fmt: skip


def sit(node: LiveNode, over: threading.Event) -> None:
    """A person at a steady pace."""
    with httpx.Client(base_url=node.url, trust_env=False) as http:
        while not over.is_set():
            begin = time.perf_counter()
            vote_next(http, lambda task: 3)
            time.sleep(max(0.0, begin + DESK_S - time.perf_counter()))


def miss(node: LiveNode, number: int, asked_at: dict[int, float], told: dict[int, Any]) -> float | None:
    """How far the told wait was off, as a share of the wait; None when none was told, or under half a second."""
    history = node.http.get(f"/v1/questions/{question(number).device}/{number}").json()
    if told[number] is None or not history["answers"]:
        return None
    waited = float(history["answers"][0]["answered_at_ms"]) / 1000 - asked_at[number]
    return abs(told[number] - waited) / waited if waited >= 0.5 else None


def coalescing(devices: int, distinct: int) -> dict[str, Any]:
    """X11: how many asks the far node hears, and how many devices get the right answer, once."""
    with two_nodes() as (near, far):
        for number in range(devices):
            ask(near.http, question(1, float(number % distinct), device=f"{number + 1:032x}"))
        until(lambda: far.http.get("/v1/status").json()["tasks_open"] == distinct, 30)
        while vote_next(far.http, lambda task: value_of(task) % 10):
            pass
        until(lambda: near.http.get("/v1/status").json()["questions"]["answered"] == devices, 60)
        upstream = sum(far.http.get("/v1/status").json()["questions"].values())
        right = 0
        for number in range(devices):
            page = near.http.get(f"/v1/answers?device={number + 1:032x}").json()["answers"]
            right += len(page) == 1 and page[0]["answer"]["label_index"] == number % distinct % 10
    return {"devices": devices, "distinct": distinct, "upstream_asks": upstream, "right": right}


def value_of(task: dict[str, Any]) -> int:
    """The number that the question was about."""
    import base64
    import struct

    return int(struct.unpack("<f", base64.b64decode(task["input"]["data"])[:4])[0])


def pictures(found: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Each experiment as SVG, by its name."""

    def panel(title: str, name: str, key: str, high: float, wanted: float) -> Panel:
        rows = {arm: row[key] for arm, row in found[name].items() if row[key] is not None}
        return Panel(title, {arm: (value, 0.0) for arm, value in rows.items()}, 0.0, high, wanted)

    note = "two nodes on loopback, SQLite, real HTTP"
    return {
        "X9": draw(
            "From a person's vote to the device, ms", note,
            [panel("median", "X9", "p50_ms", 1000, 250), panel("95th percentile", "X9", "p95_ms", 1000, 250)], ["stream"],
        ),
        "X10": draw(
            "A desk that is asked three times what it can do", f"one person, {1 / DESK_S:g} votes a second, room for {ROOM}",
            [
                panel("done, of what it can", "X10", "goodput", 1.2, 0.8),
                panel("refused after, ms (p99)", "X10", "refusal_p99_ms", 100, 50),
                panel("told wait off by", "X10", "told_wait_median_error", 1, 0.25),
            ], ["3 x"],
        ),
        "X11": draw(
            "Equal questions are asked upstream once", note,
            [panel("asks upstream", "X11", "upstream_asks", 250, 60), panel("right answers", "X11", "right", DEVICES, DEVICES)],
            [f"{DEVICES} ask {DISTINCT}"],
        ),
    }  # fmt: skip


def main() -> None:
    """All three; prints and writes one JSON, and one picture each."""
    options = flags()
    found: dict[str, dict[str, Any]] = {
        "X9": {"stream": way_home(CLICKS), "poll 1 s": way_home(POLLED, 1.0)},
        "X11": {
            f"{DEVICES} ask {DISTINCT}": coalescing(DEVICES, DISTINCT),
            f"{APART} ask {APART}": coalescing(APART, APART),
        },
        "X10": {f"{factor:g} x": overload(factor) for factor in (0.8, 3.0)},
    }
    print(json.dumps(found, indent=1))
    publish(options, found, pictures(found))


if __name__ == "__main__":
    main()
