"""What a weight does, told by the operations that read it: names differ between formats and writers, the graph does not."""

from __future__ import annotations

from collections.abc import Iterator

from py_edge.graph import Graph

PRODUCTS = frozenset({"matmul", "conv2d", "conv2d_input_grad"})
_MOVES = ("reshape", "transpose", "slice", "broadcast_to")


def reading_ops(graph: Graph, value: int) -> Iterator[str]:
    """The operations that read the value, as it is, moved, or in the body of a scan; "" for one that reads nothing else but
    constants, such as the variance and its epsilon."""
    for node in graph.nodes:
        for place, read in enumerate(node.inputs):
            if read != value:
                continue
            if node.op == "scan":
                body = node.attrs["body"]
                yield from reading_ops(body, list(body.inputs.values())[place])
            elif node.op in _MOVES:
                yield from reading_ops(graph, node.outputs[0])
            else:
                others = [other for other in node.inputs if other != value]
                yield "" if others and all(other in graph.constants for other in others) else node.op


def multiplies(graph: Graph, value: int) -> bool:
    """Whether a product reads it: kernels of dense, attention, convolutional and recurrent layers."""
    return not PRODUCTS.isdisjoint(reading_ops(graph, value))


def biases(graph: Graph) -> set[str]:
    """Names of weights that are only ever added: biases, and the shifts of normalisations."""
    ops = {name: set(reading_ops(graph, value)) for value, name in graph.variables.items()}
    return {name for name, own in ops.items() if own and own <= {"add", "sub"}}
