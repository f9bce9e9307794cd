"""Cached features: what lies before the trained part is computed once per example, and training sees only the rest.

The frontier is the set of values that do not depend on trained weights but are read by nodes that do.
"""

from __future__ import annotations

from collections.abc import Collection

from py_edge.graph import Graph
from py_edge.train.step import drop_dead


def split_at_trained(graph: Graph, trained: Collection[str]) -> tuple[Graph, Graph] | None:
    """(frozen part, trained part); outputs of the first are the inputs of the second, by name, rows first.

    None where a split gains nothing or is not per row: nothing lies before, the frontier draws random numbers or
    updates statistics, or a value of it has no batch axis.
    """
    trained_ids = {value for value, name in graph.variables.items() if name in trained}
    inputs = set(graph.inputs.values())
    rows = {graph.specs[v].shape[:1] for v in inputs}
    live, early, frontier = set(trained_ids), set(inputs), dict.fromkeys(list[int]())
    for node in graph.nodes:
        if any(value in live for value in node.inputs):
            live.update(node.outputs)
        elif any(value in early for value in node.inputs):
            early.update(node.outputs)
            if node.op == "random":
                return None
    for node in graph.nodes:
        if node.outputs[0] in live:
            frontier.update(dict.fromkeys(v for v in node.inputs if v in early and v not in live))
    for value in graph.outputs.values():
        if value in early:
            return None
    if not frontier or set(frontier) <= inputs or any(graph.specs[v].shape[:1] not in rows for v in frontier):
        return None
    if any(new in early for new in graph.updates.values()):
        return None
    before, after = graph.copy(), graph.copy()
    before.nodes = [node for node in graph.nodes if node.outputs[0] not in live]
    before.outputs = {f"feature{i}": value for i, value in enumerate(frontier)}
    before.updates = {}
    after.inputs = dict(before.outputs)
    after.nodes = [node for node in graph.nodes if node.outputs[0] not in early]
    return drop_dead(before), drop_dead(after)
