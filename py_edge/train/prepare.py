"""From a model and data to what a trainer takes: truths that fit the loss, cached features, remembered examples."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from py_edge.errors import ShapeError, ValueRangeError
from py_edge.graph import Builder, Graph
from py_edge.tensor import Tensor, count
from py_edge.train.data import Rows, batches, stacked
from py_edge.train.engine import Forward, Start, Trainable
from py_edge.train.features import split_at_trained
from py_edge.train.losses import logits_of, plain
from py_edge.train.rehearsal import Reservoir
from py_edge.train.selection import layer_of
from py_edge.train.step import drop_dead, logits_value

FEATURE_BATCH = 32


def loss_for(graph: Graph, output: str, truth: Tensor) -> str:
    """The loss of a classifier by how its output ends and what the truth looks like; mean squared error otherwise."""
    b, value = Builder(graph), graph.outputs[output]
    labels = truth.dtype == "int32" and truth.size == count(graph.specs[value].shape[1:-1]) * truth.shape[0]
    if logits_of(b, value, "softmax") is not None:
        return "sparseCategoricalCrossentropy" if labels else "categoricalCrossentropy"
    return "binaryCrossentropy" if logits_of(b, value, "sigmoid") is not None else "meanSquaredError"


def is_of_logits(graph: Graph, output: str, truth: Tensor) -> bool:
    """Whether each linear row of the output stands against one class: then its values are logits, as `score` reads them."""
    b, value = Builder(graph), graph.outputs[output]
    rows = truth.shape[0] * count(graph.specs[value].shape[1:-1])
    linear = all(logits_of(b, value, last) is None for last in ("softmax", "sigmoid"))
    return linear and truth.dtype == "int32" and truth.size == rows and graph.specs[value].shape[-1] > 1


class Softened:
    """A model of logits as it is trained on classes: with a softmax at the end of its one output; its weights are the model's."""

    def __init__(self, model: Trainable) -> None:
        self.model = model
        self.layers: Sequence[Any] = getattr(model, "layers", ())

    @property
    def weights(self) -> Mapping[str, Tensor]:
        return self.model.weights

    @property
    def trainable(self) -> list[str]:
        return self.model.trainable

    def forward(
        self, rows: int, *, training: bool = False, frozen: Sequence[str] = (), seed: int = 0
    ) -> Graph:
        b = Builder(self.model.forward(rows, training=training, frozen=frozen, seed=seed).copy())
        b.graph.outputs = {name: b.softmax(value) for name, value in b.graph.outputs.items()}
        return b.graph

    def set_weights(self, weights: Mapping[str, Tensor]) -> None:
        self.model.set_weights(weights)


def truth_for(y: Tensor, loss: str, shape: tuple[int, ...]) -> Tensor:
    """y as the step wants it for predictions of `shape` (rows first): int32 classes or float32 targets.

    Raises ValueRangeError: a class that the model does not have; ShapeError: other sizes.
    """
    n = y.shape[0]
    if plain(loss) == "sparsecategoricalcrossentropy":
        labels = y.astype("int32") if y.dtype != "int32" else y
        if labels.size != n * count(shape[1:-1]):
            raise ShapeError("one class per example", where="y", got=y.shape, want=(n, *shape[1:-1]))
        if labels.size and not 0 <= min(labels.flat) <= max(labels.flat) < shape[-1]:
            strange = next(label for label in labels.flat if not 0 <= label < shape[-1])
            raise ValueRangeError(
                "a class that the model does not have", where="y", got=strange, want=f"0..{shape[-1] - 1}",
                remedy="py_edge.train.grow.grow_head(model, classes) gives it more",
            )  # fmt: skip
        return labels.reshape((n, *shape[1:-1]))
    target = y if y.dtype == "float32" else y.astype("float32")
    if plain(loss) == "categoricalcrossentropy" and y.size == n * count(shape[1:-1]) != n * count(shape[1:]):
        rows = [float(c == int(v)) for v in y.flat for c in range(shape[-1])]
        target = Tensor.from_flat(rows, (n, *shape[1:]))
    if target.size != n * count(shape[1:]):
        raise ShapeError(
            "targets do not have the output's shape", where="y", got=y.shape, want=(n, *shape[1:])
        )
    return target.reshape((n, *shape[1:]))


def frozen_layers(model: Trainable, trained: Collection[str]) -> list[str]:
    """Layers with weights of which none is trained: their batch statistics stand still."""
    parts: Sequence[Any] = getattr(model, "layers", ())
    if parts:
        return [part.name for part in parts if part.weights and not set(part.weights) & set(trained)]
    moving = {layer_of(name) for name in trained}
    return sorted({layer_of(name) for name in model.weights} - moving)


def weights_in_use(graph: Graph) -> list[str]:
    """Float variables that the outputs depend on, in the order in which the graph first reads them."""
    live = set(graph.outputs.values())
    for node in reversed(graph.nodes):
        if any(value in live for value in node.outputs):
            live.update(node.inputs)
    read = dict.fromkeys(value for node in graph.nodes for value in node.inputs if value in live)
    return [graph.variables[v] for v in read if v in graph.variables and graph.specs[v].dtype == "float32"]


def statistics(graph: Graph, trained: Collection[str]) -> list[str]:
    """Weights that follow the data in this training graph: moving means and variances of what is not frozen."""
    moving = [graph.variables[v] for v in graph.updates if graph.specs[v].dtype == "float32"]
    return [name for name in moving if name not in trained]


def norm_weights(model: Trainable) -> set[str]:
    """Weights of batch normalisations: with a few examples their statistics do more harm than good."""
    parts: Sequence[Any] = getattr(model, "layers", ())
    return {name for part in parts if part.kind == "BatchNormalization" for name in part.weights}


@dataclass(frozen=True, slots=True)
class Parts:
    """forward: the graph that is trained, from raw inputs or from features; features: the frozen graph, None when raw."""

    forward: Forward
    features: Forward | None


def cut(model: Trainable, trained: Collection[str], frozen: Sequence[str], seed: int, cache: bool) -> Parts:
    """Where to cut the model so that the frozen part runs once per example."""

    def whole(rows: int) -> Graph:
        return model.forward(rows, training=True, frozen=frozen, seed=seed)

    probe = whole(2)
    any_rows = all(probe.specs[value].shape[:1] == (2,) for value in probe.inputs.values())
    if not cache or not any_rows or split_at_trained(probe, trained) is None:
        return Parts(whole, None)

    def part(rows: int, which: int) -> Graph:
        halves = split_at_trained(whole(rows), trained)
        assert halves is not None
        return halves[which]

    return Parts(lambda rows: part(rows, 1), lambda rows: part(rows, 0))


def computed(forward: Forward, inputs: Mapping[str, Rows], start: Start) -> dict[str, Tensor]:
    """The outputs of a per-row graph over all rows of `inputs`."""
    n = len(next(iter(inputs.values())))
    size = min(n, FEATURE_BATCH)
    run = start(forward(size))
    names = [port.name for port in run.plan.outputs]
    pieces: dict[str, list[bytes]] = {name: [] for name in names}
    for chunk in batches(range(n), size):
        for port in run.plan.inputs:
            inputs[port.name].copy_to(run.input_view(port.name), [*chunk, *[chunk[0]] * (size - len(chunk))])
        run.execute()
        for name in names:
            view = run.output_view(name)
            pieces[name].append(view[: view.nbytes // size * len(chunk)].tobytes())
    return {
        port.name: Tensor(memoryview(b"".join(pieces[port.name])), (n, *port.shape[1:]), port.dtype)
        for port in run.plan.outputs
    }


def with_memory(xs: Mapping[str, Tensor], memory: Reservoir | None) -> dict[str, Tensor]:
    """New examples, then the remembered ones."""
    if not memory:
        return dict(xs)
    remembered = memory.tensors()
    if len(remembered) != len(xs):
        raise ShapeError("the memory holds examples of another model", got=len(remembered), want=len(xs))
    return {
        name: stacked([x if x.dtype == "float32" else x.astype("float32"), old])
        for (name, x), old in zip(xs.items(), remembered, strict=True)
    }


def truth_with_memory(truth: Tensor, loss: str, memory: Reservoir | None) -> Tensor:
    if not memory:
        return truth
    labels = Tensor.from_flat([item.label for item in memory.items], (len(memory),), "int32")
    return stacked(
        [truth, truth_for(labels, loss, truth.shape if truth.dtype == "float32" else (1, 1 << 30))]
    )


def as_input(tensor: Tensor, graph: Graph, name: str) -> Tensor:
    """A raw input with the dtype and row shape of the graph's. Raises ShapeError."""
    spec = graph.specs[graph.inputs[name]]
    if tensor.shape[1:] != spec.shape[1:]:
        if count(tensor.shape[1:]) != count(spec.shape[1:]):
            raise ShapeError(
                "examples have another shape", where=name, got=tensor.shape[1:], want=spec.shape[1:]
            )
        tensor = tensor.reshape((tensor.shape[0], *spec.shape[1:]))
    return tensor if tensor.dtype == spec.dtype else tensor.astype(spec.dtype)


def logits_graph(graph: Graph, output: str, moving: Collection[str]) -> Graph:
    """The same graph with the logits of `output` as its only output; `moving` weights stay variables, so that the plan
    serves the next fine-tuning too."""
    b = Builder(graph.copy())
    value = logits_value(b, b.graph.outputs[output])
    b.graph.outputs = {"logits": value}
    b.graph.updates = {v: v for v, name in b.graph.variables.items() if name in moving}
    return drop_dead(b.graph)
