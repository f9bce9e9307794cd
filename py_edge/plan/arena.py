"""Where each value lives: slots with a lifetime, packed into one arena.

Greedy by size (Pisarchyk and Lee 2020, Efficient Memory Management for Deep Neural Net Inference, sec. 5): the largest
slot first, each at the lowest offset that is free during its whole life.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass

from py_edge.plan.abi import ARENA

ALIGN = 64


@dataclass(slots=True, eq=False)
class Slot:
    """size_bytes in `space`, needed from step `first` to step `last` inclusive; offset is set by `assign`."""

    size_bytes: int
    first: int
    last: int
    space: int = ARENA
    offset: int = -1

    def use(self, time: int) -> None:
        self.first, self.last = min(self.first, time), max(self.last, time)


def align(size: int) -> int:
    return (size + ALIGN - 1) // ALIGN * ALIGN


def assign(slots: Iterable[Slot]) -> int:
    """Give every arena slot its offset; returns the arena's size in bytes."""
    placed: list[Slot] = []
    for slot in sorted(slots, key=lambda s: (-s.size_bytes, s.first)):
        offset = 0
        for other in placed:  # sorted by offset
            if other.last < slot.first or slot.last < other.first:
                continue
            if other.offset - offset >= align(slot.size_bytes):
                break
            offset = max(offset, other.offset + align(other.size_bytes))
        slot.offset = offset
        insort(placed, slot, key=lambda s: s.offset)
    return max((s.offset + align(s.size_bytes) for s in placed), default=0)


def largest_live_bytes(slots: Iterable[Slot]) -> int:
    """The most that is alive at any one step: no arena can be smaller."""
    changes: dict[int, int] = {}
    for slot in slots:
        changes[slot.first] = changes.get(slot.first, 0) + align(slot.size_bytes)
        changes[slot.last + 1] = changes.get(slot.last + 1, 0) - align(slot.size_bytes)
    live = most = 0
    for time in sorted(changes):
        live += changes[time]
        most = max(most, live)
    return most
