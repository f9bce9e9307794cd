"""Layer normalisation over the last axis, spelled out in nine ops, becomes one."""

from __future__ import annotations

from collections.abc import Mapping

from py_edge.graph import Graph, Node
from py_edge.graph.ops import OPS
from py_edge.passes.rewrite import fixed, new_constant, readers, sole_number, sole_reader


def fuse_normalize(graph: Graph, evaluate: object) -> Graph:
    """(x - mean) * rsqrt(mean of squares of the same + epsilon) [* scale] [+ offset], each over the last axis.

    Or from moments, as TensorFlow's batch_normalization writes it: x * factor + (offset - mean * factor).
    """
    if "normalize" not in OPS:
        return graph
    graph = graph.copy()
    makers, by, uses = graph.producers(), readers(graph), graph.uses()
    gone: set[int] = set()
    instead: dict[int, Node] = {}
    for node in graph.nodes:
        moments = _match_moments(graph, node, makers)
        if moments is not None:
            gone.add(id(node))
            instead[id(node)] = moments
            continue
        found = _match(graph, node, makers)
        if found is None or id(node) in gone:
            continue
        x, epsilon = found
        value, extra, chain = node.outputs[0], list[int](), list[Node]()
        for op, key in (("mul", "scale"), ("add", "offset")):
            reader = sole_reader(value, by, uses)
            other = _vector(graph, reader, value) if reader is not None and reader.op == op else None
            if reader is None or other is None:
                continue
            extra.append(other)
            chain.append(reader)
            value = reader.outputs[0]
            epsilon = {**epsilon, key: True}
        gone.update(id(each) for each in (node, *chain))
        instead[id(chain[-1] if chain else node)] = Node(
            "normalize", (x, *extra), (value,), {"rms": False, **epsilon}, node.where
        )
    graph.nodes = [
        instead.get(id(node), node) for node in graph.nodes if id(node) not in gone or id(node) in instead
    ]
    return graph


def _match(
    graph: Graph, node: Node, makers: Mapping[int, Node]
) -> tuple[int, dict[str, float | bool]] | None:
    if node.op != "mul":
        return None
    for centred, factor in (node.inputs, node.inputs[::-1]):
        root, sub = makers.get(factor), makers.get(centred)
        if root is None or sub is None or root.op != "rsqrt" or sub.op != "sub":
            continue
        total = makers.get(root.inputs[0])
        if total is None or total.op != "add":
            continue
        epsilon = sole_number(graph, total.inputs[1])
        variance = makers.get(total.inputs[0])
        if epsilon is None or variance is None or not _mean_of_last(graph, variance):
            continue
        square = makers.get(variance.inputs[0])
        mean = makers.get(sub.inputs[1])
        if square is None or square.op != "square" or square.inputs[0] != centred or mean is None:
            continue
        if _mean_of_last(graph, mean) and mean.inputs[0] == sub.inputs[0]:
            return sub.inputs[0], {"epsilon": epsilon}
    return None


def _match_moments(graph: Graph, node: Node, makers: Mapping[int, Node]) -> Node | None:
    """The node for x * factor + (offset - mean * factor), factor = rsqrt(variance + epsilon) * scale."""
    if node.op != "add":
        return None
    for scaled, shift in (node.inputs, node.inputs[::-1]):
        product, sub = makers.get(scaled), makers.get(shift)
        if product is None or sub is None or product.op != "mul" or sub.op != "sub":
            continue
        drift = makers.get(sub.inputs[1])
        offset = _flat(graph, sub.inputs[0], graph.specs[node.outputs[0]].shape[-1:])
        if drift is None or drift.op != "mul" or offset is None:
            continue
        for x, factor in (product.inputs, product.inputs[::-1]):
            if factor not in drift.inputs:
                continue
            mean = makers.get(drift.inputs[drift.inputs[0] == factor])
            found = _moments_factor(graph, x, factor, mean, makers)
            if found is not None and graph.specs[x] == graph.specs[node.outputs[0]]:
                scale, epsilon = found
                attrs = {"epsilon": epsilon, "scale": True, "offset": True, "rms": False}
                return Node("normalize", (x, scale, offset), node.outputs, attrs, node.where)
    return None


def _moments_factor(
    graph: Graph, x: int, factor: int, mean: Node | None, makers: Mapping[int, Node]
) -> tuple[int, float] | None:
    """(scale, epsilon) when factor is rsqrt(mean of (x - mean)^2 + epsilon) * scale."""
    if mean is None or not _mean_of_last(graph, mean) or mean.inputs[0] != x:
        return None
    made = makers.get(factor)
    if made is None or made.op != "mul":
        return None
    for value, other in (made.inputs, made.inputs[::-1]):
        root, scale = makers.get(value), _flat(graph, other, graph.specs[x].shape[-1:])
        total = makers.get(root.inputs[0]) if root is not None and root.op == "rsqrt" else None
        if total is None or total.op != "add" or scale is None:
            continue
        epsilon, variance = sole_number(graph, total.inputs[1]), makers.get(total.inputs[0])
        if epsilon is None or variance is None or not _mean_of_last(graph, variance):
            continue
        square = makers.get(variance.inputs[0])
        if (
            square is not None
            and square.op == "squared_difference"
            and set(square.inputs) == {x, *mean.outputs}
        ):
            return scale, epsilon
    return None


def _mean_of_last(graph: Graph, node: Node) -> bool:
    rank = len(graph.specs[node.inputs[0]].shape)
    own = node.op == "reduce" and node.attrs["kind"] == "mean" and bool(node.attrs.get("keepdims"))
    return own and [axis % rank for axis in node.attrs["axes"]] == [rank - 1]


def _vector(graph: Graph, node: Node, value: int) -> int | None:
    """The other operand as a vector along the last axis."""
    other = node.inputs[1] if node.inputs[0] == value else node.inputs[0]
    return None if other == value else _flat(graph, other, graph.specs[value].shape[-1:])


def _flat(graph: Graph, value: int, wanted: tuple[int, ...]) -> int | None:
    """A vector of that shape; a constant with leading ones is flattened."""
    shape = graph.specs[value].shape
    if shape[-1:] != wanted or any(d != 1 for d in shape[:-1]):
        return None
    if len(shape) == 1:
        return value
    tensor = fixed(graph, value)
    return new_constant(graph, tensor.reshape(wanted)) if tensor is not None else None
