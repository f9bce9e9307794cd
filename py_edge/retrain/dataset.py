"""The dataset: what upper tiers and persons said, with who said it; a share is held back to judge with.

Random audits are held back, for they show what really comes. Without any audit a share chosen by the digest of the
content is, so an example never changes sides and equal inputs are on one side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from py_edge.chain.answers import PERSON_TIER
from py_edge.fields import read_json
from py_edge.records import NO_LABEL, Example, digest_of_content
from py_edge.retrain.learner import Owned
from py_edge.storage.ports import Reading
from py_edge.storage.tables import EXAMPLES

HELD_BACK_OF_16 = 3  # about a fifth


@dataclass(frozen=True)
class Dataset:
    """Examples to train on, recent ones to judge with, and audits that fit no label: who answers those is wrong."""

    train: Sequence[Example]
    held_back: Sequence[Example]
    strange: Sequence[Example] = ()

    @property
    def audits(self) -> list[Example]:
        """Everything that a promise is measured by, oldest first."""
        known = [example for example in self.held_back if example.audit]
        return sorted([*known, *self.strange], key=lambda example: example.at_ms)


def load_dataset(tx: Reading, owned: Owned, without: frozenset[str] = frozenset()) -> Dataset:
    """Every example that this model may learn from.

    without: devices or annotators whose words are not believed any more (unlearning is retraining without them).
    """
    where = [("tier", ">", owned.level)]
    if owned.learns_from:
        where.append(("model", "in", owned.learns_from))  # type: ignore[arg-type]
    rows = tx.select(EXAMPLES, *where, order=("at_ms", "device", "sequence"))
    examples = [Example.from_json(read_json(row["body"])) for row in rows]
    trusted = [e for e in examples if e.device not in without and not without.intersection(e.annotators)]
    strange = [example for example in trusted if example.label_index == NO_LABEL]
    believed = [example for example in trusted if example.label_index != NO_LABEL]
    judges = _is_audit if any(map(_is_audit, believed)) else _is_in_share
    held_back = [example for example in believed if judges(example)]
    return Dataset(
        [example for example in believed if not judges(example) and not example.audit], held_back, strange
    )


def _is_audit(example: Example) -> bool:
    return example.audit and example.tier == PERSON_TIER


def _is_in_share(example: Example) -> bool:
    in_share = int(digest_of_content(example.input, "")[0], 16) < HELD_BACK_OF_16
    return example.tier == PERSON_TIER and in_share


def count_examples(tx: Reading, owned: Owned) -> int:
    """How many examples this model could learn from now."""
    where = [("tier", ">", owned.level)]
    if owned.learns_from:
        where.append(("model", "in", owned.learns_from))  # type: ignore[arg-type]
    return tx.count(EXAMPLES, *where)
