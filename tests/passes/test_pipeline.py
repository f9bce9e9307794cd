"""Passes leave what a graph computes as it was, and do what their names say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from py_edge.errors import GraphError
from py_edge.graph import Builder, Graph
from py_edge.kernels.reference import evaluate
from py_edge.passes import INFERENCE, TRAINING, optimize
from py_edge.tensor import Tensor
from py_edge.tfjs import load_model, sequential
from py_edge.tfjs.layers_model import LayersModel
from py_edge.tfjs.trace import DataDependent

MODELS = Path(__file__).parent.parent / "golden" / "models"
RNG = np.random.default_rng(5)
Array = np.ndarray[Any, np.dtype[Any]]


def constants(graph: Graph) -> dict[str, Tensor]:
    """A graph without inputs, computed by the slow truth."""
    return {name: Tensor.of(np.asarray(v)) for name, v in evaluate(graph, {}).items()}


def agree(before: Graph, after: Graph, inputs: dict[str, Array]) -> None:
    """Both graphs give the same outputs."""
    for name, want in evaluate(before, inputs).items():
        np.testing.assert_allclose(evaluate(after, inputs)[name], want, rtol=1e-4, atol=1e-5)


def normal(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


def ops(graph: Graph) -> list[str]:
    return [node.op for node in graph.nodes]


IN_A_SESSION = (
    "fn_dynamic__v2", "fn_switch_case__v1", "fn_table_words__v1", "hash_int__k3_h5", "int_lookup_oov3__k2_h5",
    "w_cross__k2_h5", "w_hash_salt__k2_h5", "w_lookup_invert__k3_h5", "w_lookup_oov__k3_keras", "w_text__k3_h5",
    "w_text_net__k2_h5",
)  # fmt: skip
"""Models with words, look-ups or shapes that depend on data: segments with steps in Python between them, no one graph."""


@pytest.mark.parametrize("name", IN_A_SESSION)
def test_what_depends_on_data_is_no_graph(name: str) -> None:
    """Such a model says where it depends on data; tests/tfjs/test_golden.py runs it."""
    with pytest.raises(DataDependent, match="E_UNSUPPORTED"):
        load_model(MODELS / name).graph(2)


@pytest.mark.parametrize(
    "name",
    sorted(p.name for p in MODELS.iterdir() if not p.name.endswith("saved") and p.name not in IN_A_SESSION),
)
def test_golden_models_compute_the_same(name: str) -> None:
    """All passes together change no output of any golden model."""
    model = load_model(MODELS / name)
    batch = len(np.load(MODELS / name / "inputs.npy"))  # some fit one size only
    shapes = model.full_shapes(batch)
    graph = model.graph(batch)
    inputs = {port.name: RNG.integers(0, 5, shapes[port.name]).astype(port.dtype) for port in model.inputs}
    agree(graph, optimize(graph, constants), inputs)


def test_batch_norm_and_activation_go_into_the_convolution() -> None:
    """Convolution, bias, batch normalisation and ReLU end as one node."""
    model = sequential((6, 6, 2), [
        {"class_name": "Conv2D", "filters": 4, "kernel_size": 3}, {"class_name": "BatchNormalization"},
        {"class_name": "ReLU"}, {"class_name": "DepthwiseConv2D", "kernel_size": 2}, {"class_name": "BatchNormalization"},
    ])  # fmt: skip
    values = {n: Tensor.of(np.abs(normal(*w.shape)) + 0.5) for n, w in model.weights.items()}
    graph = model.with_weights(values).graph(2)
    after = optimize(graph, constants)
    assert ops(after) == ["conv2d", "depthwise_conv2d"]
    assert after.nodes[0].attrs["activation"] == "relu"
    agree(graph, after, {"input": normal(2, 6, 6, 2)})


def test_residual_becomes_an_epilogue() -> None:
    """x w + b + r, then tanh, is one product; the residual stands before the activation."""
    b = Builder()
    x, r = b.input("x", (3, 4)), b.input("r", (3, 5))
    y = b.add(b.matmul(x, b.constant(normal(4, 5))), b.constant(normal(5)))
    b.output("y", b.tanh(b.add(y, r)))
    after = optimize(b.graph, constants)
    assert [(n.op, n.attrs["residual_before_act"]) for n in after.nodes] == [("matmul", True)]
    agree(b.graph, after, {"x": normal(3, 4), "r": normal(3, 5)})


def test_two_products_added_share_one_epilogue() -> None:
    """x w + h u: only one of the two takes the other as its residual."""
    b = Builder()
    x, h = b.input("x", (3, 4)), b.input("h", (3, 4))
    w = b.constant(normal(4, 4))
    b.output("y", b.sigmoid(b.add(b.matmul(x, w), b.matmul(h, w))))
    after = optimize(b.graph, constants)
    assert ops(after) == ["matmul", "matmul"]
    agree(b.graph, after, {"x": normal(3, 4), "h": normal(3, 4)})


def test_elementwise_chain_is_one_node() -> None:
    """A run of elementwise ops over one shape becomes one chain."""
    b = Builder()
    x, y = b.input("x", (2, 3)), b.input("y", (3,))
    z = b.select(b.greater(x, y), b.exp(b.mul(x, 0.5)), b.sub(1.0, b.square(x)))
    b.output("z", b.mul(z, b.cast(b.cast(x, dtype="int32"), dtype="float32")))
    after = optimize(b.graph, constants)
    assert ops(after) == ["elementwise"]
    agree(b.graph, after, {"x": normal(2, 3), "y": normal(3)})


def test_a_long_chain_keeps_to_the_registers() -> None:
    """Many inputs do not make a chain that the register machine cannot hold."""
    b = Builder()
    values = [b.input(f"x{i}", (4,)) for i in range(24)]
    terms = [b.tanh(value) for value in values]
    while len(terms) > 1:
        terms = [b.mul(p, q) for p, q in zip(terms[::2], terms[1::2], strict=True)] if len(terms) % 2 == 0 else [
            b.mul(terms[0], terms[1]), *terms[2:]]  # fmt: skip
    b.output("y", terms[0])
    after = optimize(b.graph, constants)
    assert all(len(node.inputs) <= 16 for node in after.nodes)
    agree(b.graph, after, {f"x{i}": normal(4) for i in range(24)})


def test_padding_goes_into_the_convolution() -> None:
    """Zeros around an image become the convolution's own padding."""
    model = sequential(
        (5, 5, 2),
        [
            {"class_name": "ZeroPadding2D", "padding": 2},
            {"class_name": "Conv2D", "filters": 3, "kernel_size": 3},
        ],
    )
    graph = model.graph(1)
    after = optimize(graph, constants)
    assert [(n.op, n.attrs["padding"]) for n in after.nodes] == [("conv2d", ((2, 2), (2, 2)))]
    agree(graph, after, {"input": normal(1, 5, 5, 2)})


def test_layer_normalisation_is_one_node() -> None:
    """Layer normalisation over the last axis becomes the normalize op."""
    model = sequential((4, 6), [{"class_name": "LayerNormalization"}])
    graph = model.graph(3)
    after = optimize(graph, constants)
    assert ops(after) == ["normalize"]
    agree(graph, after, {"input": normal(3, 4, 6)})


def test_layer_normalisation_from_moments_is_one_node() -> None:
    """x * factor + (offset - mean * factor), as TensorFlow's batch_normalization writes it, becomes the normalize op."""
    b = Builder()
    x, epsilon = b.input("x", (3, 6)), b.constant(Tensor.of(np.float32(1e-3)))
    scale, offset = (b.constant(Tensor.of(normal(6))) for _ in "so")
    mean = b.op("reduce", x, kind="mean", axes=(1,), keepdims=True)
    square = b.op("squared_difference", x, mean)
    variance = b.op("reduce", square, kind="mean", axes=(1,), keepdims=True)
    factor = b.op("mul", b.op("rsqrt", b.op("add", variance, epsilon)), scale)
    shift = b.op("sub", offset, b.op("mul", mean, factor))
    b.output("y", b.op("add", b.op("mul", x, factor), shift))
    after = optimize(b.graph, constants)
    assert ops(after) == ["normalize"]
    agree(b.graph, after, {"x": normal(3, 6)})


@pytest.mark.parametrize("name", ["hard_swish", "swish", "gelu"])
def test_a_spelled_out_activation_goes_into_the_product(name: str) -> None:
    """x times its gate, with the numbers anywhere in the product, ends in the epilogue; another number does not."""
    for off, wanted in ((1.0, ["matmul"]), (1.25, ["matmul", "elementwise"])):
        b = Builder()

        def number(value: float, b: Builder = b) -> int:
            return b.constant(Tensor.of(np.float32(value)))

        x = b.op("matmul", b.input("x", (3, 6)), b.constant(Tensor.of(normal(6, 5))))
        if name == "hard_swish":
            gate = b.op("relu6", b.op("add", x, number(3)))
            y = b.op("mul", b.op("mul", x, number(off / 6)), gate)
        elif name == "swish":
            y = b.op("mul", x, b.op("mul", b.op("sigmoid", x), number(off)))
        else:
            error = b.op("erf", b.op("div", x, number(2**0.5)))
            y = b.op("mul", b.op("mul", number(0.5 * off), x), b.op("add", number(1), error))
        b.output("y", y)
        after = optimize(b.graph, constants)
        assert ops(after) == wanted
        agree(b.graph, after, {"x": normal(3, 6)})


def test_a_bias_after_the_residual_goes_into_the_epilogue() -> None:
    """(a x b + residual) + bias is one node."""
    b = Builder()
    x, residual = b.input("x", (3, 6)), b.input("r", (3, 5))
    y = b.op("add", b.op("matmul", x, b.constant(Tensor.of(normal(6, 5)))), residual)
    b.output("y", b.op("relu", b.op("add", b.constant(Tensor.of(normal(5))), y)))
    after = optimize(b.graph, constants)
    assert ops(after) == ["matmul"]
    agree(b.graph, after, {"x": normal(3, 6), "r": normal(3, 5)})


def test_a_value_read_twice_within_a_chain_stays_in_it() -> None:
    """z h + (1 - z) c, z computed before: one node."""
    b = Builder()
    a, h, c = (b.input(name, (4, 5)) for name in "ahc")
    z = b.op("sigmoid", b.op("add", a, h))
    rest = b.op("sub", b.constant(Tensor.of(np.float32(1))), z)
    b.output("y", b.op("add", b.op("mul", z, h), b.op("mul", rest, c)))
    after = optimize(b.graph, constants)
    assert ops(after) == ["elementwise"]
    agree(b.graph, after, {name: normal(4, 5) for name in "ahc"})


def test_training_keeps_variables_and_updates() -> None:
    """With the training list, variables stay variables and moving statistics stay updated."""
    model = sequential(
        (4,),
        [
            {"class_name": "Dense", "units": 3},
            {"class_name": "BatchNormalization"},
            {"class_name": "Dropout", "rate": 0.5},
        ],
    )
    assert isinstance(model, LayersModel)
    graph = model.graph(8, training=True)
    after = optimize(graph, constants, TRAINING)
    assert set(after.variables.values()) == {*model.weights, "random/counter"}
    assert len(after.updates) == 3
    frozen = optimize(model.graph(8), constants, INFERENCE)
    assert frozen.variables == {}


def test_a_wrong_pass_is_named() -> None:
    """A pass that breaks the graph is named by the error."""

    def break_it(graph: Graph, evaluate_: object) -> Graph:
        graph = graph.copy()
        graph.nodes = graph.nodes[::-1]
        return graph

    b = Builder()
    b.output("y", b.exp(b.sin(b.input("x", (2,)))))
    with pytest.raises(GraphError, match="break_it"):
        optimize(b.graph, constants, [break_it])
