"""One model that learns in the tab: released weights, rehearsal memory, calibration set; fine-tunes and certifies.

Each fine-tune starts from the released weights and sees every answer that came home, so the result depends on the
release and the answers only, never on when the tab was closed. D: values of one input, C: classes.
"""

from __future__ import annotations

import json
import math
from base64 import b64decode
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from py_edge.confidence.policy import Promise, make_policy
from py_edge.errors import EnvironmentProblem, ModelFormatError, ShapeError, TrainingError
from py_edge.host.fit import Fit
from py_edge.model import Model, load_model
from py_edge.tensor import ITEM_BYTES, Tensor, count
from py_edge.train.checkpoint import Generations, Kept
from py_edge.train.delta import apply_delta, make_delta
from py_edge.train.finetune import finetuning
from py_edge.train.history import History, Progress
from py_edge.train.schedules import polynomial_decay

BROWSER_PANEL = 8
GENERATION_S = 0.1
NOT_MODEL = (".plan",)
USUAL: Mapping[str, Any] = {
    "epochs": 10,
    "batch": 64,
    "learning_rate": 0.001,
    "layers": 2,
    "per_class": 30,
    "seed": 0,
}
"""What a fine-tune does unless release metadata (`training`) or the page says otherwise. per_class: newest examples of
each class that are trained on, remembered ones counting as oldest; layers: the last so many. head "logistic": scikit-learn
fits the last layer instead, where it is installed."""


@dataclass(frozen=True)
class Lesson:
    """inputs (n, …) float32 and their classes (n,)."""

    inputs: Tensor
    labels: list[int]

    def __len__(self) -> int:
        return len(self.labels)


class Learner:
    """files: path -> bytes of a release; metadata: its labels, temperature, threshold, promise, training (defaults of
    the fine-tune); memory: path of the rehearsal memory among the files, if it is there; change: what was learnt on this
    release before, as `finish` gave it."""

    def __init__(
        self, files: Mapping[str, bytes], metadata: Mapping[str, Any], memory: str = "", change: bytes = b""
    ) -> None:
        self.metadata = dict(metadata)
        self.model = load_model({p: b for p, b in files.items() if p != memory and not p.endswith(NOT_MODEL)})
        if len(self.model.inputs) != 1 or len(self.model.outputs) != 1:
            raise ShapeError("learning in a page needs one input and one output", got=len(self.model.inputs))
        self.released = dict(self.model.weights)
        self.change = change
        self.shape = tuple(self.model.tfjs.full_shapes(_one(self.model))[self.model.inputs[0].name][1:])
        self.memory: Lesson | None = None
        self.calibration: Lesson | None = None
        if memory in files:
            self.memory, self.calibration = _read_memory(files[memory], self.shape)

    @property
    def parameters(self) -> int:
        """Numbers in the released weights."""
        return sum(count(tensor.shape) for tensor in self.released.values())

    def plan(self) -> bytes:
        """The model as it is now, as a plan for one input at a time in the page's executor."""
        names: tuple[str, ...] = ("labels", "temperature", "threshold")
        known = {name: self.metadata[name] for name in names if name in self.metadata}
        return self.model.plan(panel=BROWSER_PANEL, meta=known).to_bytes()

    def present(self) -> Model:
        """The model with what was learnt last, whatever a fine-tune that was broken off has left."""
        learnt = apply_delta(self.released, self.change) if self.change else {}
        self.model.set_weights({**self.released, **learnt})
        return self.model

    def begin(
        self,
        inputs: Any,
        labels: Sequence[int],
        weights: Sequence[float],
        options: Mapping[str, Any],
        kept: Mapping[str, bytes] | None = None,
    ) -> Fit:
        """A fine-tune to be gone through in pieces. inputs: n D floats in one buffer; kept: generations of the same
        fine-tune that was broken off, from which it goes on. Raises TrainingError without examples."""
        wish = {**USUAL, **self.metadata.get("training", {}), **options}
        if not labels:
            raise TrainingError(
                "there is nothing to learn from yet", where="answers", want="at least one answer"
            )
        came = Lesson(self._rows(inputs, len(labels)), list(labels))
        lesson, weights = self._newest(came, weights or [1.0] * len(labels), int(wish["per_class"]))
        self.model.set_weights(self.released)
        if wish.get("head"):
            return Fit(self._heading(lesson, weights, str(wish["head"])), Kept(kept), len(came))
        steps = int(wish["epochs"]) * -(-len(lesson) // int(wish["batch"]))
        shelf = Kept(kept)
        going = finetuning(
            self.model,
            lesson.inputs,
            lesson.labels,
            layers=wish["layers"],
            epochs=int(wish["epochs"]),
            batch=int(wish["batch"]),
            learning_rate=polynomial_decay(float(wish["learning_rate"]), steps, end=0.0),
            seed=int(wish["seed"]),
            sample_weight=weights,
            metrics=(),
            generations=Generations(shelf, every=1, every_s=GENERATION_S, keep=1),
        )
        return Fit(going, shelf, len(came))

    def _heading(
        self, lesson: Lesson, weights: Sequence[float], head: str
    ) -> Generator[Progress, None, History]:
        """Raises EnvironmentProblem where scikit-learn is not installed."""
        try:
            from py_edge.train.heads import fitting_head
        except ModuleNotFoundError as error:
            raise EnvironmentProblem(
                "scikit-learn is not here",
                where="head",
                got=error.name,
                remedy="make the bundle with --tier sklearn",
            ) from error
        return fitting_head(self.model, lesson.inputs, lesson.labels, head, sample_weight=weights)

    def learn(
        self,
        inputs: Any,
        labels: Sequence[int],
        weights: Sequence[float],
        audited_inputs: Any,
        audited_labels: Sequence[int],
        options: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Fine-tune and certify at once. See host/browser.py for what comes back.

        Raises TrainingError without examples or when it diverges; the model is the released one again then.
        """
        fit = self.begin(inputs, labels, weights, options)
        while not fit.history:
            fit.go_on(math.inf)
        return self.finish(fit, audited_inputs, audited_labels)

    def finish(self, fit: Fit, audited_inputs: Any, audited_labels: Sequence[int]) -> dict[str, Any]:
        """What an ended fine-tune gives. Raises TrainingError when it diverged; the model is the released one then."""
        history = fit.history
        assert history is not None
        if history.rolled_back:
            self.model.set_weights(self.released)
            raise TrainingError(history.message, where="fine-tune", remedy="a smaller learning rate")
        certified = self.certify(audited_inputs, audited_labels)
        losses = history.history.get("loss", [])
        self.change = make_delta(self.released, self.model.weights, bits=32)
        return {
            "plan": self.plan(),
            "change": self.change,
            **certified,
            "loss": losses,
            "examples": fit.examples,
            "train_ms": fit.train_ms,
        }

    def certify(self, audited_inputs: Any, audited_labels: Sequence[int]) -> dict[str, Any]:
        """Temperature and threshold for the present weights. Without audits the released threshold cannot be
        confirmed for changed weights, so everything climbs."""
        audited = self._outputs(self._rows(audited_inputs, len(audited_labels)))
        other = self.calibration
        policy = make_policy(
            audited,
            list(audited_labels),
            self._outputs(other.inputs) if other else [],
            other.labels if other else [],
            Promise.from_json(self.metadata.get("promise")),
        )
        return policy.to_json()

    def _outputs(self, inputs: Tensor) -> list[list[float]]:
        if not inputs.shape[0]:
            return []
        rows: list[list[float]] = self.model.predict(inputs).tolist()
        return rows

    def _rows(self, inputs: Any, rows: int) -> Tensor:
        data = memoryview(bytes(inputs))
        want = rows * count(self.shape) * ITEM_BYTES["float32"]
        if data.nbytes != want:
            raise ShapeError("inputs do not fit the labels", got=data.nbytes, want=want)
        return Tensor(data, (rows, *self.shape), "float32")

    def _newest(self, came: Lesson, weights: Sequence[float], per_class: int) -> tuple[Lesson, list[float]]:
        """The newest `per_class` examples of each class: what came home is newer than the release's memory."""
        parts = [(self.memory, [1.0] * len(self.memory))] if self.memory else []
        parts.append((came, list(weights)))
        size = count(self.shape) * ITEM_BYTES["float32"]
        left: dict[int, int] = {}
        chosen: list[tuple[bytes, int, float]] = []
        for lesson, weighed in reversed(parts):
            raw = lesson.inputs.data.cast("B")
            for i in reversed(range(len(lesson))):
                label = lesson.labels[i]
                if left.setdefault(label, per_class) > 0:
                    left[label] -= 1
                    chosen.append((bytes(raw[i * size : (i + 1) * size]), label, weighed[i]))
        chosen.reverse()
        data = memoryview(b"".join(row for row, _, _ in chosen))
        inputs = Tensor(data, (len(chosen), *self.shape), "float32")
        return Lesson(inputs, [label for _, label, _ in chosen]), [weight for _, _, weight in chosen]


def _one(model: Model) -> dict[str, tuple[int, ...]]:
    """Shapes for one example; sizes that the model leaves open are refused by full_shapes."""
    return {port.name: (1, *(extent or 1 for extent in port.shape[1:])) for port in model.inputs}


def _read_memory(data: bytes, shape: tuple[int, ...]) -> tuple[Lesson, Lesson | None]:
    """`{"inputs": {shape, dtype, data}, "labels": […], "calibration": {"inputs", "labels"}}`."""
    try:
        raw = json.loads(data)
        calibration = raw.get("calibration")
        return _read_lesson(raw, shape), _read_lesson(calibration, shape) if calibration else None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelFormatError(
            "the rehearsal memory cannot be read", where="memory.json", got=str(error)
        ) from error


def _read_lesson(raw: Mapping[str, Any], shape: tuple[int, ...]) -> Lesson:
    labels = [int(label) for label in raw["labels"]]
    data = memoryview(b64decode(raw["inputs"]["data"], validate=True))
    return Lesson(Tensor(data, (len(labels), *shape), "float32"), labels)
