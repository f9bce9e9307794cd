"""A per-channel factor after a product goes into its weights: (x * w + b) * c + d = x * (w c) + (b c + d).

Batch normalisation at inference is such a factor and a shift. Letters: O output channels, C input, M multiplier.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from py_edge.graph import Builder, Graph, Node
from py_edge.passes.rewrite import fixed, readers, sole_reader, substitute
from py_edge.tensor import count

_PRODUCTS = frozenset({"conv2d", "depthwise_conv2d", "matmul"})


def fold_batch_norm(graph: Graph, evaluate: object) -> Graph:
    """Only where weights and factors are fixed constants; the new weights are left to fold_constants."""
    graph = graph.copy()
    ends = readers(graph), graph.uses()
    for node in list(graph.nodes):
        if node.op in _PRODUCTS and not _tail(node) and fixed(graph, node.inputs[1]) is not None:
            while (found := _follow(graph, node, *ends)) is not None:
                node, ends = _scale(graph, *found), (readers(graph), graph.uses())
    return graph


def _tail(node: Node) -> bool:
    return any(node.attrs.get(key) for key in ("bias", "residual", "activation"))


def _follow(
    graph: Graph, product: Node, by: Mapping[int, list[Node]], uses: Mapping[int, int]
) -> tuple[Node, list[Node], Node, int] | None:
    """From the product on, over additions of constants, to a factor: (product, additions, mul, factor)."""
    value, shifts = product.outputs[0], list[Node]()
    reader = sole_reader(value, by, uses)
    while (
        reader is not None
        and reader.op in ("add", "sub")
        and _vector(graph, reader, value, product) is not None
    ):
        if reader.op == "sub" and reader.inputs[0] != value:
            break
        shifts.append(reader)
        value = reader.outputs[0]
        reader = sole_reader(value, by, uses)
    if reader is None or reader.op != "mul":
        return None
    factor = _vector(graph, reader, value, product)
    return None if factor is None else (product, shifts, reader, factor)


def _vector(graph: Graph, node: Node, value: int, product: Node) -> int | None:
    """The other operand, when it is a fixed constant along the last axis (or one number)."""
    if len(node.inputs) != 2:
        return None
    other = node.inputs[1] if node.inputs[0] == value else node.inputs[0]
    shape, out = graph.specs[other].shape, graph.specs[product.outputs[0]].shape
    plain = (
        all(d == 1 for d in shape[:-1])
        and len(shape) <= len(out)
        and (not shape or shape[-1] in (1, out[-1]))
    )
    return other if plain and fixed(graph, other) is not None and other != value else None


def _scale(graph: Graph, product: Node, shifts: list[Node], mul: Node, factor: int) -> Node:
    """product and shifts times the factor, in place of mul; returns the new product."""
    at = graph.nodes.index(product)
    extra = Graph(graph.specs, [], constants=graph.constants)
    b = Builder(extra)
    b.where = product.where
    flat = b.op("reshape", factor, shape=(b.spec(factor).size,))
    weights = b.op("mul", product.inputs[1], _against_weights(b, graph, product, flat))
    scaled = replace(product, inputs=(product.inputs[0], weights, *product.inputs[2:]))
    moved: dict[int, Node] = {}
    for shift in shifts:
        other = next(v for v in shift.inputs if fixed(graph, v) is not None and v not in graph.producers())
        pushed = b.op("mul", other, flat)
        moved[id(shift)] = replace(shift, inputs=tuple(pushed if v == other else v for v in shift.inputs))
    graph.nodes[at] = scaled
    graph.nodes = [moved.get(id(node), node) for node in graph.nodes if node is not mul]
    graph.nodes[at:at] = extra.nodes
    substitute(graph, {mul.outputs[0]: shifts[-1].outputs[0] if shifts else product.outputs[0]})
    return scaled


def _against_weights(b: Builder, graph: Graph, product: Node, flat: int) -> int:
    """The factor shaped so that it multiplies the right axis of the weights."""
    shape = graph.specs[product.inputs[1]].shape
    if b.spec(flat).size == 1:
        return flat
    if product.op == "depthwise_conv2d":
        return b.op("reshape", flat, shape=shape[2:])
    if product.op == "matmul" and product.attrs.get("transpose_b"):
        return b.op("reshape", flat, shape=(count(b.shape(flat)), 1))
    return flat
