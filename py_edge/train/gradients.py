"""Reverse-mode gradients, graph → graph: one row per differentiable core op, pruned to what is asked for.

The table `GRADIENTS` has a row for every op whose `gradient` is true in graph/ops.py. A row gets a `Call` and returns one
gradient per input, None where none is wanted or the op is flat. Second derivatives work where the rows close.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from py_edge.errors import UnsupportedError
from py_edge.graph import Builder, Node
from py_edge.train.gradient_control import cond_row, scan_row
from py_edge.train.gradient_elementwise import BINARY, UNARY, binary_row, cast_row, select_row, unary_row
from py_edge.train.gradient_movement import MOVEMENT
from py_edge.train.gradient_products import PRODUCTS
from py_edge.train.gradient_row import Call, Row, widen

GRADIENTS: dict[str, Row] = {
    **{name: unary_row(rule) for name, rule in UNARY.items()},
    **{name: binary_row(rule) for name, rule in BINARY.items()},
    "select": select_row,
    "cast": cast_row,
    **PRODUCTS,
    **MOVEMENT,
    "scan": scan_row,
    "cond": cond_row,
}


def gradients(
    b: Builder, of: int, wrt: Iterable[int], *, seed: int | None = None, within: Sequence[Node] | None = None
) -> dict[int, int]:
    """Add the nodes that compute d of / d w for each w of `wrt`; returns w -> id of its gradient, shape of w.

    of: a value, usually the loss (). seed: the gradient that flows into `of`, shape of `of`; default ones.
    A w that `of` does not depend on (or only through flat ops) is absent. Raises UnsupportedError: the way leads
    through an op without a gradient.
    """
    return flow_back(b, {of: b.scalar(1.0) if seed is None else seed}, wrt, within=within)


def flow_back(
    b: Builder, seeds: dict[int, int], wrt: Iterable[int], *, within: Sequence[Node] | None = None
) -> dict[int, int]:
    """Gradients of sum over (value, its incoming gradient) of `seeds`; the general form of `gradients`."""
    wanted = set(wrt)
    nodes = list(b.graph.nodes if within is None else within)
    live = _depending_on(b, nodes, wanted)
    flowing: dict[int, int] = dict(seeds)
    for node in reversed(nodes):
        dys = [flowing.get(output) for output in node.outputs]
        if not any(value is not None for value in dys) or not any(output in live for output in node.outputs):
            continue
        call = Call(b, node, dys, tuple(value in live for value in node.inputs), flow_back)
        for value, gradient in zip(node.inputs, _row(node)(call), strict=True):
            if gradient is not None and value in live:
                flowing[value] = b.add(flowing[value], gradient) if value in flowing else gradient
    return {value: widen(b, flowing[value], b.shape(value)) for value in wanted if value in flowing}


def _row(node: Node) -> Row:
    if node.op not in GRADIENTS:
        raise UnsupportedError(
            f"no gradient flows through {node.op}", where=node.where, remedy="train only what comes after it"
        )
    return GRADIENTS[node.op]


def _depending_on(b: Builder, nodes: Sequence[Node], wanted: set[int]) -> set[int]:
    """Float values through which `of` may depend on `wanted`."""
    live = set(wanted)
    for node in nodes:
        if any(value in live for value in node.inputs):
            live.update(output for output in node.outputs if b.dtype(output) == "float32")
    return live
