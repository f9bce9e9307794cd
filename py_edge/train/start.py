"""graph -> Run on this machine's kernels: the passes, the plan, the library."""

from __future__ import annotations

from py_edge.graph import Graph
from py_edge.kernels.load import library
from py_edge.plan import Run, compile_graph


def start(graph: Graph) -> Run:
    """A run of the graph, ready to be fed."""
    kernels = library()
    return Run(compile_graph(graph, kernels.panel), kernels)
