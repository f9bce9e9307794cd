"""Bias, residual and activation after a convolution or matmul become its epilogue: no extra walk over the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from py_edge.graph import Graph, Node
from py_edge.passes.rewrite import fixed, new_constant, new_value, readers, sole_reader

_PRODUCTS = frozenset({"conv2d", "depthwise_conv2d", "matmul"})
_ACTIVATIONS = frozenset(
    [
        "neg",
        "abs",
        "sqrt",
        "square",
        "exp",
        "tanh",
        "sigmoid",
        "softplus",
        "softsign",
        "relu",
        "relu6",
        "elu",
        "selu",
        "leaky_relu",
        "hard_sigmoid",
        "hard_swish",
        "swish",
        "gelu",
        "gelu_tanh",
        "mish",
        "erf",
    ]
)


def fuse_products(graph: Graph, evaluate: object) -> Graph:
    """attrs bias, residual, activation, alpha, residual_before_act; inputs (a, w, [bias], [residual])."""
    graph = graph.copy()
    by, uses = readers(graph), graph.uses()
    place = {id(node): index for index, node in enumerate(graph.nodes)}
    placed: dict[int, list[Node]] = {}
    swallowed: set[int] = set()
    for node in graph.nodes:
        if node.op not in _PRODUCTS or graph.specs[node.outputs[0]].dtype != "float32":
            continue
        fused, chain = _extend(graph, node, by, uses, swallowed)
        if chain:
            swallowed.update(id(each) for each in (node, *chain))
            placed.setdefault(place[id(chain[-1])], []).extend(fused)
    nodes = []
    for index, node in enumerate(graph.nodes):
        nodes += placed.get(index, [])
        if id(node) not in swallowed:
            nodes.append(node)
    graph.nodes = nodes
    return graph


def _extend(
    graph: Graph, node: Node, by: Mapping[int, list[Node]], uses: Mapping[int, int], swallowed: set[int]
) -> tuple[list[Node], list[Node]]:
    """(nodes to put in place, what they swallow): walks on while the one reader fits the epilogue."""
    attrs: dict[str, Any] = dict(node.attrs)
    bias: int | None = None
    residual: int | None = None
    chain: list[Node] = []
    before: list[Node] = []
    value = node.outputs[0]
    while (reader := sole_reader(value, by, uses)) is not None and id(reader) not in swallowed:
        if reader.op == "add" and len(reader.inputs) == 2:
            other = reader.inputs[1] if reader.inputs[0] == value else reader.inputs[0]
            if bias is None and not attrs.get("activation") and _is_vector(graph, other, value):
                bias = _flat(graph, other, before)
            elif residual is None and graph.specs[other] == graph.specs[value] and other != value:
                residual = other
                attrs["residual_before_act"] = not attrs.get("activation")
            else:
                break
        elif reader.op in _ACTIVATIONS and not attrs.get("activation"):
            if residual is not None and not attrs["residual_before_act"]:
                break
            attrs["activation"], attrs["alpha"] = reader.op, _alpha(reader)
        else:
            break
        chain.append(reader)
        value = reader.outputs[0]
    attrs["bias"], attrs["residual"] = bias is not None, residual is not None
    extra = tuple(v for v in (bias, residual) if v is not None)
    return [*before, replace(node, inputs=(*node.inputs[:2], *extra), outputs=(value,), attrs=attrs)], chain


def _alpha(node: Node) -> float | None:
    defaults = {"elu": 1.0, "leaky_relu": 0.2}
    value = node.attrs.get("alpha", defaults.get(node.op))
    return None if value is None else float(value)


def _is_vector(graph: Graph, other: int, value: int) -> bool:
    shape, out = graph.specs[other].shape, graph.specs[value].shape
    return len(shape) <= len(out) and bool(shape) and shape[-1] == out[-1] and all(d == 1 for d in shape[:-1])


def _flat(graph: Graph, other: int, before: list[Node]) -> int:
    """The bias with one axis."""
    spec = graph.specs[other]
    if len(spec.shape) == 1:
        return other
    tensor = fixed(graph, other)
    if tensor is not None:
        return new_constant(graph, tensor.reshape((spec.size,)))
    flat = new_value(graph, replace(spec, shape=(spec.size,)))
    before.append(Node("reshape", (other,), (flat,), {"shape": (spec.size,)}))
    return flat
