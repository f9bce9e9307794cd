"""A row of network namespaces, each joined to the next by a veth pair, and what can go wrong on such a wire."""

from __future__ import annotations

import os
import shutil
import subprocess

NETEM = "delay 60ms 40ms loss 15% duplicate 5% reorder 20% 50% corrupt 2%"


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
    """`count` namespaces; wire n joins number n (address 10.77.n.1) with number n + 1 (10.77.n.2)."""

    def __init__(self, count: int) -> None:
        self.names = [f"pyedge-{os.getpid()}-{number}" for number in range(count)]
        self.netem = False

    def __enter__(self) -> Row:
        for name in self.names:
            assert run("ip", "netns", "add", name)
            assert run("ip", "-n", name, "link", "set", "lo", "up")
        for number in range(len(self.names) - 1):
            self._join(number)
        return self

    def __exit__(self, *error: object) -> None:
        for name in self.names:
            run("ip", "netns", "del", name)

    def address(self, number: int) -> str:
        """Where namespace `number` is reached by the one before it."""
        return f"10.77.{number - 1}.2"

    def cut(self, wire: int, cut: bool) -> None:
        """Take a wire away, or give it back."""
        run("ip", "-n", self.names[wire], "link", "set", f"up{wire}", "down" if cut else "up")

    def one_way(self, wire: int, cut: bool) -> None:
        """What the upper end sends does not arrive; what it gets does."""
        words = ("ip", "-n", self.names[wire + 1], "route", "add" if cut else "del", "blackhole")
        run(*words, f"10.77.{wire}.1/32")

    def shake(self, wire: int, faults: str) -> bool:
        """Let netem spoil a wire (or mend it, with no faults); False when the kernel has no netem."""
        device = ("tc", "-n", self.names[wire], "qdisc")
        if not faults:
            return run(*device, "del", "dev", f"up{wire}", "root")
        return run(*device, "replace", "dev", f"up{wire}", "root", "netem", *faults.split())

    def _join(self, number: int) -> None:
        low, high = self.names[number], self.names[number + 1]
        up, down = f"up{number}", f"down{number}"
        assert run("ip", "-n", low, "link", "add", up, "type", "veth", "peer", "name", down, "netns", high)
        for name, device, end in ((low, up, 1), (high, down, 2)):
            assert run("ip", "-n", name, "addr", "add", f"10.77.{number}.{end}/24", "dev", device)
            assert run("ip", "-n", name, "link", "set", device, "up")
