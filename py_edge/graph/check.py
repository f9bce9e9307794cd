"""Does a graph hang together? Run after every pass, so that an error names the pass."""

from __future__ import annotations

from py_edge.errors import GraphError, PyEdgeError
from py_edge.graph.graph import Graph, Node
from py_edge.graph.ops import OPS


def check(graph: Graph, where: str) -> Graph:
    """Every value defined once and before its use, every op known, every shape as its rule says. Returns the graph.

    Raises GraphError naming `where` (the pass) and the node.
    """
    defined = {*graph.inputs.values(), *graph.constants}
    for node in graph.nodes:
        _check_node(graph, node, defined, where)
        defined.update(node.outputs)
    for role, values in (
        ("output", graph.outputs.values()),
        ("update", [*graph.updates, *graph.updates.values()]),
    ):
        for value in values:
            if value not in defined:
                raise GraphError(f"{role} is not made by any node", where=where, got=value)
    for value, tensor in graph.constants.items():
        if (tensor.shape, tensor.dtype) != (graph.specs[value].shape, graph.specs[value].dtype):
            raise GraphError(
                "constant and its spec differ", where=where, got=tensor.shape, want=graph.specs[value]
            )
    return graph


def _check_node(graph: Graph, node: Node, defined: set[int], where: str) -> None:
    place = f"{where}: {node.op} of {node.where or 'the graph'}"
    if node.op not in OPS:
        raise GraphError("unknown core op", where=place, got=node.op)
    if late := [value for value in node.inputs if value not in defined]:
        raise GraphError("reads a value before it is made", where=place, got=late)
    if twice := [value for value in node.outputs if value in defined]:
        raise GraphError("makes a value a second time", where=place, got=twice)
    try:
        specs = OPS[node.op].shape([graph.specs[value] for value in node.inputs], node.attrs)
    except PyEdgeError as error:
        raise GraphError(str(error), where=place) from error
    have = [graph.specs[value] for value in node.outputs]
    if specs != have:
        raise GraphError("shape rule and graph disagree", where=place, got=have, want=specs)
