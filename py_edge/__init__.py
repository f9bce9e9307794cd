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
    from py_edge.train.estimator import EdgeClassifier as EdgeClassifier
    from py_edge.train.estimator import EdgeRegressor as EdgeRegressor
    from py_edge.train.finetune import finetune
    from py_edge.train.heads import EdgeFeatures as EdgeFeatures
    from py_edge.train.heads import fit_head as fit_head
    from py_edge.train.keras_like import KerasLike

__version__ = "0.1.0"
__all__ = [  # without what needs scikit-learn, so that a star asks for nothing
    "Decision",
    "Graph",
    "KerasLike",
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
    "Decision": "confidence", "EdgeClassifier": "train.estimator", "EdgeFeatures": "train.heads",
    "EdgeRegressor": "train.estimator", "Graph": "graph", "KerasLike": "train.keras_like", "Model": "model", "Plan": "plan",
    "PyEdgeError": "errors", "Run": "plan", "Tensor": "tensor", "certify": "confidence", "decide": "confidence",
    "finetune": "train.finetune", "fit_head": "train.heads", "fit_temperature": "confidence", "load_model": "model",
}  # fmt: skip
_NEED_SKLEARN = {"train.estimator", "train.heads"}
"""Without scikit-learn their names are not listed, and asking for one says what to install."""


def __dir__() -> list[str]:
    """What tab completion and `help(py_edge)` show: the public names that can be had here."""
    from importlib.util import find_spec

    return [name for name in sorted(_HOMES) if _HOMES[name] not in _NEED_SKLEARN or find_spec("sklearn")]


def __getattr__(name: str) -> Any:
    """Public names are loaded when first used, so that `import py_edge` and `py-edge --help` cost nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'py_edge' has no attribute '{name}'")
    from importlib import import_module

    try:
        value = getattr(import_module(f"py_edge.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        from py_edge.errors import EnvironmentProblem

        remedy = "pip install 'py_edge[sklearn]'"
        raise EnvironmentProblem(f"{error.name} is not installed", where=name, remedy=remedy) from error
    globals()[name] = value
    return value
