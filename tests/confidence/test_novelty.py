"""What no class was learnt from is not answered."""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Callable

import pytest

from py_edge.confidence import NOVEL, Decision, Familiarity, decide
from py_edge.errors import CalibrationError
from py_edge.host.classroom import Classroom

SEEDS = range(4)
PER_CLASS = 20
THRESHOLD = 0.8


def _digits() -> tuple[list[list[float]], list[int]]:
    datasets = pytest.importorskip("sklearn.datasets")
    found = datasets.load_digits()
    return (found.data / 16).tolist(), [int(label) for label in found.target]


def _flat(rows: list[list[float]]) -> array[float]:
    return array("f", [value for row in rows for value in row])


def _taught(
    seed: int, knows: bool = True
) -> tuple[Callable[[list[float]], Decision], list[list[float]], list[list[float]]]:
    """A net taught three of the ten digits: how it decides, new pictures of those three, pictures of the others."""
    images, truth = _digits()
    rng = random.Random(seed)
    kinds = rng.sample(range(10), 3)
    mine = {kind: [i for i, label in enumerate(truth) if label == kind] for kind in kinds}
    for own in mine.values():
        rng.shuffle(own)
    inputs = [images[i] for kind in kinds for i in mine[kind][:PER_CLASS]]
    labels = [place for place in range(3) for _ in range(PER_CLASS)]
    room = Classroom(64, [32], [str(kind) for kind in kinds], "relu", 0.003, seed)
    room.fit(_flat(inputs), labels, 60)
    if knows:
        room.know(_flat(inputs), labels)
    known = [images[i] for kind in kinds for i in mine[kind][PER_CLASS : PER_CLASS + 40]]
    unknown = [images[i] for i in rng.sample([i for i, label in enumerate(truth) if label not in kinds], 120)]
    return lambda row: room.decide(_flat([row]), THRESHOLD)[0], known, unknown


@pytest.mark.parametrize("seed", SEEDS)
def test_an_unknown_kind_is_asked_about_and_known_ones_are_answered(seed: int) -> None:
    """Three digits are learnt. Of the seven others the net alone is sure of most; now of few, and with next to no
    confidence in what is new; new pictures of the three are answered as before."""
    decision, known, unknown = _taught(seed)
    answered = sum(not decision(row).defer for row in known) / len(known)
    others = [decision(row) for row in unknown]
    sure = sum(not d.defer for d in others) / len(others)
    print(f"seed {seed}: answered of known {answered:.3f}, of unknown {sure:.3f}")
    assert answered > 0.75
    assert sure < 0.25
    assert all(d.confidence <= NOVEL and "like nothing" in d.reason for d in others if d.novel)


def test_without_what_it_learnt_from_the_net_is_sure_of_the_unknown() -> None:
    """The control: softmax alone answers half of the unknown kinds or more."""
    decision, _, unknown = _taught(0, knows=False)
    assert sum(not decision(row).defer for row in unknown) / len(unknown) > 0.5


def test_the_p_value_is_the_share_of_examples_that_lie_as_far_out() -> None:
    """Four examples on a line, each 1 or 2 from the next; nearer than any is 1, farther than all the least."""
    known = Familiarity([[0.0], [1.0], [3.0], [4.0], [9.0]], [0, 0, 0, 0, 0])
    assert known.p_value([0.5], 0) == 1
    assert known.p_value([5.0], 0) == 1
    assert known.p_value([6.5], 0) == pytest.approx(2 / 6)
    assert known.p_value([20.0], 0) == pytest.approx(1 / 6)
    assert known.p_value([math.nan], 0) == pytest.approx(1 / 6)
    assert not known.is_novel([6.5], 0)
    assert known.is_novel([20.0], 0)
    assert known.is_novel([math.nan], 0)


def test_variants_of_one_thing_are_no_evidence_that_things_are_near() -> None:
    """Two things 10 apart, each with a copy 0.1 beside it: 8 off is usual here, and would not be by the copies."""
    rows, labels = [[0.0], [0.1], [10.0], [10.1]], [0, 0, 0, 0]
    assert not Familiarity(rows, labels, variants=2).is_novel([18.0], 0)
    assert Familiarity(rows, labels).is_novel([18.0], 0)


def test_what_moved_as_its_variants_did_is_not_new() -> None:
    """The same thing recorded three times lies 0 from itself; moved by what a variant moves it is known still."""
    known = Familiarity([[0.0], [1.0]] * 3, [0] * 6, variants=2)
    assert not known.is_novel([-1.0], 0)
    assert known.is_novel([-1.5], 0)


def test_of_a_class_with_one_example_nothing_is_known() -> None:
    """There, and for a class never seen, the decision stands."""
    known = Familiarity([[0.0], [5.0], [6.0]], [0, 1, 1])
    decision = decide([0.9, 0.1, 0.0], threshold=0.5)
    assert known.p_value([99.0], 2) == 1
    assert known.doubt(decision, [99.0]) == decision
    doubted = known.doubt(decide([0.1, 0.9, 0.0], threshold=0.5), [99.0])
    assert (doubted.defer, doubted.novel) == (True, True)


@pytest.mark.parametrize(
    ("rows", "labels", "variants"), [([], [], 1), ([[0.0]], [0, 1], 1), ([[0.0]], [0], 2)]
)
def test_what_cannot_be_learnt_from_is_refused(
    rows: list[list[float]], labels: list[int], variants: int
) -> None:
    """No rows, labels that do not fit, half a set of variants."""
    with pytest.raises(CalibrationError):
        Familiarity(rows, labels, variants)
