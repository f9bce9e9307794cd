"""Two constants added one after the other are added once: (x + b) + d = x + (b + d)."""

from __future__ import annotations

from dataclasses import replace

from py_edge.graph import Builder, Graph, Node
from py_edge.passes.rewrite import fixed


def merge_shifts(graph: Graph, evaluate: object) -> Graph:
    """The sum of the two constants is left to fold_constants."""
    graph = graph.copy()
    uses, makers = graph.uses(), graph.producers()
    nodes: list[Node] = []
    for node in graph.nodes:
        split = _constant_side(graph, node)
        if split is not None:
            inner = makers.get(split[0])
            below = _constant_side(graph, inner) if inner is not None and uses.get(split[0]) == 1 else None
            same = graph.specs[node.outputs[0]] == graph.specs[split[0]]
            if inner is not None and below is not None and same:
                extra = Graph(graph.specs, [], constants=graph.constants)
                total = Builder(extra).op("add", below[1], split[1])
                nodes = [other for other in nodes if other is not inner]
                nodes += extra.nodes
                node = replace(node, inputs=(below[0], total))
        nodes.append(node)
        makers.update(dict.fromkeys(node.outputs, node))
    graph.nodes = nodes
    return graph


def _constant_side(graph: Graph, node: Node) -> tuple[int, int] | None:
    """(value, fixed constant) of an addition."""
    if node.op != "add" or graph.specs[node.outputs[0]].dtype != "float32":
        return None
    for value, other in (node.inputs, node.inputs[::-1]):
        if fixed(graph, other) is not None and fixed(graph, value) is None:
            return value, other
    return None
