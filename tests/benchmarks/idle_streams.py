"""Memory of one node under idle streams: 5,000 devices that listen for answers and get none.

    python -m tests.benchmarks.idle_streams --clients 5000

Prints JSON; fails when the node's resident memory is above --most-mib or a stream does not open.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.load_node import NODE, ROOT, wait_for


def allow_files(count: int) -> None:
    """As many open files, if this machine lets us."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count), hard))


def rss_mib(pid: int) -> float:
    """Resident memory of a process."""
    words = Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()
    return round(int(words[0]) / 1024, 1)


async def open_streams(port: int, clients: int) -> list[asyncio.StreamWriter]:
    """Open them, fifty at a time, each until its header came."""
    room = asyncio.Semaphore(50)

    async def one(number: int) -> asyncio.StreamWriter:
        async with room:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            path = f"/v1/answers/stream?device={number:032x}"
            writer.write(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode())
            assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
            return writer

    return list(await asyncio.gather(*[one(number) for number in range(1, clients + 1)]))


async def measure(port: int, pid: int, clients: int, seconds: float) -> dict[str, float]:
    """Before, with all open, and after they stood for a while."""
    before = rss_mib(pid)
    writers = await open_streams(port, clients)
    opened = rss_mib(pid)
    await asyncio.sleep(seconds)
    found = {"clients": clients, "before_mib": before, "opened_mib": opened, "after_mib": rss_mib(pid)}
    for writer in writers:
        writer.close()
    return found


def main() -> int:
    """Start a node, open the streams, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--most-mib", type=float, default=256.0)
    options = parser.parse_args()
    allow_files(options.clients + 1_000)
    with tempfile.TemporaryDirectory() as folder:
        node = subprocess.Popen([sys.executable, "-c", NODE, f"{folder}/node", "18990"], cwd=ROOT)
        try:
            wait_for(18990)
            found = asyncio.run(measure(18990, node.pid, options.clients, options.seconds))
        finally:
            node.terminate()
            node.wait(30)
    print(json.dumps(found))
    return 0 if max(found["opened_mib"], found["after_mib"]) <= options.most_mib else 1


if __name__ == "__main__":
    sys.exit(main())
