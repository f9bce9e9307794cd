"""The wires between network namespaces: IP packets carried from one TUN device to the next, with faults.py on the way.

    python -m tests.chaos.wire NAMESPACE NAMESPACE …

Wire n joins namespace n (device up<n>) with the next (device down<n>). Lines `WIRE WAY WORDS…` on stdin lay faults on
one way (0: up, 1: down); the answer is how many packets met those before. The end of stdin is the end. The kernels'
own TCP stacks stand at both ends, so loss is retransmission and a flipped bit is a checksum that does not fit.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import itertools
import os
import selectors
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.chaos.faults import Way

TUN = Path("/dev/net/tun")
# linux/if_tun.h and linux/sched.h
TUNSETIFF, IFF_TUN, IFF_NO_PI, CLONE_NEWNET = 0x400454CA, 0x0001, 0x1000, 0x40000000
LONGEST, AT_ONCE = 65_536, 100


def possible() -> bool:
    """Whether this kernel has TUN devices."""
    try:
        os.close(os.open(TUN, os.O_RDWR))
    except OSError:
        return False
    return True


@contextlib.contextmanager
def entered(name: str) -> Iterator[None]:
    """This thread is in a network namespace; sockets and devices made now stay there."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net", "rb") as here, open(f"/run/netns/{name}", "rb") as there:
        _move(libc, there.fileno())
        try:
            yield
        finally:
            _move(libc, here.fileno())


def _move(libc: ctypes.CDLL, descriptor: int) -> None:
    if libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def open_tun(namespace: str, device: str) -> int:
    """A descriptor that reads and writes the IP packets of a new device; the device goes when it is closed."""
    with entered(namespace):
        tun = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN | IFF_NO_PI))
    return tun


def carry(names: Sequence[str]) -> None:
    """Carry packets until stdin ends."""
    ways: dict[tuple[int, int], tuple[int, int, Way]] = {}
    for number, (low, high) in enumerate(itertools.pairwise(names)):
        up, down = open_tun(low, f"up{number}"), open_tun(high, f"down{number}")
        ways[number, 0] = up, down, Way(f"{number} up")
        ways[number, 1] = down, up, Way(f"{number} down")
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)
    for read, _, way in ways.values():
        selector.register(read, selectors.EVENT_READ, way)
    print("joined", flush=True)
    while True:
        soonest = min(way.next_at() for _, _, way in ways.values())
        for key, _ in selector.select(min(max(soonest - time.monotonic(), 0), 1.0)):
            if key.data:
                take(key.fd, key.data)
            elif not (line := sys.stdin.readline()):
                return
            else:
                wire, up_or_down, *words = line.split()
                print(ways[int(wire), int(up_or_down)][2].lay(" ".join(words)), flush=True)
        for _, write, way in ways.values():
            for packet in way.due(time.monotonic()):
                with contextlib.suppress(OSError):  # the kernel takes no packet whose first bits were flipped
                    os.write(write, packet)


def take(tun: int, way: Way) -> None:
    """What a device has to send now."""
    with contextlib.suppress(BlockingIOError):
        for _ in range(AT_ONCE):
            way.put(os.read(tun, LONGEST), time.monotonic())


if __name__ == "__main__":
    carry(sys.argv[1:])
