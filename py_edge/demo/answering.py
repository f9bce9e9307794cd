"""A node's own model as what answers there: the newest release, its temperature and threshold."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from py_edge.chain.ports import Guess
from py_edge.confidence.certify import NEVER_SURE
from py_edge.confidence.scores import score, to_probabilities
from py_edge.demo.digits import LABELS, SHAPE
from py_edge.demo.pictures import from_wire
from py_edge.errors import PyEdgeError
from py_edge.model import Model, load_model
from py_edge.records import Question, Release
from py_edge.retrain.learner import Files
from py_edge.tensor import Tensor


class Answering:
    """Answers digit questions; without a model, or for another kind of input, it has no guess."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # the node answers from several threads, a run's memory is one
        self._model: Model | None = None
        self._version: int | None = None
        self._temperature = 1.0
        self._threshold = NEVER_SURE

    @property
    def threshold(self) -> float:
        return self._threshold

    @property
    def labels(self) -> Sequence[str]:
        return LABELS

    def load(self, release: Release, files: Files) -> None:
        """Answer with this release from now on; what was started before ends with the old one."""
        model = load_model(files)
        with self._lock:
            self._model, self._version = model, release.version
            self._temperature = float(release.metadata.get("temperature", 1.0))
            self._threshold = float(release.metadata.get("threshold", NEVER_SURE))

    def answer(self, question: Question) -> Guess | None:
        """The guess with calibrated probabilities."""
        try:
            image = from_wire(question.input)
        except PyEdgeError:
            return None
        with self._lock:
            if self._model is None:
                return None
            found = self._model.predict(image.reshape(1, *SHAPE))
            version, temperature = self._version, self._temperature
        assert isinstance(found, Tensor)
        probabilities = to_probabilities(found.flat.tolist(), temperature)
        return Guess(score(probabilities).label_index, probabilities, version) if probabilities else None
