"""Load on one node: questions per second, durable, next to bare Starlette + SQLite endpoints with one commit each.

    python -m tests.benchmarks.load_node --seconds 5 --clients 64 --bytes 3000

Each runs in one process on the same server (uvicorn, httptools, uvloop; no access log) with synchronous=FULL, read
back, on the same disk, which must not be memory:

    nothing  reads the body and does nothing: how much is left to win
    tuned    one commit per request, in WAL, which spares it two of three syncs
    bare     one commit per request, SQLite as it comes: a rollback journal
    node     ours, with all its checks

What a sync costs decides the ratios, so --sync-ms gives all of them a slower disk: every sync takes that much longer (a
shim of 20 lines before the C library). Prints JSON, the ratios as the median of the rounds; fails when the one to `bare`
is under --least-ratio. Each round has a closed loop per client, which finds how much each server can do, and then the
node alone at --rate questions per second, each planned for a moment and its latency counted from there, so a stalled
server is not forgiven.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from py_edge.records import Question, digest_of_content

ROOT = Path(__file__).resolve().parents[2]
MOST_PER_S = 8_000  # requests are made before the clock starts …
MOST_BYTES_PER_S = 64 << 20  # … and lie in memory
FIRST_PORT = 18600
BODY_REST = 305  # of the bytes of an input: what the rest of a question's JSON takes of its size
SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
static int slow(const char *name, int file) {
  long us = atol(getenv("SYNC_US"));
  struct timespec wait = {us / 1000000, us % 1000000 * 1000};
  int done = ((int (*)(int))dlsym(RTLD_NEXT, name))(file);
  nanosleep(&wait, 0);
  return done;
}
int fsync(int file) { return slow("fsync", file); }
int fdatasync(int file) { return slow("fdatasync", file); }
"""
COMMITTING = """
import asyncio, json, sqlite3, sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute(f"PRAGMA journal_mode={JOURNAL}"); db.execute("PRAGMA synchronous=FULL")
assert db.execute("PRAGMA journal_mode").fetchone() == (JOURNAL,)
assert db.execute("PRAGMA synchronous").fetchone() == (2,)
db.execute("CREATE TABLE questions (device TEXT, sequence INTEGER, body TEXT, PRIMARY KEY (device, sequence))")
async def put(request):
    body = await request.body()
    json.loads(body)
    db.execute("BEGIN IMMEDIATE")
    key = (request.path_params["device"], int(request.path_params["sequence"]))
    db.execute("INSERT OR IGNORE INTO questions VALUES (?, ?, ?)", (*key, body.decode()))
    db.execute("COMMIT")
    return JSONResponse({"state": "queued"}, 202)
app = Starlette(routes=[Route("/v1/questions/{device}/{sequence}", put, methods=["PUT"])])
uvicorn.run(app, port=int(sys.argv[2]), http="httptools", loop="uvloop", log_level="error", access_log=False)
"""
NOTHING = """
import sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
async def put(request):
    await request.body()
    return JSONResponse({"state": "queued"}, 202)
app = Starlette(routes=[Route("/v1/questions/{device}/{sequence}", put, methods=["PUT"])])
uvicorn.run(app, port=int(sys.argv[2]), http="httptools", loop="uvloop", log_level="error", access_log=False)
"""
NODE = """
import sys
from py_edge.node.serve import serve
from py_edge.node.settings import load_settings
serve(load_settings({"data": sys.argv[1], "port": int(sys.argv[2]), "outbox_limit": 10**9}))
"""
SERVERS = {
    "nothing": NOTHING,
    "tuned": "JOURNAL = 'wal'" + COMMITTING,
    "bare": "JOURNAL = 'delete'" + COMMITTING,
    "node": NODE,
}


@dataclass
class Numbers:
    """What was measured."""

    per_s: float
    p50_ms: float
    p99_ms: float
    errors: int
    cpu_ms: float = 0.0  # of the server per request: says something on a busy machine too


def body_of(client: int, sequence: int, size: int) -> bytes:
    """The request for a question whose JSON is about `size` bytes, different from every other."""
    device = f"{client:032x}"
    raw = (
        sequence.to_bytes(8, "little")
        + client.to_bytes(8, "little")
        + bytes(max(16, size * 3 // 4 - BODY_REST) - 16)
    )
    content = {"shape": [len(raw)], "dtype": "uint8", "data": base64.b64encode(raw).decode()}
    question = Question(device, sequence, digest_of_content(content, "digits"), "digits", content)
    body = json.dumps(question.to_json()).encode()
    head = f"PUT /v1/questions/{device}/{sequence} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


class Client(asyncio.Protocol):
    """One keep-alive connection, as cheap as it can be: the machine is the server's.

    every_s 0: a closed loop. Else one question is planned every so many seconds; one that is late counts from its plan.
    """

    def __init__(self, requests: list[bytes], first_s: float, every_s: float, end_s: float) -> None:
        self.requests, self.begin, self.every_s, self.end_s = iter(requests), first_s, every_s, end_s
        self.waits: list[float] = []
        self.errors = 0
        self.loop = asyncio.get_running_loop()
        self.over = self.loop.create_future()
        self.answer = b""

    def connection_made(self, transport: Any) -> None:
        """Ask the first."""
        self.transport = transport
        self.loop.call_at(self.begin, self.ask)

    def ask(self) -> None:
        """Send the next, or end."""
        request = next(self.requests, b"")
        if not request or self.begin > self.end_s:
            self.transport.close()
            return
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """An answer is whole when as many bytes came as it said."""
        self.answer += data
        head, gap, body = self.answer.partition(b"\r\n\r\n")
        if not gap or len(body) < int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]):
            return
        now = self.loop.time()
        self.waits.append(now - self.begin)
        self.errors += b" 202 " not in head[:20]
        self.answer = b""
        self.begin = self.begin + self.every_s if self.every_s else now
        if self.begin > now:
            self.loop.call_at(self.begin, self.ask)
        else:
            self.ask()

    def connection_lost(self, error: Exception | None) -> None:
        """Over; a connection that the server cut is an error."""
        self.errors += error is not None
        self.over.set_result(None)


async def hammer(port: int, clients: int, seconds: float, size: int, rate: float = 0.0) -> Numbers:
    """All clients at once, requests prepared before the clock starts; rate 0: as fast as they are answered."""
    most = min(MOST_PER_S, MOST_BYTES_PER_S // size, 2 * rate or MOST_PER_S)
    ready = [
        [body_of(client, sequence, size) for sequence in range(1, int(seconds * most / clients) + 2)]
        for client in range(1, clients + 1)
    ]
    loop = asyncio.get_running_loop()
    begin, every_s = loop.time() + 0.1, clients / rate if rate else 0.0

    async def connect(place: int, requests: list[bytes]) -> Client:
        first_s = begin + place * every_s / clients
        client = Client(requests, first_s, every_s, begin + seconds)
        await loop.create_connection(lambda: client, "127.0.0.1", port)
        return client

    made = [await connect(place, requests) for place, requests in enumerate(ready)]
    await asyncio.gather(*[client.over for client in made])
    took = loop.time() - begin
    waits = sorted(wait for client in made for wait in client.waits)
    return Numbers(
        round(len(waits) / took, 1), round(waits[len(waits) // 2] * 1e3, 2),
        round(waits[int(len(waits) * 0.99)] * 1e3, 2), sum(client.errors for client in made),
    )  # fmt: skip


def slower_disk(folder: str, sync_ms: float) -> dict[str, str]:
    """The environment in which every sync takes so much longer."""
    if not sync_ms:
        return {}
    source, shim = Path(folder, "shim.c"), Path(folder, "shim.so")
    source.write_text(SHIM)
    subprocess.run(
        [sys.executable, "-m", "ziglang", "cc", "-shared", "-fPIC", str(source), "-o", str(shim), "-ldl"],
        check=True,
    )
    return {"LD_PRELOAD": str(shim), "SYNC_US": str(round(1000 * sync_ms))}


def measure(code: str, place: str, port: int, arguments: argparse.Namespace, rate: float = 0.0) -> Numbers:
    """Start a server, wait for it, hammer it, stop it."""
    environment = os.environ | arguments.environment
    process = subprocess.Popen([sys.executable, "-c", code, place, str(port)], cwd=ROOT, env=environment)
    try:
        wait_for(port)
        before = cpu_s(process.pid)
        numbers = run_hammer(port, arguments, rate)
        requests = max(1.0, numbers.per_s * arguments.seconds)
        numbers.cpu_ms = round(1e3 * (cpu_s(process.pid) - before) / requests, 3)
        return numbers
    finally:
        process.terminate()
        process.wait(20)


def run_hammer(port: int, arguments: argparse.Namespace, rate: float) -> Numbers:
    """The clients, on the cheaper loop."""
    with asyncio.Runner(loop_factory=uvicorn.Config("", loop="uvloop").get_loop_factory()) as runner:
        return runner.run(hammer(port, arguments.clients, arguments.seconds, arguments.bytes, rate))


def sync_ms(folder: str) -> float:
    """Median time of a write of 4 KiB with fdatasync there. Raises SystemExit on a disk that is memory."""
    kind = subprocess.run(
        ["stat", "-f", "-c", "%T", folder], capture_output=True, text=True, check=True
    ).stdout.strip()
    if kind in ("tmpfs", "ramfs"):
        raise SystemExit(f"{folder} is {kind}: nothing is durable there; set TMPDIR to a disk")
    waits = []
    with open(f"{folder}/probe", "wb", buffering=0) as file:
        for _ in range(50):
            begin = time.perf_counter()
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            waits.append(time.perf_counter() - begin)
    return round(1e3 * sorted(waits)[25], 3)


def cpu_s(pid: int) -> float:
    """Processor time of a process so far, user and system, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_for(port: int) -> None:
    """Until somebody answers there, be it with 404: a bound port alone does not mean that the start is over."""
    for _ in range(400):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=20).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server did not start")


def main() -> int:
    """Measure all, in turn, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--bytes", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--rate", type=float, default=1500.0)
    parser.add_argument("--sync-ms", type=float, default=0.0)
    parser.add_argument("--least-ratio", type=float, default=0.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        disk_ms = sync_ms(folder)
        arguments.environment = slower_disk(folder, arguments.sync_ms)
        rounds = [measure_all(folder, number, arguments) for number in range(arguments.rounds)]
    ratios = {
        f"node_to_{name}": statistics.median(each["node"]["per_s"] / each[name]["per_s"] for each in rounds)
        for name in SERVERS
        if name != "node"
    }
    facts = {
        "cpus": os.cpu_count(), "load": os.getloadavg(), "fdatasync_ms": disk_ms,
        "sync_ms_added": arguments.sync_ms, "rounds": rounds, **{k: round(v, 3) for k, v in ratios.items()},
    }  # fmt: skip
    print(json.dumps(facts, indent=1))
    return 0 if ratios["node_to_bare"] >= arguments.least_ratio else 1


def measure_all(folder: str, number: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """One round: every server in turn, then the node at its rate."""
    found = {}
    for place, (name, code) in enumerate(SERVERS.items()):
        where = f"{folder}/{name}{number}"
        found[name] = measure(code, where, FIRST_PORT + 10 * number + place, arguments).__dict__
    paced = measure(NODE, f"{folder}/paced{number}", FIRST_PORT + 10 * number + 9, arguments, arguments.rate)
    return {**found, f"node_at_{arguments.rate:g}_per_s": paced.__dict__}


if __name__ == "__main__":
    sys.exit(main())
