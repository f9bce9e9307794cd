"""The ordered list of passes. After each the graph is checked, so that an error names the pass.

A pass is a function (graph, evaluate) -> graph. `evaluate` computes a graph without inputs: it is handed in, because
what can compute differs (reference, native, WebAssembly) and passes stand before it in the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from py_edge.graph import Graph
from py_edge.graph.check import check
from py_edge.passes.band_rows import band_rows
from py_edge.passes.choose_winograd import choose_winograd
from py_edge.passes.common_subexpressions import merge_common
from py_edge.passes.fold_batch_norm import fold_batch_norm
from py_edge.passes.fold_constants import fold_constants
from py_edge.passes.fold_padding import fold_padding
from py_edge.passes.freeze import freeze_variables
from py_edge.passes.fuse_activations import fuse_activations
from py_edge.passes.fuse_elementwise import fuse_elementwise
from py_edge.passes.fuse_normalize import fuse_normalize
from py_edge.passes.fuse_products import fuse_products
from py_edge.passes.merge_shifts import merge_shifts
from py_edge.passes.remove_dead import remove_dead
from py_edge.passes.simplify import simplify
from py_edge.tensor import Tensor

Evaluate = Callable[[Graph], Mapping[str, Tensor]]
Pass = Callable[[Graph, Evaluate], Graph]

_CLEAN: tuple[Pass, ...] = (remove_dead, simplify, fold_constants, merge_common)
INFERENCE: tuple[Pass, ...] = (
    freeze_variables, *_CLEAN, fold_batch_norm, fold_constants, merge_shifts, fold_constants, fold_padding,
    fuse_normalize, fuse_activations, remove_dead, fuse_products, fuse_elementwise, remove_dead,
    choose_winograd, band_rows,
)  # fmt: skip
# Without what rounds differently from the plain sum.
PLAIN: tuple[Pass, ...] = tuple(each for each in INFERENCE if each is not choose_winograd)
TRAINING: tuple[Pass, ...] = (*_CLEAN, fold_padding, fuse_products, fuse_elementwise, remove_dead)


def optimize(graph: Graph, evaluate: Evaluate, passes: Sequence[Pass] = INFERENCE) -> Graph:
    """The graph after all passes, bodies of loops and branches first. Raises GraphError naming the pass."""
    graph = graph.copy()
    graph.nodes = [
        replace(node, attrs={k: optimize(v, evaluate, passes) if isinstance(v, Graph) else v for k, v in node.attrs.items()})
        if any(isinstance(v, Graph) for v in node.attrs.values()) else node
        for node in graph.nodes
    ]  # fmt: skip
    for each in passes:
        graph = check(each(graph, evaluate), each.__name__)
    return graph
