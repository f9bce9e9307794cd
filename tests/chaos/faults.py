"""What netem does to the packets of one way of a wire, in netem's own words; the clock is the caller's.

    delay TIME [JITTER] · loss P · loss gemodel P R [1-H [1-K]] · duplicate P · reorder P · corrupt P
    rate RATE · limit PACKETS · mtu BYTES (what is longer vanishes and nobody is told; netem has no such word)

Source: tc-netem(8) and net/sched/sch_netem.c of Linux; jitter is even, as there without a distribution. Not taken: a
correlation, with which fewer packets are hurt than was asked; `gemodel` hurts them in bursts and keeps the share.
"""

from __future__ import annotations

import heapq
import itertools
import random
import re

UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "%": 0.01, "kbit": 1e3, "mbit": 1e6, "": 1.0}
TIME, SHARE, RATE, COUNT = ("us", "ms", "s"), ("%",), ("kbit", "mbit"), ("",)
WORDS = {
    "delay": TIME, "loss": SHARE, "gemodel": SHARE, "duplicate": SHARE, "reorder": SHARE, "corrupt": SHARE,
    "rate": RATE, "limit": COUNT, "mtu": COUNT,
}  # fmt: skip
Faults = dict[str, list[float]]


def read_faults(words: str) -> Faults:
    """Each word with its values, in seconds, shares, bits per second and numbers; ValueError for anything else."""
    faults: Faults = {}
    name = ""
    for word in words.replace("loss gemodel", "gemodel").split():
        if word in WORDS:
            name = word
            faults[name] = []
        else:
            match = re.fullmatch(r"(\d+\.?\d*)([a-z%]*)", word)
            if not match or match[2] not in WORDS.get(name, ()):
                raise ValueError(f"{words!r}: {word!r} is neither a fault nor a value of {name or 'one'}")
            faults[name].append(float(match[1]) * UNITS[match[2]])
    if not all(faults.values()):
        raise ValueError(f"{words!r}: a fault has no value")
    return faults


class Way:
    """One way of a wire: packets are put in, and are due later, or never, or twice, or other ones."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed).random
        self.order = itertools.count()
        self.queue: list[tuple[float, int, bytes]] = []
        self.faults: Faults = {}
        self.bad = False
        self.met = 0

    def lay(self, words: str) -> int:
        """From now on these faults; what is under way keeps the fate it has. Gives how many met those before."""
        met, self.met = self.met, 0
        self.faults = read_faults(words)
        self.bad = False
        return met

    def put(self, packet: bytes, now: float, copied: bool = False) -> None:
        """A packet comes in at `now` (seconds)."""
        if not copied and self.happens("duplicate"):
            self.put(packet, now, copied=True)
        self.met += bool(self.faults)
        too_long = len(packet) > self.value("mtu", 0, len(packet))
        if too_long or self.is_lost() or len(self.queue) >= self.value("limit", 0, 1_000):
            return
        if self.happens("corrupt"):
            packet = self.flip(packet)
        heapq.heappush(self.queue, (self.departure(packet, now), next(self.order), packet))

    def due(self, now: float) -> list[bytes]:
        """What comes out until `now`."""
        packets = []
        while self.queue and self.queue[0][0] <= now:
            packets.append(heapq.heappop(self.queue)[2])
        return packets

    def next_at(self) -> float:
        """When something comes out next."""
        return self.queue[0][0] if self.queue else float("inf")

    def value(self, name: str, place: int, default: float = 0.0) -> float:
        """One value of a fault."""
        values = self.faults.get(name, [])
        return values[place] if place < len(values) else default

    def happens(self, name: str) -> bool:
        """Whether it does this time."""
        return self.random() < self.value(name, 0)

    def is_lost(self) -> bool:
        """By chance, or by the Gilbert-Elliott model, where a bad stretch follows a good one."""
        if "gemodel" not in self.faults:
            return self.happens("loss")
        good_to_bad, bad_to_good = self.value("gemodel", 0), self.value("gemodel", 1)
        lost_in_bad, lost_in_good = self.value("gemodel", 2, 1.0), self.value("gemodel", 3)
        was_bad = self.bad
        self.bad = self.random() >= bad_to_good if was_bad else self.random() < good_to_bad
        return self.random() < (lost_in_bad if was_bad else lost_in_good)

    def flip(self, packet: bytes) -> bytes:
        """One bit of it is another."""
        place, bit = int(self.random() * len(packet)), int(self.random() * 8)
        return packet[:place] + bytes([packet[place] ^ 1 << bit]) + packet[place + 1 :]

    def departure(self, packet: bytes, now: float) -> float:
        """Reordered means at once, before all that wait; a slow line sends one after the other."""
        if self.happens("reorder"):
            return now
        delay, jitter = self.value("delay", 0), self.value("delay", 1)
        delay += jitter * (2 * self.random() - 1)
        rate = self.value("rate", 0)
        if not rate:
            return now + max(delay, 0)
        before = max((at for at, _, _ in self.queue), default=now)
        return max(before, now + delay) + len(packet) * 8 / rate
