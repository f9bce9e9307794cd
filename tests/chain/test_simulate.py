"""Simulated histories: nothing is lost, nothing happens twice, a seed replays bit for bit, and the check can fail."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from py_edge.chain import answers, retry, tier
from py_edge.chain.simulate import Outcome, Plan, run_history
from py_edge.chain.simulate.loop import run_virtually
from py_edge.chain.simulate.place import SimDisk
from py_edge.storage.in_memory import Change
from py_edge.storage.tables import QUESTIONS

HISTORIES = int(os.environ.get("PY_EDGE_HISTORIES", "40"))
PARTS = 8
ERASING = int(os.environ.get("PY_EDGE_HISTORIES", "8"))
LOSING = int(os.environ.get("PY_EDGE_HISTORIES", "10"))
TOGETHER = Plan(questions=2, burst=8, contents=60, models=0.3, erasures=0.2)
TOGETHER_LOSING = replace(TOGETHER, erasures=0.0, losses=0.4, moves=0.4)


@pytest.mark.parametrize("part", range(PARTS))
def test_histories_end_well(part: int) -> None:
    """One to six tiers with loss, repetition, partitions, clocks ten years off, kills and failing disks."""
    outcomes = [run_history(seed) for seed in range(part, HISTORIES, PARTS)]
    assert [(outcome.seed, outcome.troubles) for outcome in outcomes if outcome.troubles] == []
    assert sum(outcome.kills for outcome in outcomes) > 0
    assert sum(outcome.answered for outcome in outcomes) > 0


def test_a_seed_replays_bit_for_bit() -> None:
    """Every message and every row of two runs of one seed are the same; another seed is another history."""
    first, again, other = run_history(11), run_history(11), run_history(12)
    assert (first.digest, first.messages, first.virtual_s) == (again.digest, again.messages, again.virtual_s)
    assert first.digest != other.digest


def test_what_is_erased_in_bad_weather_is_gone_everywhere() -> None:
    """A third of all questions and of all devices is erased while messages are lost, doubled and late and places die:
    no place keeps their content, and equal questions of others end well."""
    plan = Plan(erasures=0.33, leaving=0.33, devices=3)
    outcomes = [run_history(seed, plan) for seed in range(ERASING)]
    assert [(outcome.seed, outcome.troubles) for outcome in outcomes if outcome.troubles] == []


def test_lost_disks_and_other_parents_end_well() -> None:
    """Half of the nodes have models; every second kill of a node takes its disk, or gives it another parent as well: each
    question is asked again and ends with a final answer, once, at its own device."""
    plans = Plan(models=0.6, losses=0.5), Plan(models=0.6, losses=0.3, moves=0.5, devices=3)
    outcomes = [run_history(seed, plans[seed % 2]) for seed in range(LOSING)]
    assert [(outcome.seed, outcome.troubles) for outcome in outcomes if outcome.troubles] == []


def test_what_goes_up_together_ends_well() -> None:
    """Devices ask eight at a time, so that questions go by the list: requests are lost, repeated, or half of them is put
    off, nodes die with a list half taken or are too old for one, and each question ends once, at its own device."""
    outcomes = [
        run_history(seed, plan) for seed in range(LOSING // 2) for plan in (TOGETHER, TOGETHER_LOSING)
    ]
    assert [(outcome.seed, outcome.troubles) for outcome in outcomes if outcome.troubles] == []


def test_a_person_who_slipped_corrects_it_though_the_node_between_lost_its_disk() -> None:
    """The node's new count of revisions begins below what its child had heard in the old one; the right word gets through."""
    plan = Plan(
        models=1.0, losses=0.2, slips=0.7, devices=3, tiers=6, deadlines=False, contents=9, questions=6
    )
    assert run_history(150, plan).troubles == []


def forget_everything(patch: pytest.MonkeyPatch) -> None:
    """fsync: acknowledged before it is on the disk."""

    async def commit(self: SimDisk, changes: list[Change]) -> None:
        if self.rng.random() < 0.8:
            await plain(self, changes)

    plain = SimDisk.commit
    patch.setattr(SimDisk, "commit", commit)


def no_inbox(patch: pytest.MonkeyPatch) -> None:
    """inbox row: what comes again takes effect again."""

    def take_home(tx: Any, origin: str, answer: Any, now_ms: int) -> bool:
        row = tx.get(QUESTIONS, answer.device, answer.sequence)
        return row is not None and answers.settle(tx, row, answer, now_ms)

    patch.setattr(tier, "take_home", take_home)
    patch.setattr(answers, "_says_the_same", lambda before, answer: False)


def give_up_on_errors(patch: pytest.MonkeyPatch) -> None:
    """retry: a busy parent is taken for one that refuses."""
    patch.setattr(retry, "kind_of", lambda response: retry.DONE if response.status < 300 else retry.REFUSED)


@pytest.mark.parametrize("sabotage", [forget_everything, no_inbox, give_up_on_errors])
def test_a_missing_mechanism_is_noticed(
    sabotage: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one mechanism left out, some history soon ends badly."""
    sabotage(monkeypatch)
    assert any(_troubles(seed) for seed in range(60))


def _troubles(seed: int) -> list[str]:
    try:
        outcome: Outcome = run_history(seed, Plan(deadlines=False))
    except Exception as error:
        return [repr(error)]
    return outcome.troubles


def test_what_the_parent_ended_long_ago_ends_below_too() -> None:
    """A node lost its disk after it was told that a question had expired; asking again, it hears so from the receipt."""
    assert run_history(1_005_850, Plan(models=0.6, losses=0.5)).troubles == []


def test_a_killed_process_writes_nothing_into_the_life_of_the_next() -> None:
    """What a place had not written when it was killed never reaches its disk once it has started again."""

    async def whole() -> None:
        disk = SimDisk(random.Random(1))
        late = asyncio.create_task(disk.commit([("facts", ("late",), {"name": "late", "value": ""})]))
        await asyncio.sleep(0)
        assert disk.start() == []
        with pytest.raises(OSError, match="kill"):
            await late
        assert disk.rows == {}

    run_virtually(whole())
