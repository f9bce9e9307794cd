"""scikit-learn's heads on a model's features: in a pipeline, and as the model's own last layer."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone  # type: ignore[import-untyped]
from sklearn.datasets import load_digits  # type: ignore[import-untyped]
from sklearn.ensemble import RandomForestClassifier  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.model_selection import cross_val_score  # type: ignore[import-untyped]
from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]
from sklearn.svm import LinearSVC  # type: ignore[import-untyped]

from py_edge.errors import ShapeError, UnsupportedError, ValueRangeError
from py_edge.model import Model, load_model
from py_edge.tfjs import sequential
from py_edge.train.finetune import finetune
from py_edge.train.heads import EdgeFeatures, fit_head

INNER = {"class_name": "Dense", "units": 32, "activation": "relu"}


def rows(tensor: Any) -> Any:
    return np.array(tensor.flat).reshape(tensor.shape)


def digits(classes: int = 10) -> tuple[Any, Any]:
    data = load_digits(n_class=classes)
    return (data.data / 16).astype(np.float32), data.target


def schooled(classes: int = 10) -> Model:
    """A net that has seen the first 300 images."""
    x, y = digits(classes)
    model = Model(
        sequential((64,), [INNER, {"class_name": "Dense", "units": classes, "activation": "softmax"}], seed=3)
    )
    finetune(model, x[:300], y[:300], layers="all", epochs=5, learning_rate=0.005)
    return model


def test_pipeline_scores_clones_and_pickles() -> None:
    """A head of scikit-learn on our features must read digits that it was not fitted on, as a clone and after a pickle."""
    x, y = digits()
    pipe = make_pipeline(EdgeFeatures(schooled()), LogisticRegression(max_iter=500))
    assert cross_val_score(clone(pipe), x[300:900], y[300:900], cv=3).mean() > 0.85
    pipe.fit(x[300:900], y[300:900])
    assert pipe[0].transform(x[:2]).shape == (2, 32)
    assert list(pipe[0].get_feature_names_out()[:2]) == ["feature0", "feature1"]
    again = pickle.loads(pickle.dumps(pipe))
    assert np.allclose(pipe.predict_proba(x[900:]), again.predict_proba(x[900:]))


@pytest.mark.parametrize("classes", [10, 2])
def test_logistic_head_is_the_models_own(classes: int, tmp_path: Path) -> None:
    """The model must say what scikit-learn's head on its features says, also when it was saved and read again."""
    x, y = digits(classes)
    model = schooled(classes)
    before = np.mean(rows(model.predict(x[300:])).argmax(1) == y[300:])
    head = fit_head(model, x[:300], y[:300])
    found = rows(model.predict(x[300:]))
    assert np.allclose(found, head.predict_proba(EdgeFeatures(model).fit(x).transform(x[300:])), atol=1e-5)
    assert np.mean(found.argmax(1) == y[300:]) >= before
    model.save(tmp_path)
    assert np.allclose(found, rows(load_model(tmp_path).predict(x[300:])), atol=1e-6)


def test_other_linear_heads_choose_alike() -> None:
    """A support vector head must choose what it chose in scikit-learn; only the last layer may change."""
    x, y = digits()
    model = schooled()
    inner = {n: t.tobytes() for n, t in model.weights.items()}
    head = fit_head(model, x[:300], y[:300], LinearSVC(), sample_weight=np.linspace(0.5, 1.5, 300))
    assert np.array_equal(
        rows(model.predict(x)).argmax(1), head.predict(EdgeFeatures(model).fit(x).transform(x))
    )
    assert len([n for n, t in model.weights.items() if t.tobytes() != inner[n]]) == 2


def test_what_cannot_be_a_head_is_refused() -> None:
    """A forest, a missing class, an unknown name, a model without softmax, a foreign input: errors, the model unchanged."""
    x, y = digits()
    model = schooled()
    before = {n: t.tobytes() for n, t in model.weights.items()}
    for error, found, labels, head in (
        (UnsupportedError, x[:300], y[:300], RandomForestClassifier(2)),
        (ValueRangeError, x[:9], y[:9], "logistic"),
        (ValueRangeError, x[:300], y[:300] + 1, "logistic"),
        (ValueRangeError, x[:300], y[:300], "logical"),
        (ShapeError, x[:300, :32], y[:300], "logistic"),
    ):
        with pytest.raises(error):
            fit_head(model, found, labels, head)
    with pytest.raises(UnsupportedError, match="softmax"):
        fit_head(Model(sequential((64,), [INNER], seed=1)), x[:300], y[:300])
    with pytest.raises(ValueRangeError, match="needs a model"):
        EdgeFeatures().fit(x)
    assert {n: t.tobytes() for n, t in model.weights.items()} == before
