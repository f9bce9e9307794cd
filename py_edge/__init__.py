"""Small models that run and keep learning in a web page, and ask the next node, at last a person, when unsure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from py_edge.confidence import Decision, certify, decide, fit_temperature
    from py_edge.errors import PyEdgeError
    from py_edge.graph import Graph
    from py_edge.model import Model, load_model
    from py_edge.plan import Plan, Run
    from py_edge.tensor import Tensor
    from py_edge.train.finetune import finetune

__version__ = "0.1.0"
__all__ = [
    "Decision",
    "Graph",
    "Model",
    "Plan",
    "PyEdgeError",
    "Run",
    "Tensor",
    "certify",
    "decide",
    "finetune",
    "fit_temperature",
    "load_model",
]
_HOMES = {
    "Decision": "confidence", "Graph": "graph", "Model": "model", "Plan": "plan", "PyEdgeError": "errors", "Run": "plan",
    "Tensor": "tensor", "certify": "confidence", "decide": "confidence", "finetune": "train.finetune",
    "fit_temperature": "confidence", "load_model": "model",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Public names are loaded when first used, so that `import py_edge` and `py-edge --help` cost nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'py_edge' has no attribute '{name}'")
    from importlib import import_module

    value = getattr(import_module(f"py_edge.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
