"""A small dense net that a page teaches from nothing, a few epochs at a time: behind the pages playground and teach.

D: values of one input, C: classes, n: examples. Inputs are flat float32 rows; the batch is always BATCH rows, filled up
with rows of weight 0, so that examples may come and go without another plan.
"""

from __future__ import annotations

import json
import math
import random
from array import array
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from py_edge.confidence.defer import Decision, decide
from py_edge.confidence.novelty import Familiarity
from py_edge.errors import ShapeError, TrainingError, ValueRangeError
from py_edge.graph import Graph
from py_edge.model import Model, load_model
from py_edge.tensor import Tensor
from py_edge.tfjs.save import to_files
from py_edge.train.data import Rows, batches, order
from py_edge.train.engine import Runner
from py_edge.train.optimizers import optimizer
from py_edge.train.start import start
from py_edge.train.step import Objective
from py_edge.train.trainer import Examples, Trainer

BATCH = 16
ROWS = 256
MOST_CLASSES = 10
MOST_UNITS = 4096
SHARD = "group1-shard1of1.bin"


class Classroom:
    """inputs: D; hidden: units of each hidden layer; labels: the C classes.

    Raises ValueRangeError: fewer than two classes or more than ten, a layer without units or with thousands.
    """

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int],
        labels: Sequence[str],
        activation: str = "tanh",
        learning_rate: float = 0.03,
        seed: int = 0,
    ) -> None:
        if not 2 <= len(labels) <= MOST_CLASSES:
            raise ValueRangeError("two to ten classes", where="labels", got=len(labels))
        if not all(1 <= units <= MOST_UNITS for units in (inputs, *hidden)):
            raise ValueRangeError(f"1 to {MOST_UNITS} units", where="hidden", got=[inputs, *hidden])
        self.model: Model = load_model(dense_files([inputs, *hidden, len(labels)], activation, seed))
        self._start(inputs, labels, self.model.trainable, learning_rate, seed)

    def _start(
        self, inputs: int, labels: Sequence[str], trained: Sequence[str], learning_rate: float, seed: int
    ) -> None:
        """What every net needs, once its model is there."""
        self.inputs, self.labels, self.seed, self.epoch = inputs, list(labels), seed, 0
        objective = Objective("sparseCategoricalCrossentropy", ("accuracy",))
        rule = optimizer("adam", learning_rate)
        self.trainer = Trainer(self.forward, trained, objective, rule, start)
        self._input = next(iter(self.forward(1).inputs))
        self._answers: Runner | None = None
        self._known: Familiarity | None = None

    def forward(self, rows: int) -> Graph:
        """The graph that learns and answers, for so many rows."""
        return self.model.forward(rows)

    def fit(self, inputs: Any, labels: Sequence[int], epochs: int) -> dict[str, Any]:
        """Go on for so many epochs on these n examples (inputs n D). Gives epoch, loss, accuracy (of the last epoch).

        Raises TrainingError: no examples, or a loss that is no number; ValueRangeError: a class that there is not.
        """
        if not labels:
            raise TrainingError("there is nothing to learn from yet", where="examples")
        if not all(0 <= label < len(self.labels) for label in labels):
            raise ValueRangeError("no such class", where="labels", got=max(labels), want=len(self.labels) - 1)
        truth = Tensor.from_flat(list(labels), (len(labels),), "int32")
        examples = Examples({self._input: Rows(self._rows(inputs, len(labels)))}, {"truth": Rows(truth)})
        for _ in range(epochs):
            self.trainer.begin()
            for chunk in batches(order(len(labels), self.seed, self.epoch, shuffle=True), BATCH):
                if not math.isfinite(self.trainer.batch(examples, chunk, BATCH)):
                    raise TrainingError("the loss is no number any more", where=f"epoch {self.epoch}")
            self.epoch += 1
        return {"epoch": self.epoch, **self.trainer.logs()}

    def know(self, inputs: Any, labels: Sequence[int], variants: int = 1) -> None:
        """Take note of what is learnt from (inputs n D), so that `decide` tells what is like none of it.

        variants: see Familiarity, whose errors these are."""
        values = self._rows(inputs, len(labels)).data.cast("f")
        rows = [values[at : at + self.inputs] for at in range(0, len(values), self.inputs)]
        self._known = Familiarity(rows, labels, variants)

    def decide(self, value: Any, threshold: float) -> tuple[Decision, list[float]]:
        """Answer to one input (D), or "not sure" below this confidence or where it is like nothing known; and the
        probabilities (C,) of the net."""
        row = self._rows(value, 1).data.cast("f")
        probabilities = list(memoryview(self.predict(value, 1)).cast("f"))
        decision = decide(probabilities, threshold=threshold, labels=self.labels)
        return self._known.doubt(decision, row) if self._known else decision, probabilities

    def predict(self, inputs: Any, n: int) -> bytes:
        """Probabilities (n, C) float32 of n inputs, by the weights as they are now."""
        rows = Rows(self._rows(inputs, n))
        if self._answers is None:
            self._answers = start(_changeable(self.forward(ROWS)))
        run = self._answers
        for name, tensor in self.trainer.weights().items():
            run.variable_view(name)[:] = tensor.data.cast("B")
        pieces = []
        for chunk in batches(range(n), ROWS):
            filled = [*chunk, *[chunk[0]] * (ROWS - len(chunk))]
            rows.copy_to(run.input_view(run.plan.inputs[0].name), filled)
            run.execute()
            view = run.output_view(run.plan.outputs[0].name)
            pieces.append(bytes(view[: len(chunk) * len(self.labels) * 4]))
        return b"".join(pieces)

    def files(self) -> dict[str, bytes]:
        """The model as it is now, as TF.js files (path -> bytes)."""
        self.model.set_weights(self.trainer.weights())
        return to_files(self.model.tfjs, {"labels": self.labels})

    def _rows(self, inputs: Any, n: int) -> Tensor:
        data = memoryview(bytes(inputs))
        if data.nbytes != n * self.inputs * 4:
            raise ShapeError("inputs do not fit their number", got=data.nbytes, want=n * self.inputs * 4)
        return Tensor(data, (n, self.inputs), "float32")


def _changeable(graph: Graph) -> Graph:
    """The graph with its weights as variables that can be written between two runs."""
    graph = graph.copy()
    graph.updates = {value: value for value in graph.variables}
    return graph


def dense_files(units: Sequence[int], activation: str, seed: int) -> Mapping[str, bytes]:
    """Dense layers of these widths (the first is the input), softmax at the end, as TF.js files with fresh weights.

    Source: Glorot and Bengio 2010, Understanding the difficulty of training deep feedforward neural networks, eq. 16.
    """
    rng, data = random.Random(seed), array("f")
    layers: list[dict[str, Any]] = []
    weights: list[dict[str, Any]] = []
    for i, (before, after) in enumerate(pairwise(units)):
        last = i == len(units) - 2
        name = "out" if last else f"hidden_{i + 1}"
        config: dict[str, Any] = {"name": name, "units": after, "use_bias": True, "dtype": "float32"}
        config |= {"activation": "softmax" if last else activation, "trainable": True}
        if not i:
            config["batch_input_shape"] = [None, before]
        layers.append({"class_name": "Dense", "config": config})
        reach = math.sqrt(6 / (before + after))
        data.extend(rng.uniform(-reach, reach) for _ in range(before * after))
        data.extend([0.0] * after)
        weights.append({"name": f"{name}/kernel", "shape": [before, after], "dtype": "float32"})
        weights.append({"name": f"{name}/bias", "shape": [after], "dtype": "float32"})
    model_config = {"class_name": "Sequential", "config": {"name": "taught", "layers": layers}}
    document = {
        "format": "layers-model",
        "generatedBy": "py_edge",
        "convertedBy": None,
        "modelTopology": {
            "keras_version": "2.15.0",
            "backend": "tensorflow",
            "model_config": model_config,
        },
        "weightsManifest": [{"paths": [SHARD], "weights": weights}],
    }
    return {"model.json": json.dumps(document).encode(), SHARD: data.tobytes()}
