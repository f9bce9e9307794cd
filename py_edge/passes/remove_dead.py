"""Nodes whose results nobody reads go; so do constants."""

from __future__ import annotations

from py_edge.graph import Graph


def remove_dead(graph: Graph, evaluate: object) -> Graph:
    """Inputs stay, and variables that an update changes."""
    graph = graph.copy()
    alive = {*graph.outputs.values(), *graph.updates, *graph.updates.values()}
    kept = []
    for node in reversed(graph.nodes):
        if alive.intersection(node.outputs):
            alive.update(node.inputs)
            kept.append(node)
    graph.nodes = kept[::-1]
    graph.constants = {value: tensor for value, tensor in graph.constants.items() if value in alive}
    graph.variables = {value: name for value, name in graph.variables.items() if value in alive}
    return graph
