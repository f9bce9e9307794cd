"""graph -> Run on this machine's kernels: the passes, the plan, the library."""

from __future__ import annotations

from py_edge.graph import Graph
from py_edge.kernels.load import library
from py_edge.passes.pipeline import optimize
from py_edge.plan import Run, compile_graph, evaluate


def start(graph: Graph) -> Run:
    """A run of the graph, ready to be fed. Weights that no update changes are constants to the passes."""
    kernels = library()
    return Run(compile_graph(optimize(graph, lambda part: evaluate(part, kernels)), kernels.panel), kernels)
