"""How much chaos: a bounded part by default, the whole with PY_EDGE_CHAOS=full (`make chaos`), more with long."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """One column of the table below."""

    every: int  # take every n-th system call as a point of failure
    kills: int  # random kills of real processes
    histories: int  # simulated histories
    storm_s: float  # how long the network is bad


SCALES = {
    "short": Scale(every=5, kills=15, histories=300, storm_s=10.0),
    "full": Scale(every=1, kills=200, histories=10_000, storm_s=60.0),
    "long": Scale(every=1, kills=1_000, histories=100_000, storm_s=300.0),
}
SCALE = SCALES[os.environ.get("PY_EDGE_CHAOS", "short")]
