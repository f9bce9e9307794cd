"""A TF.js model as what answers at a node: the release in use, its temperature and its threshold."""

from __future__ import annotations

import threading
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any

from py_edge.chain.ports import Guess
from py_edge.confidence.certify import NEVER_SURE
from py_edge.confidence.scores import score, to_probabilities
from py_edge.errors import PyEdgeError
from py_edge.model import Model, load_model
from py_edge.records import Question, Release
from py_edge.retrain.learner import Files
from py_edge.tensor import ITEM_BYTES, Tensor, count


class ModelAnswerer:
    """Answers questions whose input fits its model; without a model, or for another input, it has no guess."""

    def __init__(self, threads: int = 1) -> None:
        """threads: of one prediction, at most."""
        self._threads = threads
        self._lock = threading.Lock()  # the node answers from several threads, a run's memory is one
        self._model: Model | None = None
        self._version: int | None = None
        self._metadata: Mapping[str, Any] = {}

    @property
    def threshold(self) -> float:
        return float(self._metadata.get("threshold", NEVER_SURE))

    @property
    def labels(self) -> Sequence[str]:
        return [str(label) for label in self._metadata.get("labels", ())]

    def load(self, release: Release, files: Files) -> None:
        """Answer with this release from now on; what was started before ends with the old one."""
        self.use(load_model(files, threads=self._threads), release.metadata, release.version)

    def use(self, model: Model, metadata: Mapping[str, Any], version: int | None = None) -> None:
        """metadata: labels, temperature, threshold; without a threshold it is never sure."""
        with self._lock:
            self._model, self._metadata, self._version = model, dict(metadata), version

    def answer(self, question: Question) -> Guess | None:
        """The guess with calibrated probabilities; the first output counts."""
        with self._lock:
            if self._model is None:
                return None
            try:
                output = self._model.predict(tensor_of(question.input, self._model))
            except PyEdgeError:
                return None
            version, temperature = self._version, float(self._metadata.get("temperature", 1.0))
        first = output if isinstance(output, Tensor) else next(iter(output.values()))
        probabilities = to_probabilities(first.flat.tolist(), temperature)
        return Guess(score(probabilities).label_index, probabilities, version) if probabilities else None


def tensor_of(wire: Mapping[str, Any], model: Model) -> Tensor:
    """A question's input `{shape, dtype, data}` as a batch of one for the model.

    Raises ShapeError or UnsupportedError for a tensor that is not this model's.
    """
    shape, dtype = tuple(wire["shape"]), str(wire["dtype"])
    port = model.inputs[0]
    if len(shape) == len(port.shape) - 1:
        shape = (1, *shape)
    data = b64decode(wire["data"])
    wanted = tuple(size for size in port.shape[1:] if size is not None)
    if dtype == port.dtype and len(data) == count(wanted) * ITEM_BYTES.get(dtype, 0) and shape[1:] != wanted:
        shape = (1, *wanted)  # the same numbers, only flattened
    return Tensor(memoryview(data), shape, dtype)
