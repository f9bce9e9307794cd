"""scikit-learn's own checks on our estimators, and that they learn."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits  # type: ignore[import-untyped]
from sklearn.model_selection import train_test_split  # type: ignore[import-untyped]
from sklearn.utils.estimator_checks import parametrize_with_checks  # type: ignore[import-untyped]

from py_edge.train.estimator import EdgeClassifier, EdgeRegressor

REASON = "mini-batches are drawn from other rows when rows are repeated or left out"
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": REASON,
    "check_sample_weight_equivalence_on_sparse_data": REASON,
}


@parametrize_with_checks(  # type: ignore[untyped-decorator]
    [EdgeClassifier(random_state=0), EdgeRegressor(random_state=0)],
    expected_failed_checks=lambda estimator: EXPECTED,
)
def test_scikit_learn_agrees(estimator: Any, check: Callable[[Any], None]) -> None:
    """Every check of scikit-learn's suite must pass."""
    check(estimator)


def digits() -> tuple[Any, Any, Any, Any]:
    x, y = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(x / 16, y, random_state=0)
    return train_x, test_x, train_y, test_y


def test_classifier_learns_digits() -> None:
    """A small net must read digits, its one layer given as a number or a list; a pickle must answer the same."""
    train_x, test_x, train_y, test_y = digits()
    names = np.array([f"digit {i}" for i in range(10)])
    net = EdgeClassifier(epochs=15, random_state=1).fit(train_x, names[train_y])
    assert net.score(test_x, names[test_y]) > 0.95
    assert EdgeClassifier(hidden=32, epochs=15, random_state=1).fit(train_x, names[train_y]).score(
        test_x, names[test_y]
    ) == net.score(test_x, names[test_y])
    again = pickle.loads(pickle.dumps(net))
    assert np.array_equal(net.predict_proba(test_x), again.predict_proba(test_x))


def test_streaming_learns() -> None:
    """learn_one and partial_fit must go on from where the net is."""
    train_x, test_x, train_y, test_y = digits()
    net = EdgeClassifier(random_state=1, learning_rate=0.003)
    net.partial_fit(train_x[:64], train_y[:64], classes=range(10))
    for x, y in zip(train_x[64:600], train_y[64:600], strict=True):
        net.learn_one(x, y)
    assert net.score(test_x, test_y) > 0.8
    with pytest.raises(Exception, match="first fit"):
        net.learn_one(train_x[0], 11)
