"""Keras' way to train: compile, fit, evaluate, predict, train_on_batch, callbacks, summary; one or several outputs.

Optimizer state lives from one `fit` to the next, as in Keras. Layers marked `trainable: false` stand still. Regularizers and
constraints come from the layers' configs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from py_edge.errors import TrainingError, ValueRangeError
from py_edge.model import Model
from py_edge.tensor import Tensor
from py_edge.tfjs.model import Shape
from py_edge.train import data, losses, optimizers, prepare
from py_edge.train.callbacks import Callback, Chorus
from py_edge.train.course import Course
from py_edge.train.data import Rows
from py_edge.train.engine import Start
from py_edge.train.history import History
from py_edge.train.metrics import metric
from py_edge.train.optimizers import Optimizer
from py_edge.train.regularizers import rules_of
from py_edge.train.start import start as start_graph
from py_edge.train.step import Objective
from py_edge.train.trainer import Examples, Trainer


class KerasLike:
    """model: what is trained, in place. `stop_training` may be set by callbacks."""

    def __init__(self, model: Model, *, seed: int = 0, start: Start = start_graph) -> None:
        self.model, self.seed, self.start = model, seed, start
        self.stop_training = False
        self.outputs = [port.name for port in model.outputs]
        self._trainer: Trainer | None = None
        self._checker: Trainer | None = None
        self._known: dict[str, Tensor] = {}
        self._fits = 0

    def compile(
        self,
        optimizer: str | Optimizer = "rmsprop",
        loss: str | Sequence[str] | Mapping[str, str] = "meanSquaredError",
        metrics: Sequence[str] = (),
        loss_weights: Sequence[float] | Mapping[str, float] | None = None,
    ) -> None:
        """Forgets optimizer state. Raises ValueRangeError: an unknown name."""
        kinds = self._by_output(loss)
        for name, kind in kinds.items():
            losses.loss_named(kind)
            for label in metrics:
                metric(label, kind, self.model.outputs[self.outputs.index(name)].shape[-1] or 1)
        shares = {} if loss_weights is None else self._by_output(loss_weights)
        penalties, constraints = rules_of(self.model.tfjs.document, self.model.layers)
        self.objective = Objective(
            kinds, tuple(metrics), shares, penalties=penalties, constraints=constraints
        )
        self.optimizer = optimizers.optimizer(optimizer)
        trained = self.model.trainable
        floats = [n for n, t in self.model.weights.items() if t.dtype == "float32"]
        self._trainer = Trainer(self._training_graph, trained, self.objective, self.optimizer, self.start)
        self._checker = Trainer(
            self.model.forward, [n for n in floats if self._used(n)], self.objective, None, self.start
        )

    def _used(self, name: str) -> bool:
        if not hasattr(self, "_variables"):
            self._variables = set(self.model.forward(1).variables.values())
        return name in self._variables

    def _training_graph(self, rows: int) -> Any:
        return self.model.forward(rows, training=True, seed=self.seed)

    def _by_output(self, given: Any) -> dict[str, Any]:
        if isinstance(given, Mapping):
            unknown = set(given) - set(self.outputs)
            if unknown:
                raise ValueRangeError("no such output", got=sorted(unknown), want=self.outputs)
            return dict(given)
        if isinstance(given, (list, tuple)):
            return dict(zip(self.outputs, given, strict=True))
        return dict.fromkeys(self.outputs, given)

    def _compiled(self) -> tuple[Trainer, Trainer]:
        if self._trainer is None or self._checker is None:
            raise TrainingError("compile the model first")
        return self._trainer, self._checker

    def _examples(self, x: Any, y: Any, weights: list[float] | None = None) -> Examples:
        probe = self.model.forward(1)
        xs = data.named(x, list(probe.inputs), "inputs")
        inputs = {name: Rows(prepare.as_input(tensor, probe, name)) for name, tensor in xs.items()}
        kinds = self.objective.loss if isinstance(self.objective.loss, Mapping) else {}
        names = [name for name in self.outputs if name in kinds]
        truths = {}
        for name, tensor in data.named(y, names, "targets").items():
            key = "truth" if len(self.outputs) == 1 else f"truth/{name}"
            truths[key] = Rows(prepare.truth_for(tensor, kinds[name], probe.specs[probe.outputs[name]].shape))
        data.same_length(inputs, truths)
        return Examples(inputs, truths, weights)

    def fit(
        self,
        x: Any,
        y: Any,
        batch_size: int = 32,
        epochs: int = 1,
        *,
        callbacks: Sequence[Callback] = (),
        validation_split: float = 0.0,
        validation_data: tuple[Any, Any] | None = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
    ) -> History:
        """Epochs over (x, y). validation_split: the last share is held back. Returns History, its `history` as Keras'."""
        trainer, _ = self._compiled()
        self._sync(trainer)
        examples = self._examples(x, y)
        held: Examples | None = self._examples(*validation_data) if validation_data else None
        n = len(examples)
        truth = next(iter(examples.truths.values())).tensor
        weights = data.example_weights(n, sample_weight, class_weight, truth)
        if held is None and validation_split:
            kept = int(n * (1 - validation_split))
            held, examples = _rows(examples, kept, n), _rows(examples, 0, kept)
            weights = weights[:kept] if weights else None
        examples.weights = weights
        self.stop_training = False
        chorus = Chorus(self, callbacks)
        course = Course(
            trainer, examples, len(examples), epochs, batch_size, self.seed + self._fits, shuffle,
            callbacks=[chorus], checker=_Held(self, held) if held else None, history=History(trained=list(trainer.trained)),
        )  # fmt: skip
        self._fits += 1
        chorus.begin()
        for _ in course.run():
            pass
        self._store(trainer)
        chorus.end(course.history.last)
        return course.history

    def evaluate(self, x: Any, y: Any, batch_size: int = 32) -> dict[str, float]:
        """Loss and metrics with the present weights."""
        trainer, _ = self._compiled()
        self._sync(trainer)
        return self.measured(self._examples(x, y), batch_size)

    def measured(self, examples: Examples, batch_size: int = 64) -> dict[str, float]:
        """Loss and metrics over examples, with the trainer's state where it is ahead of the model."""
        trainer, checker = self._compiled()
        weights = {n: t.tobytes() for n, t in self.model.weights.items() if n in checker.trained}
        checker.restore({**weights, **{n: s for n, s in trainer.state().items() if n in weights}})
        checker.begin()
        size = min(batch_size, len(examples))
        for chunk in data.batches(range(len(examples)), size):
            checker.batch(examples, chunk, size)
        return checker.logs()

    def predict(self, x: Any, batch_size: int = 64) -> Any:
        """Outputs for x, computed in batches."""
        tensor = Tensor.of(x) if not isinstance(x, Mapping) else None
        if tensor is None or len(tensor.shape) < 1 or tensor.shape[0] <= batch_size:
            return self.model.predict(x)
        rows = Rows(tensor)
        pieces = []
        for chunk in data.batches(range(len(rows)), batch_size):
            part = rows.data[chunk[0] * rows.row_bytes : (chunk[-1] + 1) * rows.row_bytes]
            pieces.append(self.model.predict(Tensor(part, (len(chunk), *tensor.shape[1:]), tensor.dtype)))
        return data.stacked(pieces)

    def train_on_batch(self, x: Any, y: Any, sample_weight: Any = None) -> dict[str, float]:
        """One step; the model has the new weights afterwards. Returns this batch's loss and metrics."""
        trainer, _ = self._compiled()
        self._sync(trainer)
        examples = self._examples(x, y)
        n = len(examples)
        examples.weights = data.example_weights(
            n, sample_weight, None, next(iter(examples.truths.values())).tensor
        )
        trainer.loop(n)
        trainer.begin()
        trainer.batch(examples, range(n), n)
        self._store(trainer)
        return trainer.logs()

    def learn_one(self, x: Any, y: Any) -> dict[str, float]:
        """One step on one example of a one-input model: x and y without the batch axis."""
        example, truth = Tensor.of(x), Tensor.of([y] if isinstance(y, (int, float)) else y)
        rows = truth if isinstance(y, (int, float)) else truth.reshape((1, *truth.shape))
        return self.train_on_batch(example.reshape((1, *example.shape)), rows)

    def summary(self) -> str:
        """Each layer with its output's shape and how many numbers it holds, then the totals, as text."""
        rows = [("Layer (type)", "Output shape", "Params")]
        for part in self.model.layers:
            size = f"{part.parameters:,}" + ("" if part.trainable else "  (frozen)")
            rows.append((f"{part.name} ({part.kind})", _shape_text(part.shape), size))
        first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
        lines = [f"{name:<{first}}  {shape:<{second}}  {size}" for name, shape, size in rows]
        sizes = {name: self.model.weights[name].size for part in self.model.layers for name in part.weights}
        total, trainable = sum(sizes.values()), sum(sizes[name] for name in self.model.trainable)
        lines += [
            f"Total params: {total:,}",
            f"Trainable params: {trainable:,}",
            f"Non-trainable params: {total - trainable:,}",
        ]
        return "\n".join(lines)

    def _sync(self, trainer: Trainer) -> None:
        """Weights that were set from outside since the last step go into the trainer."""
        changed = {n: t.tobytes() for n, t in self.model.weights.items() if self._known.get(n) is not t}
        if changed and self._known:
            state = trainer.state()
            trainer.restore(state | {n: data for n, data in changed.items() if n in state})
        self._known = dict(self.model.weights)

    def _store(self, trainer: Trainer) -> None:
        self.model.set_weights({n: t for n, t in trainer.weights().items() if n in self.model.weights})
        self._known = dict(self.model.weights)


def _shape_text(shape: Shape | None) -> str:
    return "" if shape is None else f"({', '.join(map(str, shape))})"


class _Held:
    """Held-back examples, measured after each epoch."""

    def __init__(self, owner: KerasLike, examples: Examples) -> None:
        self.owner, self.examples = owner, examples

    def logs(self, state: Mapping[str, bytes]) -> dict[str, float]:
        return self.owner.measured(self.examples)


def _rows(examples: Examples, begin: int, end: int) -> Examples:
    def cut(rows: Rows) -> Rows:
        part = rows.data[begin * rows.row_bytes : end * rows.row_bytes]
        return Rows(Tensor(part, (end - begin, *rows.tensor.shape[1:]), rows.tensor.dtype))

    return Examples(
        {n: cut(r) for n, r in examples.inputs.items()}, {n: cut(r) for n, r in examples.truths.items()}
    )
