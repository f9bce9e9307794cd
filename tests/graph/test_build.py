"""The builder infers shapes at once and refuses what does not fit, naming the place."""

from __future__ import annotations

import pytest

from py_edge.errors import GraphError, ShapeError
from py_edge.graph import Builder, Spec
from py_edge.graph.check import check
from py_edge.graph.graph import Node
from py_edge.graph.shapes import same_padding, window
from py_edge.graph.show import show
from py_edge.tensor import Tensor


def small() -> Builder:
    b = Builder()
    x = b.input("x", (2, 3))
    b.output("y", b.relu(b.add(b.matmul(x, b.variable("w", Tensor.zeros((3, 4)))), 1.0)))
    return b


def test_shapes_are_known_at_once() -> None:
    """Every call tells the shape of its result; a float becomes a constant."""
    b = small()

    assert b.spec(b.graph.outputs["y"]) == Spec((2, 4), "float32")
    assert len(b.graph.constants) == 2


def test_a_weight_is_one_value_however_often_it_is_asked_for() -> None:
    """Shared layers share their weights."""
    b = Builder()

    assert b.variable("w", Tensor.zeros((1,))) == b.variable("w", Tensor.zeros((1,)))


def test_a_wrong_shape_names_the_layer() -> None:
    """The error of a shape rule carries the layer being lowered."""
    b = Builder()
    b.where = "layer 'dense'"

    with pytest.raises(ShapeError, match="layer 'dense'"):
        b.matmul(b.input("x", (2, 3)), b.input("y", (4, 5)))


def test_check_names_the_pass_that_broke_the_graph() -> None:
    """A value read before it is made, a second definition, an op that does not exist: each is found."""
    spec = Spec((2, 3))
    for node in (Node("relu", (99,), (0,)), Node("relu", (0,), (0,)), Node("wish", (0,), (1,))):
        graph = small().graph.copy()
        graph.specs += [spec] * 100
        graph.nodes.insert(0, node)
        with pytest.raises(GraphError, match="pass one"):
            check(graph, "pass one")


def test_show_is_a_line_a_node() -> None:
    """The picture in text names inputs, weights, shapes and outputs."""
    text = show(check(small().graph, "test"))

    assert "matmul(%0, @w)" in text
    assert text.splitlines()[-1].startswith("output y")


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pads"),
    [(5, 3, 1, (1, 1)), (5, 3, 2, (1, 1)), (6, 3, 2, (0, 1)), (4, 1, 2, (0, 0))],
)
def test_same_padding_is_tensorflows(size: int, kernel: int, stride: int, pads: tuple[int, int]) -> None:
    """SAME gives ceil(size / stride) windows, the odd element of padding at the end."""
    assert same_padding(size, kernel, stride) == pads
    assert window(size, kernel, stride, 1, pads) == -(-size // stride)
