"""A graph cut into compiled segments with Python steps between: strings, host steps, and guards on what data decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from py_edge.graph import Graph, Node
from py_edge.tensor import Tensor
from py_edge.tfjs.static_values import Flat, compute, to_tensor
from py_edge.tfjs.trace import Value
from py_edge.tfjs.weights import Strings

Concrete = Tensor | Strings
Compiled = Callable[[Mapping[str, Tensor]], Mapping[str, Any]]
Compile = Callable[[Graph], Compiled]


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
        run_steps(self.graph, self.steps, env)
        return env


def run_steps(graph: Graph, steps: Sequence[Segment | Node], env: dict[int, Concrete]) -> None:
    """Add to env what the steps give. Raises GuardFailed."""
    for step in steps:
        if isinstance(step, Segment):
            run_segment(step, env)
        else:
            run_python(graph, step, env)


def run_segment(step: Segment, env: dict[int, Concrete]) -> None:
    results = step.run({f"v{i}": as_tensor(env[i]) for i in step.inputs})
    for i in step.outputs:
        env[i] = Tensor.of(results[f"v{i}"])


def as_tensor(value: Concrete) -> Tensor:
    assert isinstance(value, Tensor)
    return value


def run_python(graph: Graph, node: Node, env: dict[int, Concrete]) -> None:
    """A host step, a guard, or a movement of strings."""
    if node.op == "guard":
        value = env[node.inputs[0]]
        flat = elements(value)
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
    args = [elements(env[i]) for i in node.inputs]
    out = graph.specs[node.outputs[0]]
    flat = compute(node, args, [graph.specs[i] for i in node.inputs], out) or []
    env[node.outputs[0]] = Strings(tuple(flat), out.shape) if out.dtype == "string" else to_tensor(flat, out)


def elements(value: Concrete) -> Flat:
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
