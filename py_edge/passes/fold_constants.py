"""What depends on constants only is computed once, now."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from py_edge.graph import Graph, Node
from py_edge.tensor import ITEM_BYTES, Tensor

_NEVER = frozenset({"random", "host", "while", "scan", "cond"})
_FREE_BYTES = 1 << 16


def fold_constants(graph: Graph, evaluate: Callable[[Graph], Mapping[str, Tensor]]) -> Graph:
    """One call of `evaluate` for all of it. A result much larger than what it is made of stays unmade."""
    graph = graph.copy()
    known = {value for value in graph.constants if value not in graph.variables}
    folded: list[Node] = []
    for node in graph.nodes:
        if node.op not in _NEVER and all(v in known for v in node.inputs) and _worth(graph, node):
            folded.append(node)
            known.update(node.outputs)
    if not folded:
        return graph
    gone = {id(node) for node in folded}
    graph.nodes = [node for node in graph.nodes if id(node) not in gone]
    made = {v for node in folded for v in node.outputs}
    wanted = sorted(
        made & {*graph.outputs.values(), *graph.updates.values(), *(v for n in graph.nodes for v in n.inputs)}
    )
    part = Graph(graph.specs, folded, {}, {f"v{v}": v for v in wanted}, _needed(graph, folded))
    for name, tensor in evaluate(part).items():
        value = int(name[1:])
        graph.constants[value] = Tensor.of(tensor, graph.specs[value].dtype).reshape(graph.specs[value].shape)
    return graph


def _needed(graph: Graph, nodes: list[Node]) -> dict[int, Tensor]:
    return {v: graph.constants[v] for node in nodes for v in node.inputs if v in graph.constants}


def _worth(graph: Graph, node: Node) -> bool:
    out = sum(graph.specs[v].size * ITEM_BYTES.get(graph.specs[v].dtype, 4) for v in node.outputs)
    given = sum(graph.specs[v].size * ITEM_BYTES.get(graph.specs[v].dtype, 4) for v in node.inputs)
    return out <= _FREE_BYTES or out <= 2 * given
