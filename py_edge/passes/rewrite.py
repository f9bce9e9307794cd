"""What passes share: editing a copy of a graph, substituting values, reading constants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from py_edge.graph import Graph, Node, Spec
from py_edge.tensor import Tensor


def substitute(graph: Graph, instead: Mapping[int, int]) -> None:
    """Everywhere read instead[v] for v; chains are followed. Changes the graph."""

    def final(value: int) -> int:
        while value in instead:
            value = instead[value]
        return value

    graph.nodes = [
        replace(node, inputs=tuple(final(v) for v in node.inputs)) if any(v in instead for v in node.inputs) else node
        for node in graph.nodes
    ]  # fmt: skip
    graph.outputs = {name: final(value) for name, value in graph.outputs.items()}
    graph.updates = {variable: final(value) for variable, value in graph.updates.items()}


def new_value(graph: Graph, spec: Spec) -> int:
    graph.specs.append(spec)
    return len(graph.specs) - 1


def new_constant(graph: Graph, tensor: Tensor) -> int:
    value = new_value(graph, Spec(tensor.shape, tensor.dtype))
    graph.constants[value] = tensor
    return value


def fixed(graph: Graph, value: int) -> Tensor | None:
    """The tensor of a constant that no training changes."""
    return None if value in graph.variables else graph.constants.get(value)


def sole_number(graph: Graph, value: int) -> float | None:
    """The number of a constant of one element."""
    tensor = fixed(graph, value)
    return tensor.flat[0] if tensor is not None and tensor.size == 1 else None


def readers(graph: Graph) -> dict[int, list[Node]]:
    """value -> the nodes that read it."""
    found: dict[int, list[Node]] = {}
    for node in graph.nodes:
        for value in set(node.inputs):
            found.setdefault(value, []).append(node)
    return found


def sole_reader(value: int, by: Mapping[int, list[Node]], uses: Mapping[int, int]) -> Node | None:
    """The one node that reads a value, once, when nothing else does."""
    return by[value][0] if uses.get(value) == 1 and value in by else None
