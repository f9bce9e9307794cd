"""Activations spelled out as products of several ops become the one op that kernels have in their epilogue.

hard_swish: x relu6(x + 3) / 6. swish: x sigmoid(x). gelu: x (1 + erf(x / sqrt 2)) / 2. Factors may stand in any order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from py_edge.graph import Graph, Node
from py_edge.passes.rewrite import sole_number

_CLOSE = 1e-6


def fuse_activations(graph: Graph, evaluate: object) -> Graph:
    """What the op no longer needs is left to remove_dead."""
    graph = graph.copy()
    makers, uses = graph.producers(), graph.uses()
    graph.nodes = [_named(graph, node, makers, uses) or node for node in graph.nodes]
    return graph


def _named(graph: Graph, node: Node, makers: Mapping[int, Node], uses: Mapping[int, int]) -> Node | None:
    if node.op not in ("mul", "div"):
        return None
    number, values = _factors(graph, node, makers, uses)
    if len(values) != 2 or any(graph.specs[v] != graph.specs[node.outputs[0]] for v in values):
        return None
    for x, other in (values, values[::-1]):
        name = _gate(graph, x, number, makers.get(other), makers)
        if name is not None:
            return Node(name, (x,), node.outputs, {}, node.where)
    return None


def _factors(
    graph: Graph, node: Node, makers: Mapping[int, Node], uses: Mapping[int, int]
) -> tuple[float, list[int]]:
    """(product of the constant numbers, the other factors) of a tree of mul and of div by a number."""
    number, values = 1.0, list[int]()
    for position, value in enumerate(node.inputs):
        constant, maker = sole_number(graph, value), makers.get(value)
        divides = node.op == "div" and position == 1
        if constant:
            number *= 1 / constant if divides else constant
        elif not divides and maker is not None and maker.op in ("mul", "div") and uses[value] == 1:
            inner, more = _factors(graph, maker, makers, uses)
            number *= inner
            values += more
        else:
            values += [value] * (3 if divides else 1)  # a division by a value is no such product
    return number, values


def _gate(graph: Graph, x: int, number: float, gate: Node | None, makers: Mapping[int, Node]) -> str | None:
    """What x number gate is called."""
    if gate is None:
        return None
    if gate.op == "sigmoid" and gate.inputs[0] == x and _is(number, 1):
        return "swish"
    if gate.op == "relu6" and _plus(graph, makers.get(gate.inputs[0]), 3) == x and _is(number, 1 / 6):
        return "hard_swish"
    error = makers.get(_plus(graph, gate, 1))
    if error is not None and error.op == "erf" and _is(number, 0.5):
        scaled = makers.get(error.inputs[0])
        if scaled is not None and scaled.op in ("mul", "div"):
            inner, values = _factors(graph, scaled, {}, {})
            if values == [x] and _is(inner, math.sqrt(0.5)):
                return "gelu"
    return None


def _plus(graph: Graph, node: Node | None, number: float) -> int:
    """The value that a node adds `number` to, -1 when it does not."""
    if node is not None and node.op == "add":
        for value, other in (node.inputs, node.inputs[::-1]):
            if sole_number(graph, other) == number:
                return value
    return -1


def _is(number: float, wanted: float) -> bool:
    return abs(number - wanted) <= _CLOSE * wanted
