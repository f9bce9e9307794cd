"""A graph-model: TensorFlow's GraphDef, read, checked against the op table, lowered for concrete input shapes."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from py_edge.errors import GraphError, ModelFormatError, PolicyError, PyEdgeError, UnsupportedError
from py_edge.graph import Builder, Graph, Spec
from py_edge.tensor import Tensor
from py_edge.tfjs.call import Run
from py_edge.tfjs.control_flow.branches import Restart
from py_edge.tfjs.hash_tables import filled_tables, read_initializer
from py_edge.tfjs.limits import DEFAULT, Limits
from py_edge.tfjs.loops import match_loops
from py_edge.tfjs.model import Model, Port, Shapes, listed, part_of
from py_edge.tfjs.signature import input_ports, output_ports, output_sources
from py_edge.tfjs.tf_graph import Function, Source, TfNode, read_graph
from py_edge.tfjs.tf_ops.table import OPS, PLACEHOLDERS, REFUSED
from py_edge.tfjs.trace import Cplx, DataDependent, Events, NoEvents, Shared, Table, Trace, Value
from py_edge.tfjs.weights import Shards, Weight


@dataclass(slots=True)
class GraphModel(Model):
    """nodes: with v1 loops matched; sources: which tensor each output is; tables: hash tables, filled, by placeholder
    or name; defaults: inputs that need not be given; dynamic: known to depend on data, so that one graph cannot say it."""

    nodes: dict[str, TfNode]
    functions: dict[str, Function]
    sources: dict[str, Source]
    tables: dict[Any, Table]
    defaults: frozenset[str] = frozenset()
    concrete: set[str] = field(default_factory=set)
    dynamic: bool = False

    def graph(
        self, shapes: Shapes = 1, *, training: bool = False, frozen: Sequence[str] = (), seed: int = 0
    ) -> Graph:
        """Raises DataDependent (UnsupportedError) where shapes depend on data: use a Session then."""
        full = self.full_shapes(shapes)
        given = shapes if isinstance(shapes, Mapping) else {}
        full = {name: shape for name, shape in full.items() if name in given or name not in self.defaults}
        trace, outputs = self.trace(full, NoEvents())
        for name, value in outputs.items():
            if not isinstance(value, int):
                raise DataDependent(
                    "an output that is no tensor of numbers", where=name, got=type(value).__name__
                )
            trace.b.output(name, value)
        return trace.b.graph

    def trace(self, shapes: Mapping[str, tuple[int, ...]], events: Events) -> tuple[Trace, dict[str, Value]]:
        """Lower the whole graph; events answers where data decides. Again, when two sides of a branch differ."""
        while True:
            shared = Shared(self.functions, self.all_weights, dict(self.tables), concrete=self.concrete)
            trace = Trace(Builder(), shared, events)
            args: dict[str, Value] = {}
            for port in self.inputs:
                if port.name in shapes:
                    args[port.name] = input_value(trace, port, shapes[port.name])
            args |= {
                name: table
                for name, table in self.tables.items()
                if name in self.nodes and self.nodes[name].op in PLACEHOLDERS
            }
            try:
                run = Run(trace, self.nodes, args, OPS)
                return trace, dict(zip(self.sources, run.pull(list(self.sources.values())), strict=True))
            except Restart as restart:
                if restart.name in self.concrete:
                    raise GraphError("the sides of a branch differ", where=restart.name) from restart
                self.concrete.add(restart.name)

    @property
    def trainable(self) -> list[str]:
        return [name for name, w in self.weights.items() if w.dtype == "float32" and w.shape and w.size > 1]

    def with_weights(self, changed: Mapping[str, Tensor]) -> GraphModel:
        return replace(self, all_weights=self.changed(changed))


def input_value(trace: Trace, port: Port, shape: tuple[int, ...]) -> Value:
    """A placeholder of the graph being built; strings and complex numbers come in as host values."""
    if port.dtype == "string":
        id_ = trace.host_value(Spec(shape, "string"))
        trace.b.graph.inputs[port.name] = id_
        return id_
    if port.dtype == "complex64":
        return Cplx(trace.b.input(f"{port.name}/real", shape), trace.b.input(f"{port.name}/imag", shape))
    return trace.b.input(port.name, shape, port.dtype)


def find_problems(nodes: Mapping[str, TfNode], functions: Mapping[str, Function]) -> list[PyEdgeError]:
    """Ops that no row knows, each op once, with the place of its first use."""
    problems: dict[str, PyEdgeError] = {}
    for node in [*nodes.values(), *(n for f in functions.values() for n in f.nodes.values())]:
        if node.op in OPS or node.op in PLACEHOLDERS or node.op in problems:
            continue
        where = f"{node.where} node '{node.name}'"
        if node.op in REFUSED:
            problems[node.op] = PolicyError(
                f"{node.op} is never run: {REFUSED[node.op]}", where=where, got=node.op
            )
        else:
            near = ", ".join(difflib.get_close_matches(node.op, OPS, 3, 0.6)) or "Add"
            want = f"one of {len(OPS)} ops, like {near}"
            problems[node.op] = UnsupportedError("unknown op", where=where, got=node.op, want=want)
    return list(problems.values())


def read_graph_model(
    document: Mapping[str, Any], shards: Callable[[], Shards], limits: Limits = DEFAULT, inspect: bool = False
) -> GraphModel:
    """The model, checked: every op known, every input there. shards: asked for only when every op is known.
    inspect: problems are listed, not raised."""
    nodes, functions = read_graph(document.get("modelTopology"), "/modelTopology", limits)
    initial = read_initializer(document, limits)
    problems = [*find_problems(nodes, functions), *find_problems(*initial)]
    if problems and not inspect:
        raise problems[0]
    weights, stored = ({}, {}) if problems else shards()
    signature = document.get("signature") or {}
    if not isinstance(signature, dict):
        raise ModelFormatError("signature is an object", where="/signature", got=signature)
    metadata = document.get("userDefinedMetadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    inputs, defaults = input_ports(nodes, signature)
    sources = output_sources(nodes, signature, metadata)
    tables = {} if problems else filled_tables(document, initial, functions, weights, signature)
    matched = match_loops(nodes)
    functions = {name: replace(f, nodes=match_loops(f.nodes)) for name, f in functions.items()}
    parts = [
        part_of(node.name, node.op, {})
        for node in nodes.values() if node.op not in ("Const", "NoOp", *PLACEHOLDERS)
    ]  # fmt: skip
    constants = {name: w.shape for name, w in weights.items() if isinstance(w, Tensor)}
    parts.append(part_of("constants", "Const", constants))
    plain = {key: value for key, value in document.items() if key != "weightsManifest"}
    outputs = output_ports(sources, signature)
    model = GraphModel(
        "graph-model", inputs, outputs, weights, parts, metadata, listed(problems), plain, stored, matched, functions,
        sources, tables, defaults,
    )  # fmt: skip
    if problems:
        return model
    try:
        _check(model, nodes, weights)
    except (UnsupportedError, PolicyError) as error:
        if not inspect:
            raise
        model.unsupported = listed([error])
    return model


def _check(model: GraphModel, nodes: Mapping[str, TfNode], weights: Mapping[str, Weight]) -> None:
    """Constants are there, and one lowering with batch 1 goes through as far as shapes are known."""
    for node in nodes.values():
        if node.op == "Const" and node.name not in weights:
            raise GraphError("a constant has no weight", where=f"{node.where} node '{node.name}'")
    if any(None in port.shape[1:] or port.shape == (None,) for port in model.inputs):
        return
    try:
        trace, outputs = model.trace(model.full_shapes(1), NoEvents())
    except DataDependent:
        model.dynamic = True
        return
    for index, port in enumerate(model.outputs):
        value = outputs[port.name]
        if isinstance(value, int) and port.shape == (None,):
            spec = trace.b.spec(value)
            model.outputs[index] = Port(port.name, spec.shape, spec.dtype)
