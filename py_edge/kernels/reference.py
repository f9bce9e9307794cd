"""The slow truth: every row of the op table in numpy, float64 where the engine computes in float32.

`evaluate(graph, inputs)` runs a graph; `OPS[name](inputs, attrs)` one op, and `apply` one of the table or element by
element. The C kernels, the gradients and the passes are measured against this. Not loaded in the browser. The functions
are in reference_elementwise, _rows, _windows, _moves and _random.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from py_edge.errors import GraphError, KernelError
from py_edge.graph.graph import Graph, Node
from py_edge.kernels import reference_moves as moves
from py_edge.kernels import reference_rows as rows
from py_edge.kernels import reference_windows as windows
from py_edge.kernels.reference_elementwise import TYPES, Array, Attrs, adam, chain, elementwise
from py_edge.kernels.reference_random import random

Host = Callable[[Attrs, list[Array]], list[Array]]


def _one(function: Callable[..., Array]) -> Callable[[Sequence[Array], Attrs], list[Array]]:
    return lambda inputs, attrs: [function(*inputs, attrs)]


OPS: dict[str, Callable[[Sequence[Array], Attrs], list[Array]]] = {
    "elementwise": chain,
    "matmul": lambda i, a: [rows.matmul(i, a)],
    "conv2d": lambda i, a: [rows.finish(windows.conv2d(i[0], i[1], a), i[2:], a)],
    "depthwise_conv2d": lambda i, a: [rows.finish(windows.depthwise_conv2d(i[0], i[1], a), i[2:], a)],
    "conv2d_input_grad": _one(windows.conv2d_input_grad),
    "conv2d_filter_grad": _one(windows.conv2d_filter_grad),
    "depthwise_conv2d_input_grad": _one(windows.depthwise_conv2d_input_grad),
    "depthwise_conv2d_filter_grad": _one(windows.depthwise_conv2d_filter_grad),
    "pool2d": _one(windows.pool2d),
    "pool2d_grad": _one(windows.pool2d_grad),
    "reduce": _one(rows.reduce),
    "arg_reduce": _one(rows.arg_reduce),
    "cumulate": _one(rows.cumulate),
    "softmax": lambda i, a: [rows.softmax(i[0], False)],
    "log_softmax": lambda i, a: [rows.softmax(i[0], True)],
    "normalize": lambda i, a: [rows.normalize(i, a)],
    "top_k": lambda i, a: rows.top_k(i[0], a),
    "reshape": lambda i, a: [i[0].reshape(a["shape"])],
    "transpose": lambda i, a: [np.transpose(i[0], a["perm"])],
    "slice": _one(moves.slice_),
    "pad": lambda i, a: [np.pad(i[0], a["paddings"], constant_values=a.get("value", 0))],
    "concat": lambda i, a: [np.concatenate(list(i), a["axis"])],
    "broadcast_to": lambda i, a: [np.broadcast_to(i[0], a["shape"])],
    "gather": _one(moves.gather),
    "scatter_add": _one(moves.scatter_add),
    "resize": _one(windows.resize),
    "resize_grad": _one(windows.resize_grad),
    "random": _one(random),
    "adam": lambda i, a: adam(i, a),
    "scan": lambda i, a: scan(i, a),
    "cond": lambda i, a: _call(a["then_branch"] if bool(i[0]) else a["else_branch"], list(i[1:])),
    "while": lambda i, a: loop(i, a),
}


def _call(body: Graph, arguments: Sequence[Array]) -> list[Array]:
    """Run a subgraph, inputs and outputs in dict order."""
    outputs = evaluate(body, dict(zip(body.inputs, arguments, strict=True)))
    return list(outputs.values())


def scan(inputs: Sequence[Array], attrs: Attrs) -> list[Array]:
    """Last carries, then the rows stacked; see graph/shapes.scan."""
    n_scan, n_carry, length = attrs["n_scan"], attrs["n_carry"], attrs["length"]
    carries, fixed = list(inputs[n_scan : n_scan + n_carry]), list(inputs[n_scan + n_carry :])
    specs = [attrs["body"].specs[value] for value in list(attrs["body"].outputs.values())[n_carry:]]
    stacked = [np.zeros((length, *spec.shape), TYPES[spec.dtype]) for spec in specs]
    for t in reversed(range(length)) if attrs.get("reverse") else range(length):
        results = _call(attrs["body"], [*(x[t] for x in inputs[:n_scan]), *carries, *fixed])
        carries = results[:n_carry]
        for row, result in zip(stacked, results[n_carry:], strict=True):
            row[t] = result
    return [*carries, *stacked]


def loop(inputs: Sequence[Array], attrs: Attrs, max_steps: int = 1_000_000) -> list[Array]:
    """while: carries, changed by body as long as cond says so."""
    carries, fixed = list(inputs[: attrs["n_carry"]]), list(inputs[attrs["n_carry"] :])
    for _ in range(max_steps):
        if not bool(_call(attrs["cond"], [*carries, *fixed])[0]):
            return carries
        carries = _call(attrs["body"], [*carries, *fixed])
    raise KernelError("a loop does not end", where="while", got=max_steps)


def apply(op: str, inputs: Sequence[Array], attrs: Attrs, host: Host | None = None) -> list[Array]:
    """One op. inputs: float64, int32 or bool arrays. `host(attrs, inputs)` runs host steps."""
    with np.errstate(all="ignore"):
        if op in OPS:
            return OPS[op](inputs, attrs)
        if op != "host":
            return [np.asarray(elementwise(op, inputs, attrs))]
    if host is None:
        raise GraphError("host steps need a host function", where="reference", got=attrs.get("function"))
    return host(attrs, list(inputs))


def evaluate_values(
    graph: Graph,
    inputs: Mapping[str, Any],
    variables: Mapping[str, Any] | None = None,
    host: Host | None = None,
) -> dict[int, Array]:
    """Every value of the graph by id; variables: weight name -> array, instead of the graph's own."""
    values: dict[int, Array] = {}
    for value, tensor in graph.constants.items():
        data = (variables or {}).get(graph.variables.get(value, ""), np.asarray(tensor))
        values[value] = np.asarray(data).astype(TYPES[tensor.dtype]).reshape(tensor.shape)
    for name, value in graph.inputs.items():
        spec = graph.specs[value]
        values[value] = np.asarray(inputs[name]).astype(TYPES[spec.dtype]).reshape(spec.shape)
    for node in graph.nodes:
        values.update(_evaluate_node(graph, node, values, host))
    return values


def _evaluate_node(
    graph: Graph, node: Node, values: Mapping[int, Array], host: Host | None
) -> dict[int, Array]:
    results = apply(node.op, [values[i] for i in node.inputs], node.attrs, host)
    typed = {}
    for value, result in zip(node.outputs, results, strict=True):
        spec = graph.specs[value]
        if node.op != "host" and result.shape != spec.shape:
            raise GraphError(
                "the truth has another shape", where=node.where or node.op, got=result.shape, want=spec.shape
            )
        typed[value] = result.astype(TYPES[spec.dtype])
    return typed


def evaluate(
    graph: Graph,
    inputs: Mapping[str, Any],
    variables: Mapping[str, Any] | None = None,
    host: Host | None = None,
) -> dict[str, Array]:
    """name -> output array; float32 values come back as float64, so finite differences are possible."""
    values = evaluate_values(graph, inputs, variables, host)
    return {name: values[value] for name, value in graph.outputs.items()}
