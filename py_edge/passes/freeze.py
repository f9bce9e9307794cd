"""For inference, weights are constants like any other."""

from __future__ import annotations

from py_edge.graph import Graph


def freeze_variables(graph: Graph, evaluate: object) -> Graph:
    """Variables become constants, but for those that the graph itself updates."""
    graph = graph.copy()
    graph.variables = {value: name for value, name in graph.variables.items() if value in graph.updates}
    return graph
