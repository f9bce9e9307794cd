"""graph -> graph: each pass makes the graph smaller or cheaper and leaves what it computes as it was."""

from py_edge.passes.pipeline import INFERENCE, PLAIN, TRAINING, optimize

__all__ = ["INFERENCE", "PLAIN", "TRAINING", "optimize"]
