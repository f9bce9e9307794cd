"""What goes wrong, drawn from one seed: how often, how long, and where."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Faults:
    """Chances per event, all 0 after healing."""

    lose: float = 0.0  # a request that never arrives
    lose_reply: float = 0.0  # a request that is done, but its asker does not hear
    repeat: float = 0.0  # a request that arrives a second time, later
    break_stream: float = 0.0  # a stream that ends, per event
    garbage: float = 0.0  # a reply that makes no sense
    flip: float = 0.0  # a message, or an event, of which one bit comes out another
    busy: float = 0.0  # a server that says 503
    disk: float = 0.0  # a commit that fails; half of them reach the disk all the same
    slow_s: float = 0.05  # longest delay of a message


HEALED = Faults()


def draw_faults(rng: random.Random) -> Faults:
    """Some worlds are mild, some are dreadful."""
    worst = rng.choice((0.0, 0.02, 0.1, 0.3))
    return Faults(
        lose=rng.random() * worst,
        lose_reply=rng.random() * worst,
        repeat=rng.random() * worst,
        break_stream=rng.random() * worst,
        garbage=rng.random() * worst / 4,
        flip=rng.random() * worst / 2,
        busy=rng.random() * worst,
        disk=rng.random() * worst / 10,
        slow_s=rng.choice((0.001, 0.05, 2.0)),
    )
