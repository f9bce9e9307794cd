"""scikit-learn on cached features, opt-in (numpy, scikit-learn): a transformer for pipelines, and linear heads written back.

What lies before the last layer runs once per example. A linear classifier fitted on that is a Dense layer, so the model takes
it as its own and goes on being a model: it predicts without scikit-learn and saves as TF.js. N: examples, F: features.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.metrics import log_loss  # type: ignore[import-untyped]
from sklearn.utils.validation import check_is_fitted  # type: ignore[import-untyped]

from py_edge.errors import ShapeError, UnsupportedError, ValueRangeError
from py_edge.model import Model, load_model
from py_edge.tensor import Tensor
from py_edge.tfjs.save import to_files
from py_edge.train.history import History, Progress
from py_edge.train.prototypes import before_head

Array = np.ndarray[Any, np.dtype[Any]]
HEADS: Mapping[str, Callable[[], Any]] = {"logistic": lambda: LogisticRegression(max_iter=1000)}
"""Heads by name, for options that are words."""


def features_of(model: Model, x: Any) -> Array:
    """(N, F) float64: what reaches the model's last layer with weights. Raises ShapeError for x that does not fit."""
    parts = [np.array(t.flat, np.float64).reshape(t.shape[0], -1) for t in before_head(model, x).values()]
    return np.concatenate(parts, axis=1)


class EdgeFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """What a model sees before its last layer, as a step of a scikit-learn pipeline; nothing is learnt here.

    In `make_pipeline(EdgeFeatures(model), head)` every fit computes the features anew; `Pipeline(memory=...)` keeps them.
    Clones share the model, a pickle holds its TF.js files.
    """

    def __init__(self, model: Model | None = None) -> None:
        self.model = model

    def fit(self, X: Any, y: Any = None) -> EdgeFeatures:
        """Only counts what comes in. Raises ShapeError: X does not fit the model."""
        self.n_features_in_ = int(np.shape(X)[1])
        self._n_features_out = self._features(X[:1]).shape[1]
        return self

    def transform(self, X: Any) -> Array:
        """X (N, values of one input) or the input's own shape -> (N, F)."""
        check_is_fitted(self)
        return self._features(X)

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """`feature0` and on."""
        check_is_fitted(self)
        return np.array([f"feature{i}" for i in range(self._n_features_out)], object)

    def _features(self, X: Any) -> Array:
        if self.model is None:
            raise ValueRangeError("EdgeFeatures needs a model", where="model")
        return features_of(self.model, np.ascontiguousarray(X, np.float32))

    def __sklearn_clone__(self) -> EdgeFeatures:
        return EdgeFeatures(self.model)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        return {**state, "model": to_files(self.model.tfjs) if self.model else None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        files = state["model"]
        super().__setstate__({**state, "model": load_model(files) if files else None})


def fit_head(model: Model, x: Any, y: Any, head: Any = "logistic", *, sample_weight: Any = None) -> Any:
    """Fit a linear scikit-learn classifier on the features of x and make it the model's last layer, in place.

    y (N,): classes 0..C-1 of the model, each at least once. head: a name of HEADS, or a classifier that will have `coef_` and
    `intercept_`; it is returned fitted. A multinomial logistic head gives its probabilities, others the same order.
    Raises UnsupportedError: the head is not linear, or the model does not end in Dense with a bias and softmax;
    ValueRangeError: an unknown name, a class without an example; the model is unchanged then.
    """
    if isinstance(head, str) and head not in HEADS:
        raise ValueRangeError("unknown head", where="head", got=head, want=sorted(HEADS))
    head = HEADS[head]() if isinstance(head, str) else head
    kernel, bias = _dense_head(model)
    labels, classes = np.asarray(y).astype(np.int64).ravel(), model.weights[bias].size
    missing = sorted(set(range(classes)) - set(labels.tolist()))
    if missing or labels.max(initial=0) >= classes or labels.min(initial=0) < 0:
        raise ValueRangeError(
            "a head on features needs an example of every class and of no other", where="y", got=f"none of {missing}"
        )  # fmt: skip
    features = features_of(model, x)
    if features.shape[1] * classes != model.weights[kernel].size:
        raise ShapeError(
            "the last layer reads something else", got=features.shape[1], want=model.weights[kernel].shape
        )
    head.fit(
        features, labels, **({} if sample_weight is None else {"sample_weight": np.asarray(sample_weight)})
    )
    model.set_weights(dict(zip((kernel, bias), _as_dense(head), strict=True)))
    return head


def fitting_head(
    model: Model, x: Any, y: Sequence[int], head: Any = "logistic", *, sample_weight: Any = None
) -> Generator[Progress, None, History]:
    """`fit_head` as a course of one step, like finetune.finetuning: its loss is the mean log loss over (x, y)."""
    fitted = fit_head(model, x, y, head, sample_weight=sample_weight)
    shares = model.predict(x)
    rows = np.array(shares.flat, np.float64).reshape(shares.shape)
    loss = float(
        log_loss(
            np.asarray(y),
            rows / rows.sum(axis=1, keepdims=True),
            sample_weight=sample_weight,
            labels=fitted.classes_,
        )
    )
    yield Progress(0, 1, 1, 1, {"loss": loss}, True)
    return History({"loss": [loss]}, [0], steps=1, trained=list(_dense_head(model)))


def _dense_head(model: Model) -> tuple[str, str]:
    """Names of the last layer's kernel and bias."""
    last = next((part for part in reversed(model.layers) if part.weights), None)
    if last is None or last.kind != "Dense" or len(last.weights) != 2:
        raise UnsupportedError(
            "only a Dense head with a bias can be replaced", got=last.kind if last else None
        )
    producers = (graph := model.forward(1)).producers()
    if len(graph.outputs) != 1 or producers[next(iter(graph.outputs.values()))].op != "softmax":
        raise UnsupportedError("only a head that ends in softmax can be replaced", where=last.name)
    return last.weights[0], last.weights[1]


def _as_dense(head: Any) -> tuple[Tensor, Tensor]:
    """Kernel (F, C) and bias (C,). Of two classes scikit-learn keeps one row, the score of the second."""
    if not hasattr(head, "coef_") or not hasattr(head, "intercept_"):
        raise UnsupportedError("only a linear head can become a layer", got=type(head).__name__)
    rows, offsets = np.atleast_2d(head.coef_), np.atleast_1d(head.intercept_)
    if len(rows) == 1:
        rows, offsets = np.concatenate([-rows / 2, rows / 2]), np.concatenate([-offsets / 2, offsets / 2])
    return (
        Tensor.from_flat(rows.T.ravel().tolist(), rows.T.shape),
        Tensor.from_flat(offsets.tolist(), offsets.shape),
    )
