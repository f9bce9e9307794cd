"""Many simulated histories on all cores; one that ends badly names its seed, which replays bit for bit.

300 by default, 10^4 with `make chaos`, 10^5 with CHAOS=long. Seeds begin where those of tests/chain end. In some of them
questions and whole devices are erased as well, in some nodes lose their disk or get another parent, in some questions
come by the handful and go up by the list.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ProcessPoolExecutor

import pytest

from py_edge.chain.simulate import Outcome, Plan, run_history
from tests.chaos.scale import SCALE

PLANS = (
    Plan(erasures=0.33, leaving=0.33, devices=3),
    Plan(),
    Plan(models=0.6),
    Plan(erasures=0.33, leaving=0.33, devices=3, models=0.6),
    Plan(models=0.6, losses=0.5, slips=0.4),
    Plan(models=0.6, losses=0.3, moves=0.5, devices=3, slips=0.4),
    Plan(questions=2, burst=8, contents=60, models=0.3, erasures=0.2),
    Plan(questions=2, burst=8, contents=60, models=0.3, losses=0.4, moves=0.4),
)


def live(seed: int) -> Outcome:
    """One history; what it raises is a trouble too."""
    try:
        return run_history(seed, PLANS[seed % len(PLANS)])
    except Exception as error:
        return Outcome(seed, [repr(error)])


@pytest.mark.slow
def test_many_histories_end_well() -> None:
    """No trouble in any, whatever is lost, doubled, reordered, cut off, killed or told a wrong time."""
    begin = time.monotonic()
    seeds = SCALE.seeds()
    bad, asked, kills, messages, virtual_s = [], 0, 0, 0, 0.0
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for outcome in pool.map(live, seeds, chunksize=10):
            bad += [(outcome.seed, outcome.troubles)] if outcome.troubles else []
            asked, kills = asked + outcome.asked, kills + outcome.kills
            messages, virtual_s = messages + outcome.messages, virtual_s + outcome.virtual_s
    seconds = time.monotonic() - begin
    print(
        f"\n{len(seeds)} histories from seed {seeds.start} in {seconds:.0f} s ({virtual_s / 3600:.0f} virtual hours): "
        f"{asked} questions, {kills} kills, {messages} messages, {len(bad)} bad"
    )
    assert bad == []
    assert asked > len(seeds)
    assert kills > len(seeds)
