"""One node for a long time: questions at a steady rate, each erased some seconds later, and nothing grows.

    python -m tests.benchmarks.soak --seconds 180 --rate 200      (a day: --seconds 86400)

Prints JSON; fails on an answer that is not as it should be, a rate that is not held, a log above 64 MiB, descriptors that
grow, or memory that grows by more than --most-mib between the second and the last quarter (per hour, when it runs for
longer).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.idle_streams import rss_mib
from tests.benchmarks.load_node import NODE, ROOT, body_of, sync_ms, wait_for
from tests.benchmarks.load_rows import send

PORT, LANES, ERASED_AFTER_S = 18890, 32, 10.0
WAL_LIMIT_MIB, FILES_LIMIT = 64, 4


@dataclass
class Lane:
    """One connection that asks and erases in turns; each step is planned for a moment."""

    number: int
    options: argparse.Namespace
    waits_s: list[float] = field(default_factory=list)
    errors: int = 0
    asked: int = 0

    async def run(self, begin: float) -> None:
        """Until the time is over; then erase the rest."""
        options, loop = self.options, asyncio.get_running_loop()
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", PORT)
        every_s, behind = LANES / options.rate, round(ERASED_AFTER_S * options.rate / LANES)
        for sequence in range(1, round(options.seconds / every_s) + behind + 1):
            planned = begin + sequence * every_s
            await asyncio.sleep(max(0.0, planned - loop.time()))
            if planned < begin + options.seconds:
                await self.step(body_of(self.number, sequence, options.bytes), 202)
                self.waits_s.append(loop.time() - planned)
                self.asked += 1
            if 0 < sequence - behind <= self.asked:
                path = f"/v1/questions/{self.number:032x}/{sequence - behind}"
                await self.step(f"DELETE {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode(), 200)
        self.writer.close()

    async def step(self, request: bytes, wanted: int) -> None:
        """One request."""
        status, _ = await send(self.reader, self.writer, request)
        self.errors += status != wanted


def look(pid: int, folder: Path) -> dict[str, float]:
    """What must not grow."""
    log = folder / "node.db-wal"
    return {
        "rss_mib": rss_mib(pid), "files": len(os.listdir(f"/proc/{pid}/fd")),
        "wal_mib": log.stat().st_size / (1 << 20) if log.exists() else 0.0,
    }  # fmt: skip


async def soak(pid: int, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """All lanes, and a look every second."""
    begin = asyncio.get_running_loop().time() + 0.5
    lanes = [Lane(number + 1, options) for number in range(LANES)]
    work = asyncio.gather(*[lane.run(begin + lane.number / options.rate) for lane in lanes])
    looks = []
    while not work.done():
        looks.append(look(pid, folder))
        await asyncio.sleep(1.0)
    await work
    took_s = asyncio.get_running_loop().time() - begin
    waits_s = sorted(wait for lane in lanes for wait in lane.waits_s)
    return {
        "seconds": options.seconds, "took_s": round(took_s, 1), "asked": sum(lane.asked for lane in lanes),
        "errors": sum(lane.errors for lane in lanes),
        "p50_ms": round(1e3 * statistics.median(waits_s), 2),
        "p99_ms": round(1e3 * waits_s[int(0.99 * len(waits_s))], 2),
        "rss_mib": [quarter(looks, part, "rss_mib") for part in range(4)],
        "files": [quarter(looks, part, "files") for part in range(4)],
        "wal_most_mib": round(max(each["wal_mib"] for each in looks), 1),
        "database_mib": (folder / "node.db").stat().st_size >> 20,
    }  # fmt: skip


def quarter(looks: list[dict[str, float]], part: int, name: str) -> float:
    """The median of a quarter of the time."""
    begin, end = (len(looks) * each // 4 for each in (part, part + 1))
    return round(statistics.median(each[name] for each in looks[begin:end]), 1)


def troubles(found: dict[str, Any], most_mib: float) -> list[str]:
    """What is not as it should be."""
    hours = found["seconds"] / 3600
    grown = found["rss_mib"][3] - found["rss_mib"][1]
    checks = {
        f"{found['errors']} answers were wrong": found["errors"] > 0,
        f"the log had {found['wal_most_mib']} MiB": found["wal_most_mib"] > WAL_LIMIT_MIB,
        f"descriptors went from {found['files'][1]} to {found['files'][3]}": found["files"][3]
        > found["files"][1] + FILES_LIMIT,
        f"it took {found['took_s']} s": found["took_s"] > 1.1 * found["seconds"] + 2 * ERASED_AFTER_S,
        f"memory grew by {grown:.1f} MiB": grown > most_mib * max(1.0, hours / 2),
    }
    return [name for name, holds in checks.items() if holds]


def main() -> int:
    """Start a node, soak it, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--bytes", type=int, default=3000)
    parser.add_argument("--most-mib", type=float, default=2.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        disk_ms = sync_ms(folder)
        node = subprocess.Popen([sys.executable, "-c", NODE, f"{folder}/node", str(PORT)], cwd=ROOT)
        try:
            wait_for(PORT)
            found = asyncio.run(soak(node.pid, Path(folder, "node"), options))
        finally:
            node.terminate()
            node.wait(30)
    wrong = troubles(found, options.most_mib)
    print(json.dumps({"fdatasync_ms": disk_ms, **found, "troubles": wrong}, indent=1))
    return 1 if wrong or node.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
