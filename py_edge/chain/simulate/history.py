"""One history: a world lives through its faults (world.py), and an outside checker looks at the end (checker.py)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from hashlib import sha256

from py_edge.chain.simulate.checker import check
from py_edge.chain.simulate.loop import run_virtually
from py_edge.chain.simulate.world import Plan, World
from py_edge.storage.tables import QUESTIONS


@dataclass
class Outcome:
    """What came of it: troubles found (none is well), a digest of everything that happened, and some counts."""

    seed: int
    troubles: list[str] = field(default_factory=list)
    digest: str = ""
    asked: int = 0
    answered: int = 0
    kills: int = 0
    messages: int = 0
    virtual_s: float = 0.0


def run_history(seed: int, plan: Plan | None = None) -> Outcome:
    """Live one history and check it."""
    world = World(seed, plan or Plan())

    async def whole() -> Outcome:
        await world.live()
        troubles = await check(world)
        words = repr(world.log) + repr([sorted(map(repr, place.disk.rows.items())) for place in world.places])
        outcome = Outcome(seed, troubles, sha256(words.encode()).hexdigest())
        outcome.asked, outcome.kills, outcome.messages = len(world.told), world.kills, len(world.log)
        outcome.virtual_s = asyncio.get_running_loop().time()
        outcome.answered = sum(
            row["state"] == "answered"
            for place in world.devices
            for (name, _), row in place.disk.rows.items()
            if name == QUESTIONS.name
        )
        for place in world.places:
            await place.kill()
        return outcome

    return run_virtually(whole())
