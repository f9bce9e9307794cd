"""The outside: devices that ask and a person who answers, each step appended to a history file.

    python -m tests.chaos.load devices --url URL --history FILE --stop FILE
    python -m tests.chaos.load person --url URL --stop FILE
    python -m tests.chaos.load look --url URL --history FILE --out FILE

A device writes `invoke` before it sends, `ok` when it is acknowledged, `refused`, or nothing (unknown) and sends
again; `delivered` for every answer that reaches it and `effect` the first time. Some questions are erased soon after:
`erase` before it is sent, `erased` when it is acknowledged. Asking ends when the stop file exists; devices then wait
until every acknowledged question has its final answer or is erased, or their patience ends. `look` waits until a node
has nothing left to send and writes down what it says of every question.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from pathlib import Path
from typing import Any, TextIO

import httpx

from py_edge.errors import PyEdgeError
from py_edge.node.network import HttpNetwork
from py_edge.records import ERASED
from tests.chaos.history import Id, read_events
from tests.node.asking import first_value, question

ERASED_SHARE, LATEST_ERASURE_S = 0.1, 15.0
HURT = (httpx.HTTPError, PyEdgeError, ValueError, KeyError)  # a broken line, or half an answer


class Device:
    """One asker with its own outbox and inbox, which it never loses."""

    def __init__(self, name: str, http: HttpNetwork, log: TextIO, options: argparse.Namespace) -> None:
        self.name, self.http, self.log, self.options = name, http, log, options
        self.rng = random.Random(f"{options.seed}:{name}")
        self.open: set[int] = set()  # acknowledged and without a final answer
        self.inbox: set[tuple[int, int]] = set()
        self.finished: set[int] = set()
        self.erasing: set[asyncio.Task[None]] = set()

    def write(self, kind: str, sequence: int, **facts: Any) -> None:
        """One line of history."""
        line = {"at": time.monotonic(), "kind": kind, "device": self.name, "sequence": sequence, **facts}
        self.log.write(json.dumps(line) + "\n")
        self.log.flush()

    async def ask_until(self, stop: Path) -> None:
        """Ask one question after the other; each is sent until it is acknowledged."""
        sequence = 0
        while not stop.exists():
            sequence += 1
            value = float(self.rng.randrange(self.options.contents))
            asked = question(sequence, value, device=self.name)
            self.write("invoke", sequence, digest=asked.digest, label_index=int(value) % 10)
            body = json.dumps(asked.to_json())
            while not await self.send(sequence, body):
                await asyncio.sleep(0.05 + self.rng.random() * 0.2)
            if sequence in self.open | self.finished and self.rng.random() < ERASED_SHARE:
                self.erasing.add(asyncio.create_task(self.erase(sequence)))
            await asyncio.sleep(self.rng.random() * 2 * self.options.pause_s)
        await asyncio.gather(*self.erasing)

    async def send(self, sequence: int, body: str) -> bool:
        """Once; False when nobody knows what became of it, or the node had no room."""
        try:
            response = await self.http.request("PUT", f"/v1/questions/{self.name}/{sequence}", body.encode())
            if response.status in (429, 503) or response.status >= 500:
                return False
            if response.status >= 400:
                self.write("refused", sequence, status=response.status, body=response.body[:300].decode())
                return True
            receipt = json.loads(response.body)
        except HURT:
            return False
        self.write("ok", sequence)
        if sequence not in self.finished:
            self.open.add(sequence)
        if receipt.get("answer"):
            self.take(receipt["answer"])
        return True

    async def erase(self, sequence: int) -> None:
        """While it is on its way, or when it has long been answered; sent until it is acknowledged."""
        await asyncio.sleep(LATEST_ERASURE_S * self.rng.random() ** 3)
        self.write("erase", sequence)
        while True:
            try:
                response = await self.http.request("DELETE", f"/v1/questions/{self.name}/{sequence}")
                if response.status == 200:
                    break
            except HURT:
                pass
            await asyncio.sleep(0.05 + self.rng.random() * 0.2)
        self.write("erased", sequence)
        self.finished.add(sequence)
        self.open.discard(sequence)

    async def receive(self) -> None:
        """Poll for answers, let them take effect, acknowledge; what was not acknowledged comes again."""
        while True:
            await asyncio.sleep(0.1)
            try:
                got = await self.http.request("GET", f"/v1/answers?device={self.name}&limit=200")
                page = json.loads(got.body)["answers"]
                for entry in page:
                    if entry["answer"]:
                        self.take(entry["answer"])
                    else:
                        self.write("ended", entry["outcome"]["sequence"], state=entry["outcome"]["state"])
                if page:
                    events = [entry["event"] for entry in page]
                    taken = json.dumps({"device": self.name, "events": events}).encode()
                    await self.http.request("POST", "/v1/answers/ack", taken)
            except HURT:
                continue

    def take(self, answer: dict[str, Any]) -> None:
        """Write it down; the first time it has its effect."""
        facts = {"to": answer["device"], "revision": answer["revision"], "label_index": answer["label_index"]}
        sequence = answer["sequence"]
        self.write("delivered", sequence, **facts)
        if (sequence, answer["revision"]) not in self.inbox:
            self.inbox.add((sequence, answer["revision"]))
            self.write("effect", sequence, **facts)
        if not answer["provisional"]:
            self.finished.add(sequence)
            self.open.discard(sequence)


async def be_devices(options: argparse.Namespace) -> None:
    """All devices at once, until they have everything or their patience ends."""
    rng = random.Random(options.seed)
    with options.history.open("a", encoding="utf-8") as log:
        http = HttpNetwork(options.url, token=options.token)  # seals what it sends, as every link does
        names = [f"{rng.getrandbits(128):032x}" for _ in range(options.devices)]
        devices = [Device(name, http, log, options) for name in names]
        receiving = [asyncio.create_task(device.receive()) for device in devices]
        await asyncio.gather(*[device.ask_until(options.stop) for device in devices])
        end = time.monotonic() + options.patience_s
        while any(device.open for device in devices) and time.monotonic() < end:
            await asyncio.sleep(0.1)
        for task in receiving:
            task.cancel()
        await http.close()


async def be_person(options: argparse.Namespace) -> None:
    """Look at one task after the other and say what it is, for ever."""
    async with client(options) as http:
        while True:
            try:
                task = (await http.get("/v1/desk/next", params={"annotator": "ann"})).json()["task"]
                if task is None:
                    await asyncio.sleep(0.05)
                    continue
                vote = {
                    "annotator": "ann", "verdict": "label", "label_index": first_value(task), "seconds": 0.1
                }  # fmt: skip
                await http.post(f"/v1/desk/{task['task']}/vote", json=vote)
            except HURT:
                await asyncio.sleep(0.1)


def look(url: str, history: Path, token: str = "", patience_s: float = 120.0) -> dict[Id, Any]:
    """What a node says about every question that was ever sent, once its outbox is empty; None: never heard of."""
    found: dict[Id, Any] = {}
    headers = {"authorization": f"Bearer {token}"} if token else {}
    end = time.monotonic() + patience_s
    with httpx.Client(base_url=url, timeout=20, trust_env=False, headers=headers) as http:
        while http.get("/v1/status").json()["outbox"] and time.monotonic() < end:
            time.sleep(0.1)
        for event in read_events(history):
            if event["kind"] == "invoke":
                key = (event["device"], event["sequence"])
                response = http.get(f"/v1/questions/{key[0]}/{key[1]}")
                known = {200: response.json(), 410: {"state": ERASED}}
                found[key] = known.get(response.status_code)
    return found


def write_look(options: argparse.Namespace) -> None:
    """As lines of [device, sequence, what it says]."""
    found = look(options.url, options.history, options.token, options.patience_s)
    lines = [json.dumps([*key, said]) for key, said in found.items()]
    options.out.write_text("\n".join(lines), encoding="utf-8")


def read_look(path: Path) -> dict[Id, Any]:
    """What `write_look` wrote."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {(device, sequence): said for device, sequence, said in lines}


def client(options: argparse.Namespace) -> httpx.AsyncClient:
    """One pool for everyone; short timeouts, because the world is bad."""
    headers = {"authorization": f"Bearer {options.token}"} if options.token else {}
    return httpx.AsyncClient(base_url=options.url, timeout=5, trust_env=False, headers=headers)


def main() -> None:
    """See the head of this file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["devices", "person", "look"])
    parser.add_argument("--url", required=True)
    parser.add_argument("--token", default="")
    parser.add_argument("--history", type=Path)
    parser.add_argument("--stop", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--devices", type=int, default=4)
    parser.add_argument("--contents", type=int, default=300)
    parser.add_argument("--pause-s", type=float, default=0.03)
    parser.add_argument("--patience-s", type=float, default=90.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.role == "look":
        write_look(options)
    else:
        asyncio.run((be_devices if options.role == "devices" else be_person)(options))


if __name__ == "__main__":
    main()
