"""The engine that these tests run models with: all passes, then the native kernels."""

from __future__ import annotations

from collections.abc import Mapping

from py_edge.graph import Graph
from py_edge.kernels.load import library
from py_edge.passes import optimize
from py_edge.plan.compile import compile_graph
from py_edge.plan.run import Run
from py_edge.tensor import Tensor


def constants(graph: Graph) -> Mapping[str, Tensor]:
    """Values of a graph without inputs."""
    return Run(compile_graph(graph, library().panel), library())({})


def compiled(graph: Graph) -> Run:
    """A graph optimised for inference and compiled."""
    return Run(compile_graph(optimize(graph, constants), library().panel), library())
