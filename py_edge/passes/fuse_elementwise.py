"""Runs of elementwise ops over one shape become one chain: the data is walked once, results stay in registers.

A node joins the chain of its readers when all of them stand in it and give the same shape. The register machine of the
kernel has 16 registers; a chain that would need more is not made longer.
"""

from __future__ import annotations

from typing import Any

from py_edge.graph import Graph, Node
from py_edge.graph.ops import OPS
from py_edge.passes.rewrite import sole_number

_REGISTERS = 16
_LONGEST = 48
Row = tuple[str, str, tuple[int, ...], dict[str, Any]]


def fuse_elementwise(graph: Graph, evaluate: object) -> Graph:
    """attrs of the fused op: code (op, dtype of its operands, operands, attrs) each; results; outputs."""
    graph = graph.copy()
    uses, makers = graph.uses(), graph.producers()
    order = {id(node): index for index, node in enumerate(graph.nodes)}
    group: dict[int, list[Node]] = {}
    for node in graph.nodes:
        if not _plain(node) or not _kernel_knows(graph, node):
            continue
        members = [node]
        asked = list(dict.fromkeys(node.inputs))
        while asked:
            value = asked.pop(0)
            maker = makers.get(value)
            joined = group.get(id(maker)) if maker is not None else None
            if joined is None or uses[value] != sum(n.inputs.count(value) for n in members):
                continue
            if graph.specs[value].shape != graph.specs[node.outputs[0]].shape:
                continue
            tried = sorted([*joined, *members], key=lambda n: order[id(n)])
            if len(tried) <= _LONGEST and _pressure(graph, tried) <= _REGISTERS:
                del group[id(maker)]
                members = tried
                asked += [v for each in joined for v in each.inputs if v not in asked]
        group[id(node)] = members
    gone = {id(n): last for last, members in group.items() if len(members) > 1 for n in members}
    nodes = []
    for node in graph.nodes:
        if id(node) not in gone:
            nodes.append(node)
        elif gone[id(node)] == id(node):
            nodes.append(_chain(graph, group[id(node)]))
    graph.nodes = nodes
    return graph


def _plain(node: Node) -> bool:
    return OPS[node.op].kernel == "elementwise" and node.op != "elementwise"


def _kernel_knows(graph: Graph, node: Node) -> bool:
    """Chains hold numbers and truth values of the kernels only."""
    return all(graph.specs[v].dtype in ("float32", "int32", "bool") for v in (*node.inputs, *node.outputs))


def _chain(graph: Graph, members: list[Node]) -> Node:
    made = {node.outputs[0] for node in members}
    inputs = list(dict.fromkeys(v for node in members for v in node.inputs if v not in made))
    number = {value: index for index, value in enumerate(inputs)}
    code: list[Row] = []
    for index, node in enumerate(members):
        operands = tuple(number[v] for v in node.inputs)
        code.append((node.op, graph.specs[node.inputs[-1]].dtype, operands, dict(node.attrs)))
        number[node.outputs[0]] = len(inputs) + index
    last = members[-1]
    attrs = {
        "code": tuple(code),
        "results": (number[last.outputs[0]],),
        "outputs": (graph.specs[last.outputs[0]],),
    }
    return Node("elementwise", tuple(inputs), last.outputs, attrs, last.where)


def _pressure(graph: Graph, members: list[Node]) -> int:
    """Registers that the chain needs: inputs are loaded at the start, numbers at their first use."""
    made = {node.outputs[0] for node in members}
    outside = {v for node in members for v in node.inputs if v not in made}
    numbers = {v for v in outside if sole_number(graph, v) is not None}
    last: dict[int, int] = {}
    for at, node in enumerate(members):
        for value in node.inputs:
            last[value] = at
    live = set(outside - numbers)
    most = len(live)
    for at, node in enumerate(members):
        live.update(node.inputs)
        most = max(most, len(live))
        live = {v for v in live if last.get(v, -1) > at}
        live.add(node.outputs[0])
        most = max(most, len(live))
    return most
