"""Four tiers as processes, each in a network namespace of its own: devices, site, region and cloud."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.chaos.history import check_history, read_events
from tests.chaos.load import read_look
from tests.chaos.namespaces import Row
from tests.chaos.places import ROOT, NodeProcess, inside
from tests.node.asking import until

NAMES = ("site", "region", "cloud")
WIRES = range(len(NAMES))
PORT, PROXY_PORT, TOKEN = 8600, 8700, "a-secret-of-this-test-only"
PATIENCE_S, HEALED_S = 150.0, 90.0


class Tiers:
    """Wire 0 leads from the devices to the site; each node reaches its parent directly, or through a proxy of its own."""

    def __init__(self, folder: Path, through_proxies: bool) -> None:
        self.row = Row(len(NAMES) + 1)
        self.folder, self.through_proxies = folder, through_proxies
        self.processes: list[subprocess.Popen[bytes]] = []
        self.calm = folder / "calm"  # while this file is there the proxies hurt nothing

    def __enter__(self) -> Tiers:
        self.row.__enter__()
        self.calm.touch()
        for number, name in enumerate(NAMES, 1):
            self._start_node(number, name)
        for number in WIRES if self.through_proxies else ():
            target = f"{self.row.address(number + 1)}:{PORT}"
            words = (
                "--listen",
                str(PROXY_PORT),
                "--to",
                target,
                "--seed",
                str(number),
                "--calm",
                str(self.calm),
            )
            self._helper(number, "proxy", *words)
        self._helper(len(NAMES), "load", "person", "--url", f"http://127.0.0.1:{PORT}", "--token", TOKEN)
        return self

    def __exit__(self, *error: object) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        self.row.__exit__(*error)

    @contextlib.contextmanager
    def asked(self, history: Path, *words: str) -> Iterator[Callable[[str], int]]:
        """Devices ask while the body runs, then wait for their answers; it gets the count of a kind of event."""
        stop = history.with_suffix(".stop")
        devices = self._helper(
            0, "load", "devices", "--url", self._parent_url(0), "--token", TOKEN, "--history", str(history),
            "--stop", str(stop), "--patience-s", str(PATIENCE_S), "--pause-s", "0.1", *words,
        )  # fmt: skip

        def told(kind: str) -> int:
            return history.read_text(encoding="utf-8").count(f'"kind": "{kind}"') if history.exists() else 0

        try:
            until(lambda: told("ok") > 0, HEALED_S)
            yield told
        finally:
            stop.touch()
        devices.wait(PATIENCE_S + 30)

    def troubles(self, history: Path) -> list[str]:
        """What the outside checker finds, once no node has anything left to send."""
        known = {}
        for number, name in enumerate(NAMES, 1):
            out = history.with_suffix(f".{name}")
            files = ("--history", str(history), "--out", str(out))
            look = self._helper(
                number, "load", "look", "--url", f"http://127.0.0.1:{PORT}", "--token", TOKEN, *files
            )
            assert look.wait(PATIENCE_S + 30) == 0
            known[name] = read_look(out)
        return check_history(read_events(history), known)

    def _start_node(self, number: int, name: str) -> None:
        settings = {
            "name": name, "level": number, "data": self.folder / name, "port": PORT, "host": "0.0.0.0",
            "token": TOKEN,
        }  # fmt: skip
        if number < len(NAMES):
            settings |= {"parent": self._parent_url(number), "parent_token": TOKEN}
        node = NodeProcess(settings, self.folder / f"{name}.log", self.row.names[number])
        node.start()
        assert node.process is not None
        self.processes.append(node.process)

    def _parent_url(self, number: int) -> str:
        """How namespace `number` reaches the next one."""
        direct = f"http://{self.row.address(number + 1)}:{PORT}"
        return f"http://127.0.0.1:{PROXY_PORT}" if self.through_proxies else direct

    def _helper(self, number: int, module: str, *words: str) -> subprocess.Popen[bytes]:
        """A process of this folder's, in a namespace."""
        command = [*inside(self.row.names[number]), sys.executable, "-m", f"tests.chaos.{module}", *words]
        self.processes.append(subprocess.Popen(command, cwd=ROOT))
        return self.processes[-1]
