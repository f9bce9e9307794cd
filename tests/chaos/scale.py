"""How much chaos: a bounded part by default, the whole with PY_EDGE_CHAOS=full (`make chaos`), more with long.

PY_EDGE_CHAOS_PART=2/10 takes the second tenth of the histories, the kills, the power cuts and the single faults, so that the
whole may run in parts.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

FIRST_SEED = 1_000_000


@dataclass(frozen=True)
class Scale:
    """One column of the table below."""

    every: int  # take every n-th system call as a point of failure
    kills: int  # random kills of real processes
    cuts: int  # power cuts of a recorded run
    histories: int  # simulated histories
    storm_s: float  # how long the network is bad
    spells: int  # faults of the network that are met alone …
    spell_s: float  # … for so long
    number: int = 1  # which part this is, from 1 …
    parts: int = 1  # … of how many

    def seeds(self) -> range:
        """The histories of this part; all parts together have each seed once."""
        return self._of(self.histories, FIRST_SEED)

    def deaths(self) -> range:
        """The kills of this part."""
        return self._of(self.kills, 0)

    def single_faults(self) -> range:
        """The spells of this part."""
        return self._of(self.spells, 0)

    def power_cuts(self) -> range:
        """The power cuts of this part."""
        return self._of(self.cuts, 0)

    def _of(self, count: int, first: int) -> range:
        begin, end = (count * number // self.parts for number in (self.number - 1, self.number))
        return range(first + begin, first + end)


SCALES = {
    "short": Scale(every=5, kills=15, cuts=60, histories=300, storm_s=10.0, spells=3, spell_s=8.0),
    "full": Scale(every=1, kills=200, cuts=1_000, histories=10_000, storm_s=60.0, spells=30, spell_s=8.0),
    "long": Scale(
        every=1, kills=1_000, cuts=10_000, histories=100_000, storm_s=300.0, spells=90, spell_s=60.0
    ),
}


def chosen(size: str, part: str) -> Scale:
    """A column of the table, or a part of it: `chosen("full", "2/10")`."""
    number, parts = (int(word) for word in part.split("/"))
    if not 1 <= number <= parts:
        raise ValueError(f"PY_EDGE_CHAOS_PART is {part}, want N/M with 1 <= N <= M")
    return replace(SCALES[size], number=number, parts=parts)


SCALE = chosen(os.environ.get("PY_EDGE_CHAOS", "short"), os.environ.get("PY_EDGE_CHAOS_PART", "1/1"))
