"""A layers-model: Keras' topology, read, checked by one lowering with batch 1, and lowered again per input shape."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from py_edge.errors import (
    GraphError,
    ModelFormatError,
    PolicyError,
    PyEdgeError,
    ShapeError,
    UnsupportedError,
)
from py_edge.graph import Builder, Graph
from py_edge.tensor import Tensor
from py_edge.tfjs.layers.call import Sym, Training
from py_edge.tfjs.limits import DEFAULT, Limits
from py_edge.tfjs.lower_layers import Lowering, check_config, row_of
from py_edge.tfjs.model import Model, Part, Port, Shape, Shapes, listed, part_of
from py_edge.tfjs.naming import Scope, Source, Stored
from py_edge.tfjs.network import Layer, Network, refs_in, share_counted
from py_edge.tfjs.operations.table import is_operation, operation_of
from py_edge.tfjs.read_network import read_network
from py_edge.tfjs.trace import DataDependent
from py_edge.tfjs.weights import Shards

_DTYPES = {"float16": "float32", "float64": "float32", "bfloat16": "float32", "mixed_float16": "float32",
           "int64": "int32", "int16": "int32", "int8": "int32", "uint8": "int32", "uint16": "int32"}  # fmt: skip
"""Everything computes in float32 or int32, as in TF.js: a mixed_float16 policy is the same net without its roundings."""


@dataclass(slots=True)
class LayersModel(Model):
    """network: the topology. dialect: who wrote it, for the few defaults that differ."""

    network: Network
    dialect: str

    def graph(
        self, shapes: Shapes = 1, *, training: bool = False, frozen: Sequence[str] = (), seed: int = 0
    ) -> Graph:
        """Raises ModelFormatError and its kin with the layer's place, ShapeError for open or unfit shapes,
        DataDependent: words or hashes need steps in Python, which only a session runs."""
        graph = self.stepwise_graph(shapes, Training(training, frozenset(frozen), seed))
        for node in graph.nodes:
            if node.op == "host":
                raise DataDependent(
                    "a step in Python", where=node.where, remedy="run the model with a session"
                )
        return graph

    def stepwise_graph(self, shapes: Shapes = 1, switch: Training | None = None) -> Graph:
        """The graph with its steps in Python, for a session."""
        return lower(
            self.network,
            self.inputs,
            self.full_shapes(shapes),
            self.outputs,
            switch or Training(),
            self.dialect,
            Stored(self.all_weights),
        )

    @property
    def trainable(self) -> list[str]:
        parts = [part for part in self.layers if part.trainable]
        learnt = [name for part in parts for name in part.weights if name not in part.still]
        return list(dict.fromkeys(learnt))

    def with_weights(self, changed: Mapping[str, Tensor]) -> LayersModel:
        return replace(self, all_weights=self.changed(changed))


def input_port(layer: Layer) -> Port:
    """Keras 2 says batch_input_shape, Keras 3 batch_shape. Raises ShapeError."""
    config, where = layer.config, f"{layer.where}/config"
    shape = next((config[k] for k in ("batch_shape", "batch_input_shape") if config.get(k) is not None), None)
    if shape is None and isinstance(config.get("input_shape"), list):
        shape = [None, *config["input_shape"]]
    if (
        not isinstance(shape, list)
        or not shape
        or any(d is not None and (type(d) is not int or d < 0) for d in shape)
    ):
        raise ShapeError("an input tells its shape, batch first", where=where, got=shape)
    if len(shape) > DEFAULT.rank or any(d is not None and d > DEFAULT.dim for d in shape):
        raise ShapeError("the input is too large", where=where, got=shape)
    if config.get("sparse") or config.get("ragged"):
        raise UnsupportedError("sparse and ragged inputs", where=where)
    raw = config.get("dtype") or "float32"
    name = raw.get("config", {}).get("name", "float32") if isinstance(raw, dict) else str(raw)
    dtype = _DTYPES.get(name, name)
    if dtype not in ("float32", "int32", "bool", "string"):
        raise UnsupportedError(
            "inputs of this dtype", where=f"{where}/dtype", got=name, want="float32, int32, bool or string"
        )
    return Port(layer.name, tuple(shape), dtype)


def lower(
    network: Network, inputs: Sequence[Port], shapes: Mapping[str, tuple[int, ...]], outputs: Sequence[Port],
    training: Training, dialect: str, source: Source, rng: random.Random | None = None,
) -> Graph:  # fmt: skip
    """One graph of the whole network. outputs: their names, or none to name them after their layers."""
    return lower_seen(network, inputs, shapes, outputs, training, dialect, source, rng)[0]


def lower_seen(
    network: Network, inputs: Sequence[Port], shapes: Mapping[str, tuple[int, ...]], outputs: Sequence[Port],
    training: Training, dialect: str, source: Source, rng: random.Random | None = None,
) -> tuple[Graph, dict[str, tuple[int, ...]]]:  # fmt: skip
    """The graph, and the shape of each layer's first output by the layer's place in the file."""
    b = Builder()
    lowering = Lowering(b, training, dialect, source, rng or random.Random(0))
    entries = [Sym(b.input(port.name, shapes[port.name], port.dtype)) for port in inputs]
    names = [port.name for port in outputs] or output_names(network)
    for name, value in zip(names, lowering.network(network, entries), strict=True):
        b.output(name, value.id)
    return b.graph, lowering.shapes


def _scopes(layer: Layer) -> list[Scope]:
    """The layer's own, then those of its cells, of the layers that it wraps, and of a model that it wraps."""
    found: list[Scope] = []
    waiting = [layer.scope]
    while waiting:
        scope = waiting.pop()
        found.append(scope)
        waiting += scope.children.values()
        if isinstance(scope.network, Network):
            waiting += [inner.scope for inner in scope.network.walk()]
    return found


def output_names(network: Network) -> list[str]:
    """Each output's layer; a second one of the same layer gets _1, _2, ..."""
    names, seen = [], dict[str, int]()
    for ref in network.outputs:
        turn = seen.get(ref.layer, 0)
        seen[ref.layer] = turn + 1
        names.append(ref.layer if turn == 0 else f"{ref.layer}_{turn}")
    return names


def topology_of(document: Mapping[str, Any]) -> tuple[Mapping[str, Any], str, str]:
    """(class_name/config object, its pointer, dialect). Raises ModelFormatError."""
    topology = document.get("modelTopology")
    if not isinstance(topology, dict):
        raise ModelFormatError("no model in it", where="/modelTopology", got=topology, want="an object")
    version = topology.get("keras_version")
    if version is not None and not isinstance(version, str):
        raise UnsupportedError("keras_version is a text", where="/modelTopology/keras_version", got=version)
    dialect = _dialect(version or "", document.get("generatedBy"))
    if "model_config" in topology:
        raw = topology["model_config"]
        where = "/modelTopology/model_config"
    else:
        raw, where = topology, "/modelTopology"
    if not isinstance(raw, dict):
        raise ModelFormatError("an object is wanted", where=where, got=raw)
    return raw, where, dialect


def _dialect(version: str, generator: Any) -> str:
    """Who wrote the topology: "keras3", "tfjs" or "keras2"."""
    if version.startswith("tfjs") or (isinstance(generator, str) and generator.startswith("TensorFlow.js")):
        return "tfjs"
    return "keras3" if version[:1].isdigit() and int(version.split(".")[0]) >= 3 else "keras2"


def find_problems(network: Network) -> list[PyEdgeError]:
    """Everything that the table does not know, each with its place."""
    problems: list[PyEdgeError] = []
    for layer in network.walk():
        if layer.is_input or layer.network is not None:
            continue
        try:
            check_config(layer)
            args = layer.uses[0].args if layer.uses else ()
            if is_operation(layer.kind, layer.module, layer.config, args):
                operation_of(layer.kind, layer.config)
                _check_tensors(layer)
            else:
                row_of(layer.kind)
        except (UnsupportedError, PolicyError) as error:
            error.where = error.where or f"{layer.where} layer '{layer.name}'"
            problems.append(error)
    return problems


def _check_tensors(layer: Layer) -> None:
    """tf_keras leaves out the tensors that a call takes as *args, as tf.einsum does."""
    for index, use in enumerate(layer.uses):
        if not any(refs_in((use.args, use.kwargs))):
            raise UnsupportedError(
                "the file does not tell the tensors of this call: tf_keras leaves out those given as *args",
                where=f"{layer.where}/inbound_nodes/{index} layer '{layer.name}'", got=layer.config.get("function"),
                remedy="convert the SavedModel to a graph-model",
            )  # fmt: skip


def read_layers_model(
    document: Mapping[str, Any], shards: Callable[[], Shards], limits: Limits = DEFAULT, inspect: bool = False
) -> LayersModel:
    """The model, checked: every layer known, every weight in its place. shards: asked for only when every name is
    known. inspect: problems are listed, not raised."""
    raw, where, dialect = topology_of(document)
    network = read_network(raw, where, dialect, limits)
    problems = find_problems(network)
    if problems and not inspect:
        raise problems[0]
    inputs = [input_port(network.layers[name]) for name in network.inputs]
    names = output_names(network)
    weights, stored = ({}, {}) if problems else shards()
    share_counted(network, weights)
    try:
        shapes, seen, graph = _trial(network, inputs, names, dialect, Stored(weights), bool(problems))
    except (UnsupportedError, PolicyError) as error:
        if not inspect:
            raise
        problems, shapes, seen, graph = [error], [(None,)] * len(names), {}, None
    outputs = [
        Port(name, shape, graph.specs[graph.outputs[name]].dtype if graph else "float32")
        for name, shape in zip(names, shapes, strict=True)
    ]
    parts = [_part(layer, seen) for layer in network.walk() if not layer.is_input and layer.network is None]
    if not parts and not inspect:
        raise GraphError("a model without layers", where=where)
    metadata = document.get("userDefinedMetadata")
    plain = {key: value for key, value in document.items() if key != "weightsManifest"}
    return LayersModel(
        "layers-model", inputs, outputs, weights, parts, metadata if isinstance(metadata, dict) else {},
        listed(problems), plain, stored, network, dialect,
    )  # fmt: skip


def _trial(
    network: Network, inputs: list[Port], names: list[str], dialect: str, source: Source, broken: bool
) -> tuple[list[Shape], dict[str, Shape], Graph | None]:
    """Shapes of the outputs and of the layers by place, and a graph, found by lowering with small sizes for what is open;
    two of them tell what is open."""
    unknown: list[Shape] = [(None,) for _ in names]
    if broken:
        return unknown, {}, None
    ports = [Port(name, (), "") for name in names]
    trials: list[tuple[Graph, dict[str, tuple[int, ...]]]] = []
    for batch, open_size in ((1, 32), (2, 40)):
        shapes = {
            p.name: tuple((batch if i == 0 else open_size) if d is None else d for i, d in enumerate(p.shape))
            for p in inputs
        }
        try:
            trials.append(lower_seen(network, inputs, shapes, ports, Training(), dialect, source))
        except ShapeError:
            if trials:  # the model's own shapes fit some batches only
                graph = trials[0][0]
                return [(None,) * len(graph.specs[graph.outputs[name]].shape) for name in names], {}, graph
            if not any(None in p.shape[1:] for p in inputs):
                raise
            return unknown, {}, None
    (graph, first), (other, second) = trials
    ends = [_common(*(g.specs[g.outputs[name]].shape for g in (graph, other))) for name in names]
    return ends, {place: _common(shape, second[place]) for place, shape in first.items()}, graph


def _common(first: tuple[int, ...], second: tuple[int, ...]) -> Shape:
    """None where they differ; a squeeze of all ones gives another rank for one example."""
    if len(first) != len(second):
        return (None,) * len(second)
    return tuple(a if a == z else None for a, z in zip(first, second, strict=True))


def _part(layer: Layer, shapes: Mapping[str, Shape]) -> Part:
    """The layer as `inspect` and `summary` show it, with the weights of the cells and wrapped layers inside."""
    scopes = _scopes(layer)
    weights = {name: shape for scope in scopes for name, shape in scope.names.items()}
    return replace(
        part_of(layer.name, layer.kind, weights),
        trainable=layer.config.get("trainable") is not False,
        still=tuple(name for name in weights if any(name in scope.still for scope in scopes)),
        shape=shapes.get(layer.where),
    )
