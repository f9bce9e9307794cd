"""One training step as a graph: forward, loss, gradients of what is trained, optimizer, constraints, all as `updates`.

A model's graph goes in, the step's graph comes out; the plan makes one call of it. N: rows of a batch.
Inputs beside the model's own: per output its truth (`truth` or `truth/<output>`), `sample_weight` (N,) for the loss, `mask` (N,)
for the metrics, `scale` () = 1 / rows that count, the optimizer's rates (), and with distillation `logits`, `logit_weight`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from py_edge.errors import NotFoundError, ShapeError, TrainingError
from py_edge.graph import Builder, Graph, Node
from py_edge.tensor import Tensor, count
from py_edge.train import losses
from py_edge.train.fuse_update import fuse_update
from py_edge.train.gradients import gradients
from py_edge.train.metrics import Metric, metric
from py_edge.train.optimizers import Optimizer
from py_edge.train.regularizers import constrained, penalty


@dataclass(frozen=True, slots=True)
class Objective:
    """loss: one name, or output -> name. metrics: names, for each output that has a loss.

    anchor: FedProx mu, adds mu / 2 |w - w0|^2 with w0 the weights at the start. distill: DER++, adds the weighted mean
    squared difference to stored logits. penalties, constraints: weight name -> Keras config.
    """

    loss: str | Mapping[str, str] = "categoricalCrossentropy"
    metrics: Sequence[str] = ()
    loss_weights: Mapping[str, float] = field(default_factory=dict)
    label_smoothing: float = 0.0
    anchor: float = 0.0
    distill: bool = False
    penalties: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    constraints: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    numerics: str = "keras"

    def loss_of(self, output: str) -> str | None:
        return self.loss if isinstance(self.loss, str) else self.loss.get(output)


@dataclass(frozen=True, slots=True)
class Step:
    """graph: to compile. truths: output -> input name of its truth. metrics: (metric, names of its sums).

    exact: rows see one another (the forward pass has updates of its own), so a batch cannot be filled up.
    """

    graph: Graph
    truths: Mapping[str, str]
    metrics: Sequence[tuple[Metric, tuple[str, ...]]]
    trained: tuple[str, ...]
    slots: tuple[str, ...]
    exact: bool = False


def training_step(
    forward: Graph, trained: Collection[str], objective: Objective, optimizer: Optimizer | None
) -> Step:
    """forward: a model's graph for one batch size, in training mode. trained: names of variables to change.

    Without an optimizer the step only measures: loss and metrics, with `trained` as variables that can be set.

    Raises NotFoundError: a name that is no variable, or no output has a loss; TrainingError: nothing that is trained
    changes the loss.
    """
    unknown = set(trained) - set(forward.variables.values())
    if unknown or not trained:
        raise NotFoundError(
            "no such weight to train", got=sorted(unknown), want=sorted(forward.variables.values())[:20]
        )
    b = Builder(forward.copy())
    outputs, b.graph.outputs = b.graph.outputs, {}
    exact = any(b.dtype(variable) == "float32" for variable in b.graph.updates)
    weights = {value: name for value, name in b.graph.variables.items() if name in trained}
    rows = b.shape(next(iter(b.graph.inputs.values())))[0]
    sample_weight, mask, scale = (
        b.input("sample_weight", (rows,)),
        b.input("mask", (rows,)),
        b.input("scale", ()),
    )
    rates = {name: b.input(name, ()) for name in optimizer.rates(0)} if optimizer else {}

    total, truths, found_metrics = None, {}, []
    for name, prediction in outputs.items():
        kind = objective.loss_of(name)
        if kind is None:
            continue
        truths[name] = "truth" if len(outputs) == 1 else f"truth/{name}"
        truth = _truth(b, truths[name], kind, prediction)
        loss = losses.reduced(
            b, _loss(objective, kind, b.shape(prediction)[-1])(b, truth, prediction), sample_weight, scale
        )
        share = objective.loss_weights.get(name, 1.0)
        total = _plus(b, total, loss if share == 1.0 else b.mul(loss, share))
        if objective.distill:
            total = b.add(
                total,
                _distillation(b, prediction, "logits" if len(outputs) == 1 else f"logits/{name}", scale),
            )
        prefix = "" if len(outputs) == 1 else f"{name}_"
        for label in objective.metrics:
            measured = metric(label, kind, b.shape(prediction)[-1])
            names = []
            for position, value in enumerate(measured.sums(b, truth, prediction, mask)):
                names.append(f"{prefix}{label}.{position}")
                b.output(names[-1], value)
            found_metrics.append((Metric(prefix + label, measured.sums, measured.finish), tuple(names)))
    if total is None:
        raise NotFoundError("no output has a loss", got=objective.loss, want=sorted(outputs))
    for value, name in weights.items():
        if name in objective.penalties:
            extra = penalty(b, objective.penalties[name], value)
            total = total if extra is None else b.add(total, extra)
    b.output("loss", total)
    if optimizer is None:
        slots: tuple[str, ...] = ()
        b.graph.updates = {value: value for value in weights}
    else:
        slots = _descend(b, total, weights, objective, optimizer, rates)
    keep = set(b.graph.updates)
    b.graph.variables = {value: name for value, name in b.graph.variables.items() if value in keep}
    drop_dead(b.graph)
    return Step(b.graph, truths, found_metrics, tuple(weights.values()), slots, exact)


def _plus(b: Builder, total: int | None, value: int) -> int:
    return value if total is None else b.add(total, value)


def _truth(b: Builder, name: str, kind: str, prediction: int) -> int:
    shape = b.shape(prediction)
    if not shape:
        raise ShapeError("an output without a batch axis cannot have a loss", got=shape)
    if losses.plain(kind) == "sparsecategoricalcrossentropy":
        return b.input(name, shape[:-1], "int32")
    return b.input(name, shape)


def _loss(objective: Objective, kind: str, classes: int) -> losses.Loss:
    if not objective.label_smoothing:
        return losses.loss_named(kind, objective.numerics)
    if losses.plain(kind) == "sparsecategoricalcrossentropy":
        dense = _loss(objective, "categoricalCrossentropy", classes)
        return lambda b, t, p: dense(b, losses.one_hot(b, b.reshape(t, shape=b.shape(p)[:-1]), classes), p)
    loss = losses.loss_named(kind, objective.numerics)
    binary = losses.plain(kind) == "binarycrossentropy"
    return losses.smoothed(loss, objective.label_smoothing, classes=2 if binary else classes)


def logits_value(b: Builder, prediction: int) -> int:
    """What a rehearsal memory stores: the input of a final softmax or sigmoid, else the prediction itself."""
    for activation in ("softmax", "sigmoid"):
        found = losses.logits_of(b, prediction, activation)
        if found is not None:
            return found
    return prediction


def _distillation(b: Builder, prediction: int, name: str, scale: int) -> int:
    logits = logits_value(b, prediction)
    shape = b.shape(logits)
    stored, weight = b.input(name, shape), b.input(name.replace("logits", "logit_weight"), shape)
    total = b.reduce(
        b.mul(b.squared_difference(logits, stored), weight),
        kind="sum",
        axes=tuple(range(len(shape))),
        keepdims=False,
    )
    return b.mul(total, b.mul(scale, 1.0 / shape[-1]))


def _descend(
    b: Builder,
    loss: int,
    weights: Mapping[int, str],
    objective: Objective,
    optimizer: Optimizer,
    rates: Mapping[str, int],
) -> tuple[str, ...]:
    """Add gradients and updates; returns the names of the optimizer's state variables."""
    found = gradients(b, loss, weights)
    if not found:
        raise TrainingError("nothing that is trained changes the loss", got=sorted(weights.values()))
    if objective.anchor:
        anchors = {value: b.variable(f"{weights[value]}/anchor", b.graph.constants[value]) for value in found}
        b.graph.updates.update({anchor: anchor for anchor in anchors.values()})
        found = {v: b.add(g, b.mul(b.sub(v, anchors[v]), objective.anchor)) for v, g in found.items()}
    names = [f"{weights[value]}/anchor" for value in found] if objective.anchor else []
    for value, gradient in optimizer.clipped(b, found).items():
        name, spec = weights[value], b.spec(value)
        own = []
        for slot, first in optimizer.slots().items():
            names.append(f"{name}/{slot}")
            own.append(b.variable(names[-1], Tensor.from_flat([first] * count(spec.shape), spec.shape)))
        begin = len(b.graph.nodes)
        new, state = optimizer.update(b, rates, value, gradient, own)
        fuse_update(b, begin, [new, *state])
        if name in objective.constraints:
            new = constrained(b, objective.constraints[name], new)
        b.graph.updates[value] = new
        b.graph.updates.update(zip(own, state, strict=True))
    return tuple(names)


def drop_dead(graph: Graph) -> Graph:
    """Only nodes, constants and variables that an output or an update reads; changes and returns `graph`."""
    live = {*graph.outputs.values(), *graph.updates.values(), *graph.updates}
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if any(value in live for value in node.outputs):
            live.update(node.inputs)
            kept.append(node)
    graph.nodes = kept[::-1]
    graph.constants = {v: t for v, t in graph.constants.items() if v in live}
    graph.variables = {v: name for v, name in graph.variables.items() if v in live}
    return graph
