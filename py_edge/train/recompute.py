"""What is cheap to compute is computed again where the way back needs it, instead of being kept through the whole step.

A batch normalisation and its relu6 leave three tensors of one size for the way back; two of them come from the third by a few
multiplications. The last pass of a training step; not one bit of its results changes. Idea: Chen et al. 2016, Training Deep
Nets with Sublinear Memory Cost, here only for nodes whose inputs are kept anyway.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise

from py_edge.graph import Graph, Node
from py_edge.tensor import ITEM_BYTES

LEAST_BYTES = 1 << 16
"""A smaller tensor may be kept."""

FAR = 24
"""Nodes between two readers from which on it pays."""

_CHEAP = (
    "pad add sub mul maximum minimum neg abs square relu relu6 leaky_relu step select cast "
    "equal not_equal less less_equal greater greater_equal logical_and logical_or logical_not"
)
CHEAP = frozenset(_CHEAP.split())


def recompute(graph: Graph, evaluate: object) -> Graph:
    """Cheap nodes with far readers are made once more before the first of these; far alone: only there."""
    if not graph.updates:
        return graph
    return _Schedule(graph.copy()).graph_with_copies()


class _Schedule:
    """nodes: by first position, None where moved away; before: copies that stand before a position; readers: positions."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[Node | None] = list(graph.nodes)
        self.before: dict[int, list[Node]] = defaultdict(list)
        self.readers: dict[int, list[int]] = defaultdict(list)
        for at, node in enumerate(graph.nodes):
            for value in dict.fromkeys(node.inputs):
                self.readers[value].append(at)
        for value in (*graph.outputs.values(), *graph.updates.values()):
            self.readers[value].append(len(graph.nodes))

    def graph_with_copies(self) -> Graph:
        """From the last node to the first, so that what a copy reads can itself be copied."""
        for at, node in reversed(list(enumerate(self.graph.nodes))):
            if _is_cheap(node) and self._bytes(node.outputs[0]) >= LEAST_BYTES:
                self._copy_for_far_readers(at, node)
        rows = [[*self.before[at], *([node] if node else [])] for at, node in enumerate(self.nodes)]
        self.graph.nodes = [node for row in rows for node in row]
        return self.graph

    def _copy_for_far_readers(self, at: int, node: Node) -> None:
        value, end = node.outputs[0], len(self.nodes)
        places = [at, *sorted(self.readers[value])]
        gaps = [b - a for a, b in pairwise(places)]
        if not gaps or max(gaps) < FAR or places[-1] == end:
            return
        split = gaps.index(max(gaps)) + 1
        near, far = places[1:split], places[split:]
        if not all(self._is_kept(source, far[0], self._bytes(value)) for source in node.inputs):
            return
        self.graph.specs.append(self.graph.specs[value])
        copy = len(self.graph.specs) - 1
        for place in far:
            reader = self.nodes[place]
            self.nodes[place] = _renamed(reader, value, copy) if reader else None
            self.before[place] = [_renamed(each, value, copy) for each in self.before[place]]
        self.before[far[0]].insert(0, replace(node, outputs=(copy,)))
        self.readers[value], self.readers[copy] = near, far
        if not near:
            self.nodes[at] = None
        for source in dict.fromkeys(node.inputs):
            own = [place for place in self.readers[source] if near or place != at]
            self.readers[source] = sorted({*own, far[0]})

    def _is_kept(self, source: int, until: int, size_bytes: int) -> bool:
        """Whether it costs nothing, or next to nothing, to have `source` at `until`."""
        fixed = source in self.graph.constants
        return fixed or max(self.readers[source]) >= until or 16 * self._bytes(source) <= size_bytes

    def _bytes(self, value: int) -> int:
        spec = self.graph.specs[value]
        return spec.size * ITEM_BYTES[spec.dtype]


def _is_cheap(node: Node) -> bool:
    ops = [row[0] for row in node.attrs["code"]] if node.op == "elementwise" else [node.op]
    return len(node.outputs) == 1 and all(op in CHEAP for op in ops)


def _renamed(node: Node, old: int, new: int) -> Node:
    return replace(node, inputs=tuple(new if value == old else value for value in node.inputs))
