"""From a graph to a plan (steps, one arena, constants) and from a plan to a run."""

from py_edge.plan.compile import compile_graph
from py_edge.plan.plan import Plan
from py_edge.plan.run import Run, evaluate

__all__ = ["Plan", "Run", "compile_graph", "evaluate"]
