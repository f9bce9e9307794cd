"""The run that is recorded: a site below a cloud, devices, a person and an operator, everything on one disk.

    python -m tests.chaos.power.story tell FOLDER        the whole run, in FOLDER/disk
    python -m tests.chaos.power.story again FOLDER       the site alone, on what a cut has left in FOLDER/disk
    python -m tests.chaos.power.story serve ROLE FOLDER  one of its nodes

What ends with an exit code instead of a reply (a backup, a restore) is written into FOLDER/said once it is over.
"""

from __future__ import annotations

import dataclasses
import http.client
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from py_edge.node.node import Parts
from py_edge.node.serve import serve
from py_edge.node.settings import Settings
from py_edge.records import Example, Question
from py_edge.retrain.learner import Owned
from py_edge.storage import sqlite
from tests.chaos.places import ROOT, free_port
from tests.node.asking import content, question
from tests.retrain.centroids import CentroidLearner, model_files, numbers

MODEL = "digits"
PERSONS = 6  # devices that ask at the same time
STALE, TRUTH = {0: 0.0, 1: 10.0, 2: 33.0, 3: 43.0}, {0: 0.0, 1: 10.0, 2: 20.0, 3: 30.0}


def name_of(device: int) -> str:
    """Its id."""
    return f"{device}" * 32


def asked(device: int, sequence: int) -> Question:
    """A question whose first number says what it is, and whose others are found nowhere else."""
    chance = random.Random(f"{device}:{sequence}")
    noise = [chance.random() for _ in range(24)]
    return question(sequence, TRUTH[2 + sequence % 2] + sequence / 100, *noise, device=name_of(device))


def serve_node(role: str, folder: Path) -> int:
    """As `py-edge serve`; the cloud owns a model. Checkpoints come often, so that a short run has some of each kind."""
    sqlite.PASSIVE_ABOVE_BYTES, sqlite.TRUNCATE_ABOVE_BYTES = 256 << 10, 1 << 20
    ports = json.loads((folder / "ports").read_text())
    settings = Settings(name=role, data=str(folder / "disk" / role), port=ports[role], level=1)
    if role == "site":
        return serve(dataclasses.replace(settings, parent=f"http://127.0.0.1:{ports['cloud']}"))
    gold = [Example("f" * 32, 9_000 + n, MODEL, content(TRUTH[n % 2] + n / 100), n % 2) for n in range(20)]
    owned = Owned(MODEL, CentroidLearner(), 1, (model_files(STALE), {"labels": list("0123")}), gold)
    parts = Parts(owned=(owned,) if role == "cloud" else ())
    return serve(dataclasses.replace(settings, level=2, retrain_after=10_000), parts)


class Teller:
    """Everybody outside of the nodes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.disk = folder, folder / "disk"
        self.ports = {role: free_port() for role in ("site", "cloud", "again")}
        (folder / "ports").write_text(json.dumps(self.ports))
        self.nodes: dict[str, subprocess.Popen[bytes]] = {}

    def say(self, words: str) -> None:
        """What no reply tells."""
        with (self.folder / "said").open("a", encoding="utf-8") as file:
            file.write(words)

    def start(self, role: str) -> None:
        """Start a node and wait until it is ready."""
        words = ["-m", "tests.chaos.power.story", "serve", role, str(self.folder)]
        self.nodes[role] = subprocess.Popen([sys.executable, *words], cwd=ROOT)
        until(lambda: self.call(role, "GET", "/readyz")[0] == 200)

    def end(self, role: str, how: int = signal.SIGTERM) -> None:
        """Stop a node or kill it."""
        self.nodes[role].send_signal(how)
        self.nodes[role].wait(30)

    def call(self, role: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One request; status 0 when nobody listens."""
        line = http.client.HTTPConnection("127.0.0.1", self.ports[role], timeout=30)
        try:
            data = None if body is None else json.dumps(body).encode()
            line.request(method, path, data, {"content-type": "application/json"} if data else {})
            reply = line.getresponse()
            return reply.status, json.loads(reply.read() or b"null")
        except OSError:
            return 0, None
        finally:
            line.close()

    def ask(self, role: str, device: int, *sequences: int) -> None:
        """Ask some questions, one after the other."""
        for sequence in sequences:
            each = asked(device, sequence)
            path = f"/v1/questions/{each.device}/{sequence}"
            assert self.call(role, "PUT", path, each.to_json())[0] in (200, 202)

    def vote(self) -> None:
        """The person at the cloud answers all that waits."""
        while (task := self.call("cloud", "GET", "/v1/desk/next?annotator=ann")[1]["task"]) is not None:
            label = round(numbers(task["input"])[0] / 10)
            vote = {"annotator": "ann", "verdict": "label", "label_index": label, "seconds": 1.0}
            assert self.call("cloud", "POST", f"/v1/desk/{task['task']}/vote", vote)[0] == 200

    def status(self, role: str, name: str) -> Any:
        """One number of its status."""
        return self.call(role, "GET", "/v1/status")[1][name]

    def take_answers(self, device: int, count: int) -> None:
        """Wait for the answers of a device, and confirm them."""
        path = f"/v1/answers?device={name_of(device)}"
        until(lambda: len(self.call("site", "GET", path)[1]["answers"]) >= count)
        events = [entry["event"] for entry in self.call("site", "GET", path)[1]["answers"]]
        taken = {"device": name_of(device), "events": events}
        assert self.call("site", "POST", "/v1/answers/ack", taken)[0] == 200

    def erase(self, path: str) -> None:
        """Erase at the site, and wait until the wish has gone up."""
        assert self.call("site", "DELETE", path)[0] == 200
        until(lambda: self.status("site", "outbox") == 0)

    def release(self, version: int, path: str, body: Any = None) -> None:
        """Have the cloud make a version, and wait until the site follows."""
        assert self.call("cloud", "POST", f"/v1/models/{MODEL}/{path}", body)[0] in (201, 202)
        until(lambda: self.call("site", "GET", f"/v1/models/{MODEL}")[1]["version"] == version)

    def command(self, name: str, source: Path, target: Path) -> None:
        """`py-edge backup` or `py-edge restore`, and when it was begun and done."""
        self.say(f"{name} begun")
        subprocess.run(
            [sys.executable, "-m", "py_edge", name, str(source), str(target)], cwd=ROOT, check=True
        )
        self.say(f"{name} done")

    def tell(self) -> None:
        """The whole run."""
        self.disk.mkdir(exist_ok=True)
        self.start("cloud")
        self.start("site")
        self.ask("site", 0, *range(1, 9))
        with ThreadPoolExecutor(PERSONS) as crowd:
            list(crowd.map(lambda device: self.ask("site", device, *range(1, 9)), range(1, 1 + PERSONS)))
        until(lambda: self.status("site", "outbox") == 0)
        self.vote()
        for device in range(1 + PERSONS):
            self.take_answers(device, 8)
        self.erase(f"/v1/questions/{name_of(0)}/2")
        self.ask("site", 0, 9)
        self.erase(f"/v1/questions/{name_of(0)}/9")
        self.erase(f"/v1/devices/{name_of(1)}")
        with ThreadPoolExecutor(1) as meanwhile:
            asking = meanwhile.submit(self.ask, "site", 0, *range(10, 20))
            self.command("backup", self.disk / "site", self.disk / "backup")
            asking.result()
        until(lambda: self.status("site", "outbox") == 0)
        self.vote()
        self.release(2, "retrain")
        self.release(3, "rollback", {"to_version": 1, "reason": "it was better"})
        time.sleep(sqlite_rests_s())
        self.ask("site", 0, 20, 21)
        self.end("site", signal.SIGKILL)
        self.start("site")
        self.ask("site", 0, 22, 23)
        self.end("site")
        self.command("restore", self.disk / "backup", self.disk / "again")
        self.start("again")
        self.ask("again", 0, 31, 32, 33)
        self.start("site")
        self.ask("site", 0, 24)
        for role in self.nodes:
            self.end(role)

    def tell_again(self) -> None:
        """A start after a cut, its work, a kill and another start; the cloud is away."""
        self.start("site")
        self.ask("site", 7, 1, 2)
        assert self.call("site", "DELETE", f"/v1/questions/{name_of(7)}/1")[0] == 200
        self.end("site", signal.SIGKILL)
        self.start("site")
        self.ask("site", 7, 3)
        self.end("site")


def sqlite_rests_s() -> float:
    """After this long without a write a log is cut."""
    from py_edge.storage.writer import IDLE_S

    return IDLE_S + 0.7


def until(check: Callable[[], Any], seconds: float = 60.0) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


if __name__ == "__main__":
    verb, *rest = sys.argv[1:]
    if verb == "serve":
        sys.exit(serve_node(rest[0], Path(rest[1])))
    teller = Teller(Path(rest[0]))
    {"tell": teller.tell, "again": teller.tell_again}[verb]()
