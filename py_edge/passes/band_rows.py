"""Expand - depthwise - project goes by bands of rows where the wide tensor between them is larger than a core's cache.

Each band is cut from the input (which costs nothing: rows are unbroken), goes through all three convolutions while it is
in the cache, and the narrow results are joined. Rows that two bands need are made twice. The same products are summed in
the same order, so the results are the same bits, and the arena needs no room for the wide tensors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from py_edge.graph import Graph, Node
from py_edge.passes.rewrite import new_value, readers, sole_reader
from py_edge.tensor import ITEM_BYTES

_CACHE_BYTES = 1 << 20
_BAND_BYTES = 3 << 18
_NO_PADDING = ((0, 0), (0, 0))

Rows = tuple[int, int]


def band_rows(graph: Graph, evaluate: object) -> Graph:
    graph = graph.copy()
    blocks = {id(block[-1]): block for block in _wide_blocks(graph)}
    inner = {id(node) for block in blocks.values() for node in block[:-1]}
    nodes: list[Node] = []
    for node in graph.nodes:
        if id(node) in blocks:
            nodes += _in_bands(graph, blocks[id(node)])
        elif id(node) not in inner:
            nodes.append(node)
    graph.nodes = nodes
    return graph


def _wide_blocks(graph: Graph) -> Iterator[list[Node]]:
    """[expand, depthwise, project] of one image, where the wide tensor leaves the cache and nothing else reads it."""
    by, makers, uses = readers(graph), graph.producers(), graph.uses()
    taken: set[int] = set()
    for depthwise in graph.nodes:
        expand = makers.get(depthwise.inputs[0]) if depthwise.op == "depthwise_conv2d" else None
        project = sole_reader(depthwise.outputs[0], by, uses)
        if expand is None or project is None or uses[expand.outputs[0]] != 1 or id(expand) in taken:
            continue
        block = [expand, depthwise, project]
        in_line = expand.op == project.op == "conv2d" and project.inputs[0] == depthwise.outputs[0]
        if in_line and _leaves_cache(graph, expand) and all(_goes_by_rows(graph, node) for node in block):
            taken.add(id(project))
            yield block


def _leaves_cache(graph: Graph, node: Node) -> bool:
    spec = graph.specs[node.outputs[0]]
    return ITEM_BYTES[spec.dtype] * spec.size > _CACHE_BYTES


def _goes_by_rows(graph: Graph, node: Node) -> bool:
    """Of one image, with no window that sees padding alone; Winograd's tiles would lie elsewhere and round otherwise."""
    rows, _, padding = _window(graph, node)
    one_image = graph.specs[node.inputs[0]].shape[0] == 1
    return one_image and max(padding) < rows and not node.attrs.get("winograd")


def _window(graph: Graph, node: Node) -> tuple[int, int, tuple[int, int]]:
    """Rows that one row of the output needs, rows between two of them, rows of padding above and below."""
    rows = (graph.specs[node.inputs[1]].shape[0] - 1) * node.attrs.get("dilations", (1, 1))[0] + 1
    return rows, node.attrs.get("strides", (1, 1))[0], node.attrs.get("padding", _NO_PADDING)[0]


def _in_bands(graph: Graph, block: list[Node]) -> list[Node]:
    _, _, width, channels = graph.specs[block[0].outputs[0]].shape
    rows, stride, _ = _window(graph, block[1])
    height = graph.specs[block[-1].outputs[0]].shape[1]
    fitting = (_BAND_BYTES // (ITEM_BYTES["float32"] * width * channels) - rows) // stride + 1
    count = -(-height // max(1, fitting))
    nodes: list[Node] = []
    parts = [
        _band(graph, block, (height * index // count, height * (index + 1) // count), nodes)
        for index in range(count)
    ]
    return [*nodes, Node("concat", tuple(parts), block[-1].outputs, {"axis": 1}, block[-1].where)]


def _band(graph: Graph, block: list[Node], rows: Rows, nodes: list[Node]) -> int:
    """Add what makes these rows of the block's output to nodes, back to the block's input; gives their value."""
    *before, node = block
    window, stride, (above, _) = _window(graph, node)
    first, last = rows[0] * stride - above, (rows[1] - 1) * stride - above + window
    wanted = max(0, first), min(last, graph.specs[node.inputs[0]].shape[1])
    x = _band(graph, before, wanted, nodes) if before else _cut(graph, node.inputs[0], wanted, nodes)
    beside = node.inputs[1:]
    if node.attrs.get("residual"):
        beside = (*beside[:-1], _cut(graph, beside[-1], rows, nodes))
    padding = ((wanted[0] - first, last - wanted[1]), node.attrs.get("padding", _NO_PADDING)[1])
    value = _rows_of(graph, node.outputs[0], rows)
    nodes.append(
        replace(node, inputs=(x, *beside), outputs=(value,), attrs={**node.attrs, "padding": padding})
    )
    return value


def _cut(graph: Graph, value: int, rows: Rows, nodes: list[Node]) -> int:
    part = _rows_of(graph, value, rows)
    attrs = {"begin": (0, rows[0], 0, 0), "size": graph.specs[part].shape}
    nodes.append(Node("slice", (value,), (part,), attrs))
    return part


def _rows_of(graph: Graph, value: int, rows: Rows) -> int:
    spec = graph.specs[value]
    return new_value(graph, replace(spec, shape=(1, rows[1] - rows[0], *spec.shape[2:])))
