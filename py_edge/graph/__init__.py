"""Our intermediate representation: a graph of core ops whose shapes are all known."""

from py_edge.graph.build import Builder
from py_edge.graph.graph import Graph, Node, Spec

__all__ = ["Builder", "Graph", "Node", "Spec"]
