"""An optimizer's update of one weight as one chain: gradient, weight and state are read once, all new values written once.

The general pass fuses towards one result; an update has several over the same elements (Adam: m, v and the weight).
"""

from __future__ import annotations

from collections.abc import Sequence

from py_edge.graph import Builder, Node
from py_edge.graph.ops import OPS


def fuse_update(b: Builder, start: int, results: Sequence[int]) -> None:
    """Replace the nodes from index `start` on, all elementwise, by one that makes `results`; other shapes are left alone.

    Their other outputs are gone afterwards.
    """
    members, shape = b.graph.nodes[start:], b.shape(results[0])
    made = {node.outputs[0] for node in members}
    plain = all(OPS[node.op].kernel == "elementwise" and node.op != "elementwise" for node in members)
    if len(members) < 2 or not plain or any(b.shape(v) != shape or v not in made for v in results):
        return
    inputs = list(dict.fromkeys(v for node in members for v in node.inputs if v not in made))
    number = {value: index for index, value in enumerate(inputs)}
    code = []
    for index, node in enumerate(members):
        operands = tuple(number[v] for v in node.inputs)
        code.append((node.op, b.dtype(node.inputs[-1]), operands, dict(node.attrs)))
        number[node.outputs[0]] = len(inputs) + index
    if _registers(inputs, code, [number[v] for v in results]) > 16:
        return
    attrs = {
        "code": tuple(code),
        "results": tuple(number[v] for v in results),
        "outputs": tuple(b.spec(v) for v in results),
    }
    b.graph.nodes[start:] = [Node("elementwise", tuple(inputs), tuple(results), attrs, members[-1].where)]


def _registers(
    inputs: Sequence[int], code: Sequence[tuple[str, str, tuple[int, ...], object]], results: Sequence[int]
) -> int:
    """The most values alive at once; inputs from the start to their last use, results to the end."""
    last = dict.fromkeys(results, len(code))
    for at, (_, _, operands, _) in enumerate(code):
        for value in operands:
            last[value] = max(last.get(value, at), at)
    live, most = set(range(len(inputs))), len(inputs)
    for at in range(len(code)):
        live.add(len(inputs) + at)
        most = max(most, len(live))
        live = {v for v in live if last.get(v, -1) > at}
    return most
