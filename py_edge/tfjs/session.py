"""Running any model: one compiled graph where shapes tell everything, segments with Python steps between otherwise.

The first run of an input shape lowers the graph and computes as it goes, wherever data decides. What was decided is
kept as guards; the program of segments, host steps and guards is kept too, and the next run follows it as long as
the guards hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from py_edge.errors import NotFoundError, ShapeError
from py_edge.graph import Graph, Node, Spec
from py_edge.tensor import Tensor, count
from py_edge.tfjs.graph_model import GraphModel
from py_edge.tfjs.layers_model import LayersModel
from py_edge.tfjs.model import Model, Port
from py_edge.tfjs.static_values import Flat, compute, to_tensor
from py_edge.tfjs.trace import Cplx, DataDependent, Host, Trace, Value, ids_of
from py_edge.tfjs.weights import Complex, Strings

Concrete = Tensor | Strings
Compiled = Callable[[Mapping[str, Tensor]], Mapping[str, Any]]
Compile = Callable[[Graph], Compiled]
_PROGRAMS = 64


class GuardFailed(Exception):
    """Data decided otherwise than when the program was made."""


@dataclass(slots=True)
class Segment:
    """A compiled part of the graph: ids it takes, ids it gives."""

    run: Compiled
    inputs: list[int]
    outputs: list[int]


@dataclass(slots=True)
class Program:
    """steps: in order, made at the first run; known: constants and strings; wanted: ids of the outputs."""

    graph: Graph
    steps: list[Segment | Node]
    known: dict[int, Concrete]
    outputs: dict[str, Value]
    wanted: list[int]

    def run(self, env: dict[int, Concrete], compile_: Compile) -> dict[int, Concrete]:
        """Raises GuardFailed."""
        env |= self.known
        if not self.steps:
            self.steps = plan_steps(self.graph, self.wanted, set(env), compile_, True)
        for step in self.steps:
            if isinstance(step, Segment):
                run_segment(step, env)
            else:
                run_python(self.graph, step, env)
        return env


def run_segment(step: Segment, env: dict[int, Concrete]) -> None:
    results = step.run({f"v{i}": _tensor(env[i]) for i in step.inputs})
    for i in step.outputs:
        env[i] = Tensor.of(results[f"v{i}"])


def _tensor(value: Concrete) -> Tensor:
    assert isinstance(value, Tensor)
    return value


def run_python(graph: Graph, node: Node, env: dict[int, Concrete]) -> None:
    """A host step, a guard, or a movement of strings."""
    if node.op == "guard":
        value = env[node.inputs[0]]
        flat = _elements(value)
        if flat != node.attrs["expected"]:
            raise GuardFailed
        return
    if node.op == "host":
        for id_, result in zip(
            node.outputs, node.attrs["function"]([env[i] for i in node.inputs]), strict=True
        ):
            if result.shape != graph.specs[id_].shape:
                raise GuardFailed
            env[id_] = result
        return
    args = [_elements(env[i]) for i in node.inputs]
    out = graph.specs[node.outputs[0]]
    flat = compute(node, args, [graph.specs[i] for i in node.inputs], out) or []
    env[node.outputs[0]] = Strings(tuple(flat), out.shape) if out.dtype == "string" else to_tensor(flat, out)


def _elements(value: Concrete) -> Flat:
    return list(value.values) if isinstance(value, Strings) else list(value.flat)


def _in_python(graph: Graph, node: Node) -> bool:
    return node.op in ("host", "guard") or any(
        graph.specs[v].dtype == "string" for v in (*node.inputs, *node.outputs)
    )


def plan_steps(
    graph: Graph, wanted: Sequence[int], available: set[int], compile_: Compile, guards: bool
) -> list[Segment | Node]:
    """Everything needed for `wanted`, cut so that Python nodes stand between segments."""
    alive, needed = set(wanted), list[Node]()
    for node in reversed(graph.nodes):
        if (guards and node.op == "guard") or any(v in alive and v not in available for v in node.outputs):
            needed.append(node)
            alive.update(node.inputs)
    needed.reverse()
    level: dict[int, int] = {}
    of_node: list[int] = []
    for node in needed:
        at = max((level.get(v, 0) for v in node.inputs), default=0)
        of_node.append(at)
        level.update(dict.fromkeys(node.outputs, at + _in_python(graph, node)))
    steps: list[Segment | Node] = []
    for stage in range(max(of_node, default=-1) + 1):
        here = [n for n, at in zip(needed, of_node, strict=True) if at == stage]
        numeric = [n for n in here if not _in_python(graph, n)]
        others = [n for n, at in zip(needed, of_node, strict=True) if at > stage or _in_python(graph, n)]
        if numeric:
            steps.append(_segment(graph, numeric, others, wanted, compile_))
        steps += [n for n in here if _in_python(graph, n)]
    return steps


def _segment(
    graph: Graph, nodes: list[Node], others: list[Node], wanted: Sequence[int], compile_: Compile
) -> Segment:
    made = {v for n in nodes for v in n.outputs}
    read = list(dict.fromkeys(v for n in nodes for v in n.inputs if v not in made))
    constants = {v: graph.constants[v] for v in read if v in graph.constants}
    inputs = [v for v in read if v not in constants]
    outside = {*wanted, *(v for n in others for v in n.inputs)}
    outputs = [v for v in dict.fromkeys(v for n in nodes for v in n.outputs) if v in outside]
    part = Graph(graph.specs, nodes, {f"v{v}": v for v in inputs}, {f"v{v}": v for v in outputs}, constants)
    part.variables = {v: name for v, name in graph.variables.items() if v in constants}
    part.updates = {v: new for v, new in graph.updates.items() if v in constants and new in made}
    return Segment(compile_(part), inputs, outputs)


@dataclass(slots=True)
class Recorder:
    """Events of a first run: computes what is asked for from the inputs that are there, and writes it down."""

    compile: Compile
    env: dict[int, Concrete] = field(default_factory=dict)
    inputs: Mapping[str, Concrete] = field(default_factory=dict)
    root: Trace | None = None

    def concrete(self, trace: Trace, ids: Sequence[int]) -> list[Concrete]:
        graph = trace.b.graph
        for name, id_ in graph.inputs.items():
            self.env.setdefault(id_, self.inputs[name])
        for id_ in ids:
            if id_ not in self.env and (flat := trace.static(id_)) is not None:
                spec = graph.specs[id_]
                self.env[id_] = (
                    Strings(tuple(flat), spec.shape) if spec.dtype == "string" else to_tensor(flat, spec)
                )
            if id_ in graph.constants:
                self.env.setdefault(id_, graph.constants[id_])
        missing = [i for i in ids if i not in self.env]
        if missing:
            strings = _strings(trace)
            env = {**strings, **self.env}
            made = {v for node in graph.nodes for v in node.outputs}
            wanted = [*missing, *((trace.live() & made) - set(env) - set(missing))]
            for step in plan_steps(graph, wanted, set(env), self.compile, False):
                if isinstance(step, Segment):
                    run_segment(step, env)
                else:
                    run_python(graph, step, env)
            self.env |= {i: env[i] for i in wanted}
        return [self.env[i] for i in ids]

    def value(self, trace: Trace, id_: int) -> Flat:
        value = self.concrete(trace, [id_])[0]
        flat = _elements(value)
        if isinstance(value, Tensor) and value.dtype == "bool":
            flat = [bool(v) for v in flat]
        trace.b.graph.nodes.append(Node("guard", (id_,), (), {"expected": flat}, trace.b.where))
        trace.static_values.known[id_] = flat
        return flat

    def host(self, trace: Trace, name: str, function: Host, inputs: list[int]) -> list[int]:
        results = function(self.concrete(trace, inputs))
        ids = []
        for result in results:
            dtype = "string" if isinstance(result, Strings) else result.dtype
            ids.append(trace.host_value(Spec(result.shape, dtype)))
            self.env[ids[-1]] = result
        specs = tuple(trace.b.spec(i) for i in ids)
        trace.b.graph.nodes.append(
            Node("host", tuple(inputs), tuple(ids), {"function": function, "outputs": specs}, name)
        )
        return ids


def _strings(trace: Trace) -> dict[int, Concrete]:
    """Strings that are known."""
    specs = trace.b.graph.specs
    known = trace.static_values.known.items()
    return {i: Strings(tuple(flat), specs[i].shape) for i, flat in known if specs[i].dtype == "string"}


class Session:
    """A model and a way to compile graphs. compile(graph) gives a function of named inputs; results have the graph's
    output names. Not shared between threads."""

    def __init__(self, model: Model, compile: Compile) -> None:  # noqa: A002
        self.model, self._compile = model, compile
        self._static: dict[Any, Compiled | None] = {}
        self._programs: dict[Any, list[Program]] = {}

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Tensor | Strings | Complex]:
        """Outputs by name. inputs: tensors, arrays, nested lists (Strings for string inputs), by input name.

        Raises NotFoundError: another set of inputs; ShapeError; and what lowering and kernels raise.
        """
        given = self._given(inputs)
        key = tuple((name, value.shape) for name, value in sorted(given.items()))
        if key not in self._static:
            self._static[key] = self._whole(given)
        compiled = self._static[key]
        if compiled is not None:
            results = compiled({name: _tensor(value) for name, value in given.items()})
            return {name: Tensor.of(results[name]) for name in results}
        return self._stepwise(key, given)

    def _given(self, inputs: Mapping[str, Any]) -> dict[str, Concrete]:
        optional = self.model.defaults if isinstance(self.model, GraphModel) else frozenset()
        wanted = {port.name: port for port in self.model.inputs}
        missing = [name for name in wanted if name not in inputs and name not in optional]
        if missing or not set(inputs) <= set(wanted):
            raise NotFoundError("inputs do not match the model's", got=sorted(inputs), want=sorted(wanted))
        found: dict[str, Concrete] = {}
        for name, value in inputs.items():
            port = wanted[name]
            if port.dtype == "complex64":
                raw = value if isinstance(value, Complex) else None
                if raw is None:
                    raise ShapeError("a complex input is given as Complex", where=name)
                found[f"{name}/real"], found[f"{name}/imag"] = raw.real, raw.imag
            else:
                found[name] = _converted(port, value)
        return found

    def _whole(self, given: Mapping[str, Concrete]) -> Compiled | None:
        """The model as one graph, when nothing depends on data."""
        dynamic = isinstance(self.model, GraphModel) and self.model.dynamic
        if dynamic or not all(isinstance(value, Tensor) for value in given.values()):
            return None
        try:
            return self._compile(self.model.graph({name: value.shape for name, value in given.items()}))
        except DataDependent:
            if isinstance(self.model, GraphModel):
                self.model.dynamic = True
            return None

    def _stepwise(self, key: Any, given: dict[str, Concrete]) -> dict[str, Tensor | Strings | Complex]:
        for program in self._programs.get(key, []):
            try:
                env = program.run({program.graph.inputs[name]: v for name, v in given.items()}, self._compile)
                return self._results(program, env)
            except GuardFailed:
                continue
        return self._first(key, given)

    def _first(self, key: Any, given: dict[str, Concrete]) -> dict[str, Tensor | Strings | Complex]:
        if isinstance(self.model, LayersModel):
            return self._first_of_layers(key, self.model, given)
        assert isinstance(self.model, GraphModel)
        recorder = Recorder(self._compile, {}, given)
        parts = {p.name: given.get(p.name, given.get(f"{p.name}/real")) for p in self.model.inputs}
        shapes = {name: value.shape for name, value in parts.items() if value is not None}
        trace, outputs = self.model.trace(shapes, recorder)
        graph = trace.b.graph
        ids = [i for value in outputs.values() for i in ids_of(value)]
        known: dict[int, Concrete] = {**_strings(trace), **graph.constants}
        program = Program(graph, [], known, outputs, ids)
        programs = self._programs.setdefault(key, [])
        programs.insert(0, program)
        del programs[_PROGRAMS:]
        env = dict(zip(ids, recorder.concrete(trace, ids), strict=True))
        return self._results(program, env)

    def _first_of_layers(
        self, key: Any, model: LayersModel, given: dict[str, Concrete]
    ) -> dict[str, Tensor | Strings | Complex]:
        graph = model.stepwise_graph({name: value.shape for name, value in given.items()})
        program = Program(graph, [], dict(graph.constants), dict(graph.outputs), list(graph.outputs.values()))
        self._programs[key] = [program]
        return self._results(
            program, program.run({graph.inputs[n]: v for n, v in given.items()}, self._compile)
        )

    def _results(
        self, program: Program, env: Mapping[int, Concrete]
    ) -> dict[str, Tensor | Strings | Complex]:
        found: dict[str, Tensor | Strings | Complex] = {}
        for name, value in program.outputs.items():
            if isinstance(value, int):
                found[name] = env[value]
            elif isinstance(value, Cplx):
                found[name] = Complex(_tensor(env[value.real]), _tensor(env[value.imag]))
        return found


def _words(value: Any) -> tuple[list[bytes], tuple[int, ...]]:
    """Nested lists of texts, flat, and their shape."""
    if isinstance(value, (str, bytes)):
        return [value if isinstance(value, bytes) else value.encode()], ()
    parts = [_words(item) for item in value]
    shapes = {shape for _, shape in parts} or {()}
    if len(shapes) > 1:
        raise ShapeError("rows of different lengths", got=sorted(shapes))
    return [text for flat, _ in parts for text in flat], (len(parts), *shapes.pop())


def _converted(port: Port, value: Any) -> Concrete:
    if port.dtype == "string":
        if isinstance(value, Strings):
            return value
        flat, shape = _words(value)
        if len(shape) != len(port.shape) and port.shape != (None,):
            raise ShapeError(
                f"input '{port.name}' has another rank", where=port.name, got=shape, want=port.shape
            )
        return Strings(tuple(flat), shape)
    tensor = Tensor.of(value)
    tensor = tensor if tensor.dtype == port.dtype else tensor.astype(port.dtype)
    if len(tensor.shape) != len(port.shape) and port.shape != (None,):
        raise ShapeError(
            f"input '{port.name}' has another rank", where=port.name, got=tensor.shape, want=port.shape,
            remedy=_reshaping(tensor.shape, port.shape),
        )  # fmt: skip
    return tensor


def _reshaping(got: Sequence[int], want: Sequence[int | None]) -> str:
    """What a user does whose values have the right number but another shape."""
    fixed = [size for size in want[1:] if size is not None]
    fits = want[:1] == (None,) and len(fixed) == len(want) - 1 and count(got) % max(count(fixed), 1) == 0
    return f"reshape({(-1, *fixed)}) gives each example this shape" if fits and count(got) else ""
