"""Movements that move nothing, and movements of movements."""

from __future__ import annotations

from dataclasses import replace

from py_edge.graph import Graph, Node
from py_edge.passes.rewrite import sole_number, substitute


def simplify(graph: Graph, evaluate: object) -> Graph:
    """Drop no-ops; a reshape of a reshape is one; two transposes are one; moving axes of size 1 is a reshape."""
    graph = graph.copy()
    instead: dict[int, int] = {}
    makers: dict[int, Node] = {}
    kept: list[Node] = []
    for original in graph.nodes:
        node = replace(original, inputs=tuple(instead.get(v, v) for v in original.inputs))
        node = _merged(graph, node, makers)
        same = _same_as(graph, node)
        if same is not None:
            instead[node.outputs[0]] = instead.get(same, same)
            continue
        kept.append(node)
        makers.update(dict.fromkeys(node.outputs, node))
    graph.nodes = kept
    substitute(graph, instead)
    return graph


def _merged(graph: Graph, node: Node, makers: dict[int, Node]) -> Node:
    if node.op == "transpose":
        shape = graph.specs[node.inputs[0]].shape
        moved = [axis for axis in node.attrs["perm"] if shape[axis] != 1]
        if moved == sorted(moved):
            node = replace(node, op="reshape", attrs={"shape": graph.specs[node.outputs[0]].shape})
    before = makers.get(node.inputs[0]) if node.inputs else None
    if before is None or before.op != node.op:
        return node
    if node.op == "reshape":
        return replace(node, inputs=before.inputs)
    if node.op == "transpose":
        return replace(
            node,
            inputs=before.inputs,
            attrs={"perm": tuple(before.attrs["perm"][i] for i in node.attrs["perm"])},
        )
    return node


def _same_as(graph: Graph, node: Node) -> int | None:
    """The input that the node only repeats."""
    if len(node.outputs) != 1 or not node.inputs:
        return None
    spec, first = graph.specs[node.outputs[0]], graph.specs[node.inputs[0]]
    x = node.inputs[0]
    if node.op in ("reshape", "broadcast_to") and spec == first:
        return x
    if node.op == "cast" and spec == first:
        return x
    if node.op == "concat" and len(node.inputs) == 1:
        return x
    if node.op == "pad" and spec == first:
        return x
    if node.op == "slice" and spec == first and all(s == 1 for s in node.attrs.get("strides") or (1,)):
        return x
    if node.op in ("add", "sub", "mul", "div") and spec == first:
        return (
            x if sole_number(graph, node.inputs[1]) == (0.0 if node.op in ("add", "sub") else 1.0) else None
        )
    return None
