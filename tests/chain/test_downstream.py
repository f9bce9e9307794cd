"""The way home, where the disk has changed what stands on it: another answer than the one that was given goes nowhere."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from py_edge.chain.tier import Tier
from py_edge.node.node import SystemClock
from py_edge.records import Answer
from py_edge.storage.in_memory import MemoryStore
from py_edge.storage.ports import Transaction
from py_edge.storage.tables import ANSWERS
from tests.node.asking import DEVICE, OTHER, question

SAID = Answer(DEVICE, 1, 1, label="7", label_index=7, source="person", tier=99, annotators=("ann",))


def flip(number: int) -> Any:
    """Work that flips one bit in the stored answer of question 1."""

    def work(tx: Transaction) -> None:
        row = tx.get(ANSWERS, DEVICE, 1, 1)
        assert row is not None
        at = number % len(row["body"])
        body = row["body"][:at] + chr(ord(row["body"][at]) ^ 1 << number % 7) + row["body"][at + 1 :]
        tx.put(ANSWERS, {**row, "body": body})

    return work


def test_a_flipped_bit_never_makes_another_answer() -> None:
    """Flipped wherever it may be, the answer is told as it was or not at all; the device's other answers come as ever."""

    async def story(number: int) -> None:
        tier = Tier("site", 1, MemoryStore(), SystemClock(), random.Random(0))
        for sequence in (1, 2):
            await tier.ask(question(sequence), DEVICE)
            await tier.bring_home("parent", [SAID.but(sequence=sequence)])
        whole = {each.sequence: each.answer for each in await tier.deliveries(DEVICE, 0)}
        first = whole[1]
        assert first is not None
        await tier.store.write(flip(number))
        told = {each.sequence: each.answer for each in await tier.deliveries(DEVICE, 0)}
        assert told == whole or told == {2: whole[2]}
        history = (await tier.history(DEVICE, 1))["answers"]
        assert history in ([], [first.to_json()])

    async def stories() -> None:
        for number in range(0, 700, 3):
            await story(number)

    asyncio.run(stories())


async def events_of(tier: Tier, sequences: tuple[int, ...]) -> list[int]:
    """Ask these, bring home an answer to each; gives the numbers under which they wait for their device."""
    for sequence in sequences:
        await tier.ask(question(sequence), DEVICE)
        await tier.bring_home("parent", [SAID.but(sequence=sequence)])
    return [each.event for each in await tier.deliveries(DEVICE, 0)]


def test_who_counts_from_a_number_of_a_lost_disk_misses_nothing() -> None:
    """Whoever says that it knows all up to a number that was never given here is told everything, and goes on from there."""

    async def story() -> None:
        tier = Tier("site", 1, MemoryStore(), SystemClock(), random.Random(0))
        assert await tier.deliveries(DEVICE, 9) == []
        first, second, third = await events_of(tier, (1, 2, 3))
        whole = [first, second, third]
        afters = (third + 5, third + 1, third, second, 0)
        events = [[each.event for each in await tier.deliveries(DEVICE, after)] for after in afters]
        assert events == [whole, whole, [], [third], whole]

    asyncio.run(story())


def test_an_acknowledgement_of_a_lost_disks_event_takes_nothing_of_the_new_one() -> None:
    """It was on its way when the disk was lost: the event that the next disk has to tell has another number."""

    async def story() -> None:
        lost, new = (Tier("site", 1, MemoryStore(), SystemClock(), random.Random(seed)) for seed in (0, 1))
        old = await events_of(lost, (1, 2))
        events = await events_of(new, (1, 2))
        assert await new.acknowledge(DEVICE, old) == 0
        assert [each.event for each in await new.deliveries(DEVICE, 0)] == events

    asyncio.run(story())


def test_an_equal_question_is_asked_again_and_heals() -> None:
    """Where the known answer is damaged an equal question climbs, and what comes home for it reaches the first one too."""

    async def story() -> None:
        tier = Tier("site", 1, MemoryStore(), SystemClock(), random.Random(0))
        await tier.ask(question(1), DEVICE)
        await tier.bring_home("parent", [SAID])
        await tier.store.write(flip(100))
        assert (await tier.history(DEVICE, 1))["answers"] == []
        receipt, _ = await tier.ask(question(5, 1.0, device=OTHER), OTHER)
        assert (receipt.state, receipt.answer) == ("queued", None)
        assert await tier.bring_home("parent", [SAID.but(device=OTHER, sequence=5)]) == 1
        assert [each.answer and each.answer.label for each in await tier.deliveries(DEVICE, 0)] == ["7"]

    asyncio.run(story())
