"""What a model may learn from, and what judges it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest

from py_edge.chain.answers import keep_example
from py_edge.records import Example
from py_edge.retrain.dataset import Dataset, count_examples, load_dataset
from py_edge.retrain.learner import Owned
from py_edge.storage.in_memory import MemoryBus, MemoryStore
from tests.node.asking import DEVICE, content
from tests.retrain.centroids import CentroidLearner

OWNED = Owned("site", CentroidLearner(), level=1)


def example(number: int, tier: int = 99, audit: bool = False, annotator: str = "ann") -> Example:
    return Example(
        DEVICE, number, "digits", content(float(number)), number % 3, tier=tier, audit=audit,
        annotators=(annotator,) if tier == 99 else (), at_ms=number,
    )  # fmt: skip


async def load(examples: Sequence[Example], without: frozenset[str] = frozenset()) -> Dataset:
    store = MemoryStore(MemoryBus())
    for one in examples:
        await store.write(partial(keep_example, example=one))
    assert await store.read(lambda tx: count_examples(tx, OWNED)) == sum(one.tier > 1 for one in examples)
    return await store.read(lambda tx: load_dataset(tx, OWNED, without))


@pytest.mark.anyio
async def test_learns_only_from_above() -> None:
    """What the model's own tier or a lower one said is no example for it."""
    data = await load([example(1, tier=0), example(2, tier=1), example(3, tier=2), example(4, tier=99)])
    assert {one.sequence for one in [*data.train, *data.held_back]} == {3, 4}


@pytest.mark.anyio
async def test_audits_judge_and_are_never_trained_on() -> None:
    """As soon as there are random audits they alone are held back, and all else is trained on."""
    data = await load([*(example(n) for n in range(1, 40)), *(example(n, audit=True) for n in range(40, 50))])
    assert {one.sequence for one in data.held_back} == set(range(40, 50))
    assert {one.sequence for one in data.train} == set(range(1, 40))


@pytest.mark.anyio
async def test_without_audits_a_share_judges() -> None:
    """About three sixteenths of the persons' answers, the same ones every time, and never an answer of a model."""
    examples = [*(example(n) for n in range(1, 161)), *(example(n, tier=2) for n in range(161, 200))]
    first, again = await load(examples), await load(examples)
    assert 15 <= len(first.held_back) <= 50
    assert [one.sequence for one in first.held_back] == [one.sequence for one in again.held_back]
    assert all(one.tier == 99 for one in first.held_back)


@pytest.mark.anyio
async def test_a_source_can_be_unlearned() -> None:
    """Words of an annotator who is not believed any more are left out on both sides."""
    data = await load(
        [example(1), example(2, annotator="liar"), example(3, audit=True, annotator="liar")],
        frozenset({"liar"}),
    )
    assert {one.sequence for one in [*data.train, *data.held_back]} == {1}
