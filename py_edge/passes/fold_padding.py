"""Zeros padded around an image before a convolution become the convolution's own padding."""

from __future__ import annotations

from dataclasses import replace

from py_edge.graph import Graph

_WINDOWED = frozenset({"conv2d", "depthwise_conv2d"})


def fold_padding(graph: Graph, evaluate: object) -> Graph:
    graph = graph.copy()
    pads = {node.outputs[0]: node for node in graph.nodes if node.op == "pad"}
    nodes = []
    for node in graph.nodes:
        before = pads.get(node.inputs[0]) if node.op in _WINDOWED else None
        if before is not None and before.attrs.get("value", 0) == 0:
            batch, *image, channels = before.attrs["paddings"]
            if not any((*batch, *channels)):
                own = node.attrs.get("padding", ((0, 0), (0, 0)))
                joined = tuple((a + p, z + q) for (a, z), (p, q) in zip(own, image, strict=True))
                node = replace(
                    node, inputs=(before.inputs[0], *node.inputs[1:]), attrs={**node.attrs, "padding": joined}
                )
        nodes.append(node)
    graph.nodes = nodes
    return graph
