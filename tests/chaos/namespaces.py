"""A row of network namespaces, each joined to the next, and what goes wrong on such a wire."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys

from tests.chaos import places, wire
from tests.chaos.faults import read_faults

UP, DOWN = 0, 1
BOTH = (UP, DOWN)
FAULTS = {  # what a wire can have, in the words of faults.py, and on which of its ways
    "black hole": ("mtu 300", BOTH),  # a handshake passes, a question does not
    "modem": ("rate 56kbit limit 50", BOTH),
    "two seconds": ("delay 2s 200ms", BOTH),
    "bursts of loss": ("delay 20ms loss gemodel 5% 20%", BOTH),  # a fifth of all
    "partition": ("loss 100%", BOTH),
    "deaf upwards": ("loss 100%", (UP,)),
    "deaf downwards": ("loss 100%", (DOWN,)),
    "reordered": ("delay 60ms 40ms reorder 20%", BOTH),
    "duplicated": ("duplicate 30%", BOTH),
    "corrupted": ("corrupt 5%", BOTH),
}


def run(*words: str) -> bool:
    """Run a command of iproute2; False when it failed."""
    return subprocess.run(words, capture_output=True, check=False, timeout=20).returncode == 0


def possible() -> bool:
    """Whether this machine lets us make namespaces."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    made = run("ip", "netns", "add", "pyedge-probe")
    run("ip", "netns", "del", "pyedge-probe")
    return made


class Row:
    """`count` namespaces; wire n joins number n (address 10.77.n.1) with number n + 1 (10.77.n.2).

    Without TUN in the kernel the wires are veth pairs, and nothing can be laid on them.
    """

    def __init__(self, count: int) -> None:
        mark = secrets.token_hex(3)
        self.names = [f"pyedge-{mark}-{number}" for number in range(count)]
        self.carrier: subprocess.Popen[str] | None = None

    def __enter__(self) -> Row:
        for name in self.names:
            assert run("ip", "netns", "add", name)
            assert run("ip", "-n", name, "link", "set", "lo", "up")
        if wire.possible():
            command = [sys.executable, "-m", "tests.chaos.wire", *self.names]
            pipe = subprocess.PIPE
            self.carrier = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=places.ROOT)
            assert self._heard() == "joined"
        for number in range(len(self.names) - 1):
            self._join(number)
        return self

    def __exit__(self, *error: object) -> None:
        if self.carrier:
            self.carrier.communicate(timeout=20)  # it ends when it hears no more
        for name in self.names:
            run("ip", "netns", "del", name)

    def address(self, number: int) -> str:
        """Where namespace `number` is reached by the one before it."""
        return f"10.77.{number - 1}.2"

    def lay(self, number: int, words: str, ways: tuple[int, ...] = BOTH) -> int:
        """Lay faults on wire `number` in place of those it has, or none; gives how many packets met those before."""
        read_faults(words)
        if not self.carrier:
            return 0
        assert self.carrier.stdin
        met = 0
        for way in ways:
            self.carrier.stdin.write(f"{number} {way} {words}\n")
            self.carrier.stdin.flush()
            met += int(self._heard())
        return met

    def _heard(self) -> str:
        assert self.carrier
        assert self.carrier.stdout
        return self.carrier.stdout.readline().strip()

    def _join(self, number: int) -> None:
        low, high = self.names[number], self.names[number + 1]
        up, down = f"up{number}", f"down{number}"
        if not self.carrier:
            assert run(
                "ip", "-n", low, "link", "add", up, "type", "veth", "peer", "name", down, "netns", high
            )
        for name, device, end in ((low, up, 1), (high, down, 2)):
            assert run("ip", "-n", name, "addr", "add", f"10.77.{number}.{end}/24", "dev", device)
            assert run("ip", "-n", name, "link", "set", device, "up")
