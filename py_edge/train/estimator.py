"""scikit-learn's surface: EdgeClassifier and EdgeRegressor. Opt-in: like heads.py it needs numpy.

A small dense net (or any stack of layers) trained by our plans; `partial_fit` and `learn_one` go on from where it is, optimizer
state included. A pickle keeps the weights, not the optimizer's state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin  # type: ignore[import-untyped]
from sklearn.utils import check_random_state  # type: ignore[import-untyped]
from sklearn.utils.multiclass import check_classification_targets  # type: ignore[import-untyped]
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d, validate_data  # type: ignore[import-untyped]

from py_edge.errors import NotFoundError
from py_edge.model import Model
from py_edge.tensor import Tensor
from py_edge.tfjs import sequential
from py_edge.train.keras_like import KerasLike
from py_edge.train.optimizers import optimizer

Array = np.ndarray[Any, np.dtype[Any]]


class _Edge(BaseEstimator):  # type: ignore[misc]
    """What classifier and regressor share: the net, its life through fit, partial_fit and pickle."""

    def __init__(
        self,
        hidden: Sequence[int] | int = (32,),
        layers: Sequence[Mapping[str, Any]] | None = None,
        activation: str = "relu",
        optimizer: str = "adam",
        learning_rate: float = 0.01,
        epochs: int = 60,
        batch_size: int = 32,
        l2: float = 0.0,
        random_state: Any = None,
    ) -> None:
        self.hidden = hidden
        self.layers = layers
        self.activation = activation
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.l2 = l2
        self.random_state = random_state

    def _description(self, outputs: int, last: str) -> list[dict[str, Any]]:
        rule = {"kernel_regularizer": {"class_name": "L2", "config": {"l2": self.l2}}} if self.l2 else {}
        inner = [dict(layer) for layer in self.layers] if self.layers is not None else [
            {"class_name": "Dense", "units": int(units), "activation": self.activation, **rule} for units in np.atleast_1d(self.hidden)
        ]  # fmt: skip
        return [*inner, {"class_name": "Dense", "units": outputs, "activation": last, **rule}]

    def _build(self, features: int, outputs: int, last: str, loss: str) -> None:
        self._seed = int(check_random_state(self.random_state).randint(1 << 30))
        self._shape = (features, outputs, last, loss)
        self._net = self._new_net()

    def _new_net(self) -> KerasLike:
        features, outputs, last, loss = self._shape
        net = KerasLike(
            Model(sequential((features,), self._description(outputs, last), seed=self._seed)), seed=self._seed
        )
        net.compile(optimizer(self.optimizer, self.learning_rate), loss)
        return net

    @property
    def net_(self) -> KerasLike:
        """The net that was fitted; `net_.model` saves as TF.js."""
        check_is_fitted(self, "n_features_in_")
        if getattr(self, "_net", None) is None:
            self._net = self._new_net()
            tensors = {name: Tensor.of(value) for name, value in self._weights.items()}
            self._net.model.set_weights(tensors)
        return self._net

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        net = state.pop("_net", None)
        if net is not None:
            state["_weights"] = {n: np.array(t.flat).reshape(t.shape) for n, t in net.model.weights.items()}
        return state

    def _train(self, X: Array, y: Array, sample_weight: Any, epochs: int) -> None:
        weights = (
            None
            if sample_weight is None
            else _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        )
        batch = max(1, min(self.batch_size, X.shape[0]))
        self.history_ = self.net_.fit(X.astype(np.float32), y, batch, epochs, sample_weight=weights).history

    def _outputs(self, X: Any) -> Array:
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float32)
        found = self.net_.predict(np.ascontiguousarray(X))
        return np.array(found.flat, np.float64).reshape(found.shape)


class EdgeClassifier(ClassifierMixin, _Edge):  # type: ignore[misc]
    """Classes of any kind; softmax over `classes_`."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> EdgeClassifier:
        """X (n, features), y (n,) -> self; starts anew. sample_weight (n,) multiplies the loss."""
        X, y = validate_data(self, X, y, dtype=np.float32)
        self._begin(X, column_or_1d(y, warn=True), None)
        self._train(X, self._indices(y), sample_weight, self.epochs)
        return self

    def _begin(self, X: Array, y: Array, classes: Any) -> None:
        check_classification_targets(y)
        self.classes_ = np.unique(y if classes is None else classes)
        self._build(X.shape[1], len(self.classes_), "softmax", "sparseCategoricalCrossentropy")

    def _indices(self, y: Array) -> Array:
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise NotFoundError(
                "classes that were not there at the first fit",
                got=str(unknown[:5]),
                want=str(self.classes_[:20]),
            )
        return np.asarray(np.searchsorted(self.classes_, y).astype(np.int32))

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> EdgeClassifier:
        """One epoch more; `classes`, all of them, at the first call."""
        first = not hasattr(self, "classes_")
        X, y = validate_data(self, X, y, dtype=np.float32, reset=first)
        if first:
            if classes is None:
                raise ValueError("classes must be passed on the first call to partial_fit")
            self._begin(X, y, classes)
        self._train(X, self._indices(y), sample_weight, 1)
        return self

    def learn_one(self, x: Any, y: Any) -> EdgeClassifier:
        """One step on one example: x (features,), y its class."""
        return self.partial_fit(np.asarray(x, np.float32)[None], np.asarray([y]))

    def predict_proba(self, X: Any) -> Array:
        """(n, classes), rows sum to 1."""
        rows = self._outputs(X)
        return np.asarray(rows / rows.sum(axis=1, keepdims=True))

    def predict(self, X: Any) -> Array:
        best = np.argmax(self._outputs(X), axis=1)
        return np.asarray(self.classes_[best])


class EdgeRegressor(RegressorMixin, _Edge):  # type: ignore[misc]
    """One number per example, mean squared error."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> EdgeRegressor:
        """X (n, features), y (n,) -> self; starts anew."""
        X, y = validate_data(self, X, y, dtype=np.float32, y_numeric=True)
        self._build(X.shape[1], 1, "linear", "meanSquaredError")
        self._train(X, column_or_1d(y, warn=True).astype(np.float32), sample_weight, self.epochs)
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> EdgeRegressor:
        """One epoch more."""
        first = not hasattr(self, "n_features_in_")
        X, y = validate_data(self, X, y, dtype=np.float32, y_numeric=True, reset=first)
        if first:
            self._build(X.shape[1], 1, "linear", "meanSquaredError")
        self._train(X, column_or_1d(y, warn=True).astype(np.float32), sample_weight, 1)
        return self

    def learn_one(self, x: Any, y: float) -> EdgeRegressor:
        """One step on one example."""
        return self.partial_fit(np.asarray(x, np.float32)[None], np.asarray([y]))

    def predict(self, X: Any) -> Array:
        return self._outputs(X)[:, 0]
