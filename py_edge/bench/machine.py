"""The machine while it measures: what it is, and how much of it others took (steal, foreign processes)."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

MOST_STEAL = 0.01
MOST_FOREIGN = 0.05
"""Shares of one core; a round with more is thrown away, a machine with more is busy."""

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


@dataclass(frozen=True)
class Load:
    """Cores taken on average by the hypervisor (steal) and by processes that are not ours (foreign)."""

    steal: float
    foreign: float

    @property
    def quiet(self) -> bool:
        return self.steal <= MOST_STEAL and self.foreign <= MOST_FOREIGN


@dataclass(frozen=True)
class Moment:
    """Seconds of processor time since boot, over all cores; `own` is this process with its descendants."""

    time_s: float
    busy_s: float
    steal_s: float
    own_s: float


def now() -> Moment:
    """Zeros where there is no /proc."""
    try:
        fields = [int(word) for word in (PROC / "stat").read_text().split("\n", 1)[0].split()[1:]]
    except OSError:
        return Moment(time.monotonic(), 0.0, 0.0, 0.0)
    user, nice, system, _, _, irq, softirq, steal = fields[:8]
    return Moment(time.monotonic(), (user + nice + system + irq + softirq) / TICKS, steal / TICKS, _own_s())


def load_between(before: Moment, after: Moment) -> Load:
    """At a resolution of one tick (10 ms) per core."""
    elapsed = max(after.time_s - before.time_s, 1e-9)
    foreign = (after.busy_s - before.busy_s) - (after.own_s - before.own_s)
    return Load((after.steal_s - before.steal_s) / elapsed, max(0.0, foreign / elapsed))


def idle_load(seconds: float = 3.0) -> Load:
    """What others do while we sleep."""
    before = now()
    time.sleep(seconds)
    return load_between(before, now())


def descendants(root: int) -> list[int]:
    """The process and all below it; empty without /proc."""
    children: dict[int, list[int]] = {}
    for stat in PROC.glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [root]
    for process in found:
        found += children.get(process, [])
    return found


def _own_s() -> float:
    """Own time with that of ended children, which a parent keeps."""
    total = 0
    for process in descendants(os.getpid()):
        try:
            fields = (PROC / str(process) / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15]))
    return total / TICKS


def describe() -> dict[str, str | int | None]:
    """Model, cores and system, as they stand in a published result."""
    model = platform.processor()
    try:
        lines = (PROC / "cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return {"cpu": model, "cores": os.cpu_count(), "system": f"{platform.system()} {platform.machine()}"}
