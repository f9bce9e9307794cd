"""Nearest prototypes: usable from the first example, exact to take back, kept whole."""

from __future__ import annotations

import pytest

from py_edge.errors import IntegrityError, ShapeError, TrainingError
from py_edge.model import Model
from py_edge.tfjs import sequential
from py_edge.train.prototypes import Prototypes, head_features
from tests.train.small import blobs


def test_a_few_examples_are_enough() -> None:
    """With five examples per class most of the others must be right; with one each, better than chance."""
    model = Model(sequential((4,), [{"class_name": "Dense", "units": 16, "activation": "relu"},
                                    {"class_name": "Dense", "units": 3, "activation": "softmax"}], seed=5))  # fmt: skip
    x, y = blobs(90)
    features = head_features(model, x)
    assert len(features[0]) == 16
    for shots, wanted in ((1, 0.5), (5, 0.8)):
        learner = Prototypes()
        for vector, label in list(zip(features, y.flat, strict=True))[: 3 * shots]:
            learner.learn_one(vector, label)
        right = sum(learner.predict(v) == label for v, label in zip(features[15:], y.flat[15:], strict=True))
        assert right / 75 > wanted


def test_unlearning_is_exact_and_state_is_whole() -> None:
    """Taking an example away must give what was; a restored learner must answer the same."""
    learner = Prototypes()
    learner.learn_one([1, 0], 0)
    learner.learn_one([0, 1], 1)
    before = learner.probabilities([1, 1.5])
    learner.learn_one([0.5, 1], 0)
    learner.learn_one([0.5, 1], 0, weight=-1)
    assert learner.probabilities([1, 1.5]) == pytest.approx(before)
    assert Prototypes.restore(learner.state()).probabilities([1, 1.5]) == learner.probabilities([1, 1.5])


def test_bad_use_is_told() -> None:
    """Asking before learning, other lengths and foreign bytes must be errors."""
    with pytest.raises(TrainingError):
        Prototypes().predict([1.0])
    learner = Prototypes()
    learner.learn_one([1, 0], 0)
    with pytest.raises(ShapeError):
        learner.learn_one([1, 0, 0], 0)
    with pytest.raises(IntegrityError):
        Prototypes.restore(b"{}")
