"""What else may answer at a node beside a TF.js model: a scikit-learn classifier, or an HTTP model server.

The input is flattened for the first and sent as nested lists to the second. Whatever goes wrong is no guess, and the
question climbs.
"""

from __future__ import annotations

import math
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any

from py_edge.chain.ports import Guess
from py_edge.confidence.certify import NEVER_SURE
from py_edge.records import Question
from py_edge.tensor import Tensor


class EstimatorAnswerer:
    """A fitted scikit-learn classifier with `predict_proba`; its `classes_` are the labels, or their places."""

    def __init__(self, estimator: Any, threshold: float = NEVER_SURE) -> None:
        self._estimator, self.threshold = estimator, threshold
        self.labels: Sequence[str] = [str(label) for label in estimator.classes_]

    def answer(self, question: Question) -> Guess | None:
        """See chain.ports.Answerer; None when the input has another number of values."""
        values = values_of(question.input).flat.tolist()
        if len(values) != self._estimator.n_features_in_:
            return None
        return guess_of(self._estimator.predict_proba([values])[0])


class ServerAnswerer:
    """A model server that speaks the TensorFlow Serving REST protocol: POST {"instances"} gives {"predictions"}."""

    def __init__(self, url: str, threshold: float = NEVER_SURE, timeout_s: float = 5.0) -> None:
        import httpx

        self.url, self.threshold = url, threshold
        self.labels: Sequence[str] = ()
        self._broken = (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError, TypeError)
        self._http = httpx.Client(timeout=timeout_s, follow_redirects=False, trust_env=False)

    def answer(self, question: Question) -> Guess | None:
        """See chain.ports.Answerer; None when the server is away or says nothing usable."""
        nested = values_of(question.input).tolist()
        batch = nested if question.input["shape"][:1] == [1] else [nested]
        try:
            response = self._http.post(self.url, json={"instances": batch})
            response.raise_for_status()
            return guess_of(response.json()["predictions"][0])
        except self._broken:
            return None

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()


def values_of(wire: Mapping[str, Any]) -> Tensor:
    """A question's input as a tensor."""
    return Tensor(memoryview(b64decode(wire["data"])), tuple(wire["shape"]), str(wire["dtype"]))


def guess_of(values: Any) -> Guess | None:
    """Probabilities as a guess; None when they are none."""
    probabilities = [float(value) for value in values]
    fine = probabilities and all(math.isfinite(p) and 0 <= p <= 1 for p in probabilities)
    if not fine or abs(sum(probabilities) - 1) > 1e-3:
        return None
    return Guess(max(range(len(probabilities)), key=probabilities.__getitem__), probabilities)
