"""The outside format: model.json and its shards, read with limits, lowered to the graph, written back."""

from py_edge.tfjs.load import load_model
from py_edge.tfjs.model import Model, Port
from py_edge.tfjs.new import sequential

__all__ = ["Model", "Port", "load_model", "sequential"]
