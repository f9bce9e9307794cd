"""The same op on the same values is done once."""

from __future__ import annotations

from typing import Any

from py_edge.graph import Graph, Node
from py_edge.passes.rewrite import substitute

_NEVER = frozenset({"random", "host", "while", "scan", "cond"})


def merge_common(graph: Graph, evaluate: object) -> Graph:
    """Equal small constants become one, then equal nodes."""
    graph = graph.copy()
    instead: dict[int, int] = {}
    tensors: dict[Any, int] = {}
    for value, tensor in graph.constants.items():
        if value not in graph.variables and tensor.nbytes <= 1024:
            first = tensors.setdefault((tensor.tobytes(), tensor.shape, tensor.dtype), value)
            if first != value:
                instead[value] = first
    seen: dict[Any, tuple[int, ...]] = {}
    kept: list[Node] = []
    for node in graph.nodes:
        inputs = tuple(instead.get(v, v) for v in node.inputs)
        if node.op in _NEVER:
            kept.append(node)
            continue
        key = (node.op, inputs, repr(sorted(node.attrs.items())))
        first_outputs = seen.setdefault(key, node.outputs)
        if first_outputs is node.outputs:
            kept.append(node)
        else:
            instead.update(zip(node.outputs, first_outputs, strict=True))
    graph.nodes = kept
    substitute(graph, instead)
    return graph
