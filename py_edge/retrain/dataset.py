"""The dataset: what upper tiers and persons said, with who said it; a share is held back to judge with.

What is held back is chosen by the digest of the content, so an example never changes sides and equal inputs are
on one side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from py_edge.fields import read_json
from py_edge.records import Example, digest_of_content
from py_edge.retrain.learner import Owned
from py_edge.storage.ports import Reading
from py_edge.storage.tables import EXAMPLES

HELD_BACK_OF_16 = 3  # about a fifth


@dataclass(frozen=True)
class Dataset:
    """Examples to train on, and recent ones to judge with."""

    train: Sequence[Example]
    held_back: Sequence[Example]


def load_dataset(tx: Reading, owned: Owned, without: frozenset[str] = frozenset()) -> Dataset:
    """Every example that this model may learn from.

    without: devices or annotators whose words are not believed any more (unlearning is retraining without them).
    """
    where = [("tier", ">", owned.level)]
    if owned.learns_from:
        where.append(("model", "in", owned.learns_from))  # type: ignore[arg-type]
    train: list[Example] = []
    held_back: list[Example] = []
    for row in tx.select(EXAMPLES, *where, order=("at_ms", "device", "sequence")):
        example = Example.from_json(read_json(row["body"]))
        if example.device in without or without.intersection(example.annotators):
            continue
        judge = example.tier == 99 and int(digest_of_content(example.input, "")[0], 16) < HELD_BACK_OF_16
        (held_back if judge else train).append(example)
    return Dataset(train, held_back)


def count_examples(tx: Reading, owned: Owned) -> int:
    """How many examples this model could learn from now."""
    where = [("tier", ">", owned.level)]
    if owned.learns_from:
        where.append(("model", "in", owned.learns_from))  # type: ignore[arg-type]
    return tx.count(EXAMPLES, *where)
