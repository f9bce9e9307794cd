"""The other rows of the load table: one node, or two, with what reliability asks of it beside the plain rate.

    python -m tests.benchmarks.load_rows [large slow_disk postgres relay storm ready idle] [--seconds 5]

Prints one JSON: per row what was measured and the floor it is held against; fails when a floor is missed. Every node is
as shipped, on a disk, with synchronous=FULL (PostgreSQL: fsync on); clients and nodes share the processors.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from py_edge.chain import retry
from tests.benchmarks.idle_streams import allow_files, rss_mib
from tests.benchmarks.load_node import (
    NODE,
    ROOT,
    SERVERS,
    body_of,
    cpu_s,
    measure,
    run_hammer,
    slower_disk,
    sync_ms,
    wait_for,
)
from tests.benchmarks.many_rows import fill
from tests.storage.postgres_server import PostgresServer, find_binaries

PORT = 18800
FIRST_S = (retry.FIRST_S, 0.5)  # of the loops of a device
Facts = dict[str, Any]
Floor = dict[str, tuple[str, float]]  # what was measured: "<=" or ">=" and the floor


def large(folder: str, options: argparse.Namespace) -> Facts:
    """64 clients with questions of 64 KiB: as fast as they are answered, and at 250 per second."""
    return closed_and_paced(f"{folder}/large", options, {}, size=64 << 10, rate=250)


def slow_disk(folder: str, options: argparse.Namespace) -> Facts:
    """3 kB on a disk that takes 5 ms longer for every sync: as fast as they are answered, and at 800 per second."""
    return closed_and_paced(f"{folder}/slow", options, slower_disk(folder, 5.0), size=3000, rate=800)


def postgres(folder: str, options: argparse.Namespace) -> Facts:
    """3 kB from 64 clients: SQLite and PostgreSQL in turns; the server works on the same processors."""
    binaries = find_binaries()
    if binaries is None:
        raise SystemExit("PostgreSQL is not installed")
    rates: dict[str, list[float]] = {"sqlite": [], "postgres": []}
    with PostgresServer(binaries) as server:
        for number in range(options.rounds):
            for name, rate in rates.items():
                environment = {"PY_EDGE_DATABASE": server.new_database()} if name == "postgres" else {}
                found = measure(NODE, f"{folder}/{name}{number}", PORT, load(options, environment))
                rate.append(found.per_s)
    ratios = [ours / theirs for ours, theirs in zip(rates["postgres"], rates["sqlite"], strict=True)]
    return {**rates, "ratio": round(statistics.median(ratios), 3)}


def relay(folder: str, options: argparse.Namespace) -> Facts:
    """What a child has collected while its parent was away, handed over: questions of 3 kB per second."""
    child, parent = PORT + 1, PORT + 2
    given = load(options, {"PY_EDGE_PARENT": f"http://127.0.0.1:{parent}", "PY_EDGE_NAME": "child"})
    with node(f"{folder}/child", child, given.environment) as below:
        run_hammer(child, given, rate=0.0)
        waiting, before_s = count(child), cpu_s(below.pid)
        with node(f"{folder}/parent", parent, {"PY_EDGE_LEVEL": "2", "PY_EDGE_NAME": "parent"}) as above:
            begin, left = 0.0, waiting
            while left and time.monotonic() - (begin or time.monotonic()) < 60:
                left = count(child)
                begin = begin or (time.monotonic() if left < waiting else 0.0)
                time.sleep(0.25)  # a look costs the child something too
            took_s, items = time.monotonic() - begin, waiting - left
            cpu = {
                "child": cpu_s(below.pid) - before_s,
                "parent": cpu_s(above.pid),
            }  # the parent's start included
    return {
        "items": items, "left": left, "per_s": round(items / took_s, 1),
        **{f"{name}_cpu_ms": round(1e3 * spent_s / items, 3) for name, spent_s in cpu.items()},
    }  # fmt: skip


def storm(folder: str, options: argparse.Namespace) -> Facts:
    """Devices that could not reach their node, each with three questions, when it is there again after 15 s."""
    allow_files(options.devices + 1_000)
    with node(f"{folder}/storm", PORT, {}):
        pass  # a first start makes the database
    return asyncio.run(weather_storm(f"{folder}/storm", options.devices))


def ready(folder: str, options: argparse.Namespace) -> Facts:
    """From the start of the process after SIGKILL to the first answer, with many questions kept."""
    where = Path(options.keep or f"{folder}/ready")
    if not (where / "node.db").exists():
        asyncio.run(fill(where / "node.db", options.questions, options.bytes))
    took_s = []
    for _ in range(3):
        begin = time.monotonic()
        with node(str(where), PORT, {}) as process:
            took_s.append(round(time.monotonic() - begin, 2))
            run_hammer(PORT, load(options, {}, seconds=1.0), rate=200)
            process.send_signal(signal.SIGKILL)
            process.wait()
    size = sum(path.stat().st_size for path in where.glob("node.db*"))
    return {"questions": options.questions, "mib": size >> 20, "starts_s": took_s, "worst_s": max(took_s)}


def idle(folder: str, options: argparse.Namespace) -> Facts:
    """Memory of a node that nobody asks anything."""
    with node(f"{folder}/idle", PORT, {}) as process:
        time.sleep(options.seconds)
        return {"rss_mib": rss_mib(process.pid)}


ROWS: dict[str, tuple[Callable[[str, argparse.Namespace], Facts], Floor]] = {
    "large": (large, {"per_s": (">=", 250), "p99_ms": ("<=", 250)}),
    "slow_disk": (slow_disk, {"per_s": (">=", 800), "p99_ms": ("<=", 150)}),
    "postgres": (postgres, {"ratio": (">=", 0.6)}),
    "relay": (relay, {"per_s": (">=", 5000), "left": ("<=", 0)}),
    "storm": (storm, {"drained_s": ("<=", 60), "most_tries_in_10_s": ("<=", 3), "health_p99_ms": ("<=", 200)}),
    "ready": (ready, {"worst_s": ("<=", 3)}),
    "idle": (idle, {"rss_mib": ("<=", 80)}),
}  # fmt: skip


def closed_and_paced(
    where: str, options: argparse.Namespace, environment: dict[str, str], size: int, rate: float
) -> Facts:
    """A closed loop finds the rate; the latency is that at the rate of the floor."""
    most = measure(SERVERS["node"], f"{where}-closed", PORT, load(options, environment, size))
    paced = measure(SERVERS["node"], f"{where}-paced", PORT, load(options, environment, size), rate)
    return {"per_s": most.per_s, "p99_ms": paced.p99_ms, "closed": most.__dict__, "paced": paced.__dict__}


def load(
    options: argparse.Namespace, environment: dict[str, str], size: int = 3000, seconds: float = 0.0
) -> argparse.Namespace:
    """What `load_node` wants to know."""
    return argparse.Namespace(
        clients=64, seconds=seconds or options.seconds, bytes=size, environment=environment
    )  # fmt: skip


@contextmanager
def node(where: str, port: int, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A node that answers; ended at the end."""
    command = [sys.executable, "-c", NODE, where, str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment)
    try:
        wait_for(port)
        yield process
    finally:
        process.terminate()
        process.wait(30)


def count(port: int) -> int:
    """Rows in a node's outbox."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/status", timeout=20) as response:
        return int(json.load(response)["outbox"])


async def weather_storm(where: str, devices: int) -> Facts:
    """All devices try from the start, with the back-off of the chain; the node comes after 15 s."""
    tries: list[list[float]] = [[] for _ in range(devices)]
    crowd = [asyncio.create_task(be_device(number + 1, tries[number])) for number in range(devices)]
    await asyncio.sleep(15)
    command = [sys.executable, "-c", NODE, where, str(PORT)]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    try:
        await asyncio.to_thread(wait_for, PORT)
        healed = time.monotonic()
        health: list[float] = []
        watching = asyncio.create_task(watch_health(health))
        done, _ = await asyncio.wait(crowd, timeout=75)
        drained_s = max((each.result() for each in done), default=0.0) - healed
        watching.cancel()
    finally:
        for each in crowd:
            each.cancel()
        process.terminate()
        await process.wait()
    most = max(sum(at <= later < at + 10 for later in mine) for mine in tries for at in mine if at >= healed)
    return {
        "devices": devices, "drained": len(done), "drained_s": round(drained_s, 2) if len(done) == devices else 1e9,
        "most_tries_in_10_s": most, "health_p99_ms": round(1e3 * statistics.quantiles(health, n=100)[98], 2),
        "tries": sum(map(len, tries)),
    }  # fmt: skip


async def be_device(number: int, tries: list[float]) -> float:
    """Send three questions, each until it is taken; gives when the last was.

    As in the chain two loops try, each with its own back-off: one sends, one listens; who comes through wakes the other.
    """
    chance, left = random.Random(number), [body_of(number, sequence, 3000) for sequence in (1, 2, 3)]
    attempts, next_s = [0, 0], [0.0, 0.0]
    while left:
        which = next_s.index(min(next_s))
        await asyncio.sleep(max(0.0, next_s[which] - time.monotonic()))
        tries.append(time.monotonic())
        wait_s = retry.delay_s(attempts[which], chance, FIRST_S[which])
        attempts[which] += 1
        with suppress(OSError, asyncio.IncompleteReadError):
            wait_s = max(wait_s, await send_all(left))
        next_s[which] = time.monotonic() + wait_s
    return time.monotonic()


async def send_all(left: list[bytes]) -> float:
    """On one connection until all are taken, or one is not; gives the Retry-After of that one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    try:
        while left:
            status, wished_s = await send(reader, writer, left[0])
            if status not in (200, 202):
                return wished_s
            left.pop(0)
        return 0.0
    finally:
        writer.close()


async def send(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> tuple[int, float]:
    """One question; gives the status and what Retry-After asks for."""
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    fields = dict(line.split(": ", 1) for line in head.strip().split("\r\n")[1:])
    await reader.readexactly(int(fields["content-length"]))
    return int(head.split()[1]), float(fields.get("retry-after", 0))


async def watch_health(waits: list[float]) -> None:
    """How long /healthz takes, twenty times a second."""
    request = b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
    while True:
        begin = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        await send(reader, writer, request)
        writer.close()
        waits.append(time.monotonic() - begin)
        await asyncio.sleep(0.05)


def judge(facts: Facts, floor: Floor) -> Facts:
    """Beside what was measured: the floor, and whether it is reached."""
    holds = {"<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b}
    told = {name: f"{sign} {wanted:g}" for name, (sign, wanted) in floor.items()}
    reached = all(holds[sign](facts[name], wanted) for name, (sign, wanted) in floor.items())
    return {**facts, "floor": told, "reached": reached}


def main() -> int:
    """Measure the rows and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("rows", nargs="*", help=f"some of {', '.join(ROWS)}; all without a word")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3, help="of postgres")
    parser.add_argument("--devices", type=int, default=2_000, help="of storm")
    parser.add_argument("--questions", type=int, default=1_000_000, help="of ready")
    parser.add_argument("--bytes", type=int, default=3000, help="of one question of ready")
    parser.add_argument(
        "--keep", default="", help="folder in which ready keeps its database, to be used again"
    )
    options = parser.parse_args()
    if unknown := set(options.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    found: dict[str, Facts] = {}
    with tempfile.TemporaryDirectory() as folder:
        disk_ms = sync_ms(folder)
        for name in options.rows or ROWS:
            row, floor = ROWS[name]
            found[name] = judge(row(folder, options), floor)
    rig = {"cpus": os.cpu_count(), "load": os.getloadavg(), "fdatasync_ms": disk_ms}
    print(json.dumps({"rig": rig, "rows": found}, indent=1))
    return 0 if all(row["reached"] for row in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
