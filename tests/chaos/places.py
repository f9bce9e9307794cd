"""Real node processes that can be killed at any moment and started again on the same data and port."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
SERVE = "from py_edge.cli import main; raise SystemExit(main())"
START_S = 60.0


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class NodeProcess:
    """`py-edge serve` with these settings, perhaps inside a network namespace."""

    settings: dict[str, Any]
    log: Path
    namespace: str = ""
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    command: list[str] = field(default_factory=list)
    again_after: tuple[int, ...] = ()  # exit codes after which it is started again, as its service would

    @property
    def name(self) -> str:
        """The node's name."""
        return str(self.settings["name"])

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{self.settings.get('host', '127.0.0.1')}:{self.settings['port']}"

    def start(self) -> None:
        """Start it without waiting until it answers."""
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in self.settings.items()]
        self.command = [*inside(self.namespace), sys.executable, "-c", SERVE, "serve", *flags]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, cwd=ROOT)
        self.starts += 1

    def kill(self) -> None:
        """SIGKILL; `ip netns exec` has become the node, so it is the node that dies."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def start_again(self) -> None:
        """If it ended by itself, which it may with some exit codes only; else it is told with its last words."""
        assert self.process is not None
        code = self.process.poll()
        if code is not None:
            assert code in self.again_after, f"{self.name} ended: {self.log.read_text()[-2000:]}"
            self.start()

    def until_ready(self) -> None:
        """Wait until it answers from here."""
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            self.start_again()
            try:
                if httpx.get(f"{self.url}/readyz", timeout=2, trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"{self.name} did not get ready: {self.log.read_text()[-2000:]}")


def inside(namespace: str) -> list[str]:
    """The words that run a command in a network namespace."""
    return ["ip", "netns", "exec", namespace] if namespace else []
