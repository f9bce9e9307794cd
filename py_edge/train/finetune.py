"""Fine-tuning: choose what to train, cache what does not change, mix in rehearsal, run epochs, roll back when it diverges.

The model keeps its old weights until the end (or the cancel), so predictions go on from them meanwhile. The order of examples
is a pure function of seed and epoch, so a resumed run repeats an unbroken one bit by bit.
"""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ParamSpec

from py_edge.errors import ValueRangeError
from py_edge.tensor import Tensor
from py_edge.train import data, optimizers, prepare
from py_edge.train.adapters import Adapted, Adapters
from py_edge.train.checkpoint import Generations
from py_edge.train.course import Course
from py_edge.train.data import Rows
from py_edge.train.engine import Start, Trainable
from py_edge.train.history import Callback, History, Progress
from py_edge.train.losses import loss_named
from py_edge.train.optimizers import Optimizer, Schedule
from py_edge.train.rehearsal import Reservoir
from py_edge.train.roles import biases
from py_edge.train.selection import Wish, select_weights
from py_edge.train.start import start as start_graph
from py_edge.train.step import Objective
from py_edge.train.trainer import Examples, Trainer

P = ParamSpec("P")


def _at_once(steps: Callable[P, Generator[Progress, None, History]]) -> Callable[P, History]:
    """The same fit without a stop between its steps."""

    @functools.wraps(steps)
    def run(*args: P.args, **kwargs: P.kwargs) -> History:
        going = steps(*args, **kwargs)
        while True:
            try:
                next(going)
            except StopIteration as end:
                history: History = end.value
                return history

    return run


def finetuning(
    model: Trainable,
    x: Any,
    y: Any,
    *,
    layers: Wish = "last",
    epochs: int = 10,
    batch: int = 32,
    optimizer: str | Optimizer = "adam",
    learning_rate: float | Schedule | None = None,
    loss: str = "auto",
    metrics: Sequence[str] = ("accuracy",),
    seed: int = 0,
    shuffle: bool = True,
    sample_weight: Any = None,
    class_weight: Mapping[int, float] | None = None,
    label_smoothing: float = 0.0,
    validation: tuple[Any, Any] | None = None,
    batch_norm: str = "auto",
    adapters: Adapters | None = None,
    rehearsal: Reservoir | None = None,
    replay: float = 1.0,
    distill: float = 0.5,
    anchor: float = 0.0,
    callbacks: Sequence[Callback] = (),
    cancel: Callable[[], bool] | None = None,
    generations: Generations | None = None,
    cache_features: bool = True,
    penalties: Mapping[str, Mapping[str, Any]] | None = None,
    constraints: Mapping[str, Mapping[str, Any]] | None = None,
    start: Start = start_graph,
) -> Generator[Progress, None, History]:
    """Train `layers` of a one-output model on (x, y), leave the new weights in it, return the History.

    `finetune` does it at once; `finetuning` stops after each step, and closing it early leaves the model untouched.

    x: one array or name -> array, rows first; y: classes (n,) int, or targets of the output's shape. loss "auto": cross-entropy
    for classes, of a linear output too, which is then read as logits; mean squared error for targets of a linear output.
    layers: "last" (features before it are cached), k (the last k layers), "all", "biases", or names and patterns.
    batch_norm: "train" (batch statistics, gamma and beta learn), "frozen", or "auto": trained only with layers="all".
    adapters: train low-rank changes of those weights ("last" then means all) and merge them at the end.
    rehearsal: `replay` remembered rows go with each new one, the weight of their logits is `distill`; afterwards (x, y) is
    added. anchor: FedProx mu. cancel: asked before each batch; the weights so far stay. A loss that is no number or
    explodes puts the last good weights back and the History says so. generations: where the run keeps its state; the
    same call after a kill goes on from the last of them to bit-equal weights.
    Raises ValueRangeError: a name, a rate, a size or a class that is out of range; ShapeError; the model is then untouched.
    """
    if epochs < 0 or batch < 1:
        raise ValueRangeError("epochs >= 0 and batch >= 1", got=f"{epochs}, {batch}")
    rule = optimizers.optimizer(optimizer, learning_rate)
    if loss != "auto":
        loss_named(loss)
    began = time.perf_counter()
    if adapters is not None:
        names = [name for name in prepare.weights_in_use(model.forward(1)) if name in set(model.trainable)]
        model, layers = (
            Adapted(model, adapters, select_weights(names, "all" if layers == "last" else layers)),
            "all",
        )
    probe = model.forward(1, training=True)
    output = next(iter(probe.outputs))
    if loss == "auto" and prepare.is_of_logits(probe, output, Tensor.of(y)):
        model = prepare.Softened(model)
        probe = model.forward(1, training=True)
    xs = {n: prepare.as_input(t, probe, n) for n, t in data.named(x, list(probe.inputs), "inputs").items()}
    fresh, target = len(Rows(next(iter(xs.values())))), Tensor.of(y)
    kind = prepare.loss_for(probe, output, target) if loss == "auto" else loss
    truth = prepare.truth_for(target, kind, probe.specs[probe.outputs[output]].shape)
    data.same_length({n: Rows(t) for n, t in xs.items()}, {"y": Rows(truth)})
    moving_norm = batch_norm == "train" or (batch_norm == "auto" and layers == "all" and adapters is None)
    allowed = set(model.trainable) - (set() if moving_norm else prepare.norm_weights(model))
    learning = [name for name in prepare.weights_in_use(probe) if name in allowed]
    trained = select_weights(learning, layers, biases(probe))
    parts = prepare.cut(model, trained, prepare.frozen_layers(model, trained), seed, cache_features)
    replayed = rehearsal if rehearsal else None
    inputs = {name: Rows(t) for name, t in prepare.with_memory(xs, replayed).items()}
    if parts.features is not None:
        inputs = {name: Rows(t) for name, t in prepare.computed(parts.features, inputs, start).items()}
    classes = probe.specs[probe.outputs[output]].shape[-1]
    examples = Examples(inputs, {"truth": Rows(prepare.truth_with_memory(truth, kind, replayed))})
    weights = data.example_weights(fresh, sample_weight, class_weight, truth)
    if replayed:
        examples.weights = [*(weights or [1.0] * fresh), *[1.0] * len(replayed)]
        if distill:
            stored, known = replayed.logits(classes)
            known = Tensor.from_flat([distill * k for k in known.flat], known.shape)
            pairs = {"logits": stored, "logit_weight": known}
            zeros = Tensor.zeros((fresh, classes))
            examples.logits = {name: Rows(data.stacked([zeros, tensor])) for name, tensor in pairs.items()}
    else:
        examples.weights = weights
    objective = Objective(
        kind, metrics, label_smoothing=label_smoothing, anchor=anchor, distill=bool(replayed and distill),
        penalties=penalties or {}, constraints=constraints or {},
    )  # fmt: skip
    trainer = Trainer(parts.forward, trained, objective, rule, start)
    history = History(trained=trained)
    checker = None
    if validation:
        changed = [*trained, *prepare.statistics(parts.forward(1), trained)]
        checker = Evaluation(model, kind, metrics, validation, changed, start)
    course = Course(
        trainer,
        examples,
        fresh,
        epochs,
        batch,
        seed,
        shuffle,
        replay,
        callbacks,
        cancel,
        checker,
        generations,
        history=history,
    )
    if generations is not None:
        settings = repr((trained, objective, _numbers(rule), epochs, batch, seed, shuffle, replay, distill))
        groups = (inputs, examples.truths, examples.logits)
        rows = [own for group in groups for own in group.values()]
        course.fingerprint = fingerprint(settings, model.weights, rows, examples.weights)
    yield from course.run()
    model.set_weights({name: t for name, t in trainer.weights().items() if name in model.weights})
    if rehearsal is not None and not history.rolled_back:
        remember(model, rehearsal, xs, data.class_indices(truth), output, trained if distill else None, start)
    history.seconds = time.perf_counter() - began
    return history


finetune = _at_once(finetuning)


def _numbers(rule: Optimizer) -> tuple[Any, ...]:
    """An optimizer without addresses: a schedule, which is any function, by some of its values."""
    return replace(rule, learning_rate=0.0), [rule.rate_at(2**k - 1) for k in range(20)]


def fingerprint(
    settings: str, weights: Mapping[str, Tensor], rows: Sequence[Rows], examples: Sequence[float] | None
) -> str:
    """sha256 over all that a run depends on."""
    digest = hashlib.sha256(settings.encode())
    for name, tensor in weights.items():
        digest.update(name.encode())
        digest.update(tensor.data)
    for own in rows:
        digest.update(own.data)
    digest.update(repr(examples).encode())
    return digest.hexdigest()


class Evaluation:
    """Loss and metrics on held-back examples, with the trainer's present weights in the model's inference graph."""

    def __init__(
        self,
        model: Trainable,
        loss: str,
        metrics: Sequence[str],
        held: tuple[Any, Any],
        changed: Sequence[str],
        start: Start,
    ) -> None:
        """changed: weights that the trainer's state has other values for than the model."""
        probe = model.forward(1)
        output = next(iter(probe.outputs))
        xs = data.named(held[0], list(probe.inputs), "inputs")
        truth = prepare.truth_for(Tensor.of(held[1]), loss, probe.specs[probe.outputs[output]].shape)
        self.examples = Examples(
            {n: Rows(prepare.as_input(t, probe, n)) for n, t in xs.items()}, {"truth": Rows(truth)}
        )
        self.names = [name for name in changed if name in set(probe.variables.values())]
        self.trainer = Trainer(model.forward, self.names, Objective(loss, metrics), None, start)

    def logs(self, state: Mapping[str, bytes]) -> dict[str, float]:
        if state:
            self.trainer.restore({name: state[name] for name in self.names if name in state})
        return measure(self.trainer, self.examples)


def measure(trainer: Trainer, examples: Examples, batch: int = 64) -> dict[str, float]:
    """Loss and metrics over all examples."""
    trainer.begin()
    size = min(batch, len(examples))
    for chunk in data.batches(range(len(examples)), size):
        trainer.batch(examples, chunk, size)
    return trainer.logs()


def remember(
    model: Trainable,
    memory: Reservoir,
    xs: Mapping[str, Tensor],
    labels: Sequence[int],
    output: str,
    moving: Sequence[str] | None,
    start: Start,
) -> None:
    """Add the examples, with the logits that the model now gives them unless `moving`, the trained weights, is None."""
    rows = {name: Rows(t) for name, t in xs.items()}
    flat, width = None, 0
    if moving is not None and labels:
        found = prepare.computed(
            lambda n: prepare.logits_graph(model.forward(n), output, moving), rows, start
        )["logits"]
        flat, width = found.flat, found.size // found.shape[0]
    for i, label in enumerate(labels):
        own = flat[i * width : (i + 1) * width].tolist() if flat is not None else ()
        memory.add(
            [Tensor(memoryview(r.row(i)), r.tensor.shape[1:], r.tensor.dtype) for r in rows.values()],
            label,
            own,
        )
