"""What a short wish trains: layers by name, last ones, biases, patterns, for layers-models and graph-models."""

from __future__ import annotations

import pytest

from py_edge.errors import NotFoundError, ValueRangeError
from py_edge.train.selection import layer_of, select_weights

NAMES = [
    "conv/kernel",
    "conv/bias",
    "bn/gamma",
    "bn/beta",
    "head/kernel",
    "head/bias",
]
BIASES = {"conv/bias", "bn/beta", "head/bias"}


@pytest.mark.parametrize(
    ("wish", "wanted"),
    [
        ("last", ["head/kernel", "head/bias"]),
        (2, ["bn/gamma", "bn/beta", "head/kernel", "head/bias"]),
        ("biases", ["conv/bias", "bn/beta", "head/bias"]),
        ("conv", ["conv/kernel", "conv/bias"]),
        (["*/kernel"], ["conv/kernel", "head/kernel"]),
        ("all", NAMES),
    ],
)
def test_wishes(wish: str | int | list[str], wanted: list[str]) -> None:
    """Each wish must give exactly its weights, in the model's order."""
    assert select_weights(NAMES, wish, BIASES) == wanted


def test_layers_of_graph_models() -> None:
    """Operations at the end of a graph-model's names must not count as layers."""
    for name in (
        "MatMul/ReadVariableOp",
        "BiasAdd/ReadVariableOp",
        "Cast/ReadVariableOp",
        "convolution/merged_input",
    ):
        assert layer_of(f"StatefulPartitionedCall/m/dense_1/{name}") == "StatefulPartitionedCall/m/dense_1"
    assert layer_of("unknown_0") == "unknown_0"
    assert layer_of("lstm/lstm_cell/kernel") == "lstm/lstm_cell"


def test_wishes_that_fit_nothing() -> None:
    """No layers, no such name: errors that list what there is."""
    with pytest.raises(ValueRangeError):
        select_weights(NAMES, 0)
    with pytest.raises(NotFoundError, match="conv/kernel"):
        select_weights(NAMES, "nothing*")
