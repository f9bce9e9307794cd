"""C1, C2 and T5: BERT encoders on embedded tokens, in TensorFlow and as ONNX from the same weights.

S tokens, H wide, A heads, F feed forward. Post-norm, GELU by erf. Plain matmul, transpose and softmax, since no exporter
of these formats keeps a fused attention.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx  # type: ignore[import-not-found]
import tensorflow as tf  # type: ignore[import-untyped]
from onnx import helper, numpy_helper

EPSILON = 1e-12
Weights = dict[str, np.ndarray[Any, np.dtype[np.float32]]]


@dataclass(frozen=True)
class Encoder:
    layers: int
    H: int
    A: int
    F: int
    S: int = 128

    @property
    def mmac(self) -> float:
        per_layer = 4 * self.S * self.H**2 + 2 * self.S * self.H * self.F + 2 * self.S**2 * self.H
        return self.layers * per_layer / 1e6


BERT_TINY = Encoder(2, 128, 2, 512)
MINI_LM = Encoder(6, 384, 12, 1536)
TUNED = Encoder(6, 384, 12, 1536, S=64)
"""MiniLM again, for any number of rows, so that it can be trained in batches."""


def weights(encoder: Encoder, rng: np.random.Generator) -> Weights:
    """Names `layer/part/kernel`; kernels of variance 1 / inputs, so that activations keep their size."""
    found: Weights = {}
    H, F = encoder.H, encoder.F
    for layer in range(encoder.layers):
        for part, k, n in (("q", H, H), ("k", H, H), ("v", H, H), ("o", H, H), ("up", H, F), ("down", F, H)):
            found[f"{layer}/{part}/kernel"] = rng.normal(0, k**-0.5, (k, n)).astype(np.float32)
            found[f"{layer}/{part}/bias"] = rng.normal(0, 0.1, n).astype(np.float32)
        for part in ("norm1", "norm2"):
            found[f"{layer}/{part}/gamma"] = rng.uniform(0.8, 1.2, H).astype(np.float32)
            found[f"{layer}/{part}/beta"] = rng.normal(0, 0.1, H).astype(np.float32)
    return found


def in_tensorflow(
    encoder: Encoder,
    w: Weights,
    x: Any,
    *,
    batched: bool = False,
    adapters: Mapping[str, tuple[Any, Any]] = MappingProxyType({}),
) -> Any:
    """x (1, S, H) -> (1, S, H); batched: any number of rows; adapters: A (K, r) and B (r, N) beside a kernel, by its name."""
    S, H, A = encoder.S, encoder.H, encoder.A
    lead, tokens, perm = ((-1,), -1, (0, 2, 1, 3)) if batched else ((), S, (1, 0, 2))

    def dense(x: Any, name: str) -> Any:
        y = tf.matmul(x, w[f"{name}/kernel"]) + w[f"{name}/bias"]
        if pair := adapters.get(f"{name}/kernel"):
            y += tf.matmul(tf.matmul(x, pair[0]), pair[1])
        return y

    def norm(x: Any, name: str) -> Any:
        mean, variance = tf.nn.moments(x, [-1], keepdims=True)
        return tf.nn.batch_normalization(x, mean, variance, w[f"{name}/beta"], w[f"{name}/gamma"], EPSILON)

    def heads(x: Any) -> Any:
        return tf.transpose(tf.reshape(x, (*lead, S, A, H // A)), perm)

    x = tf.reshape(x, (tokens, H))
    for layer in range(encoder.layers):
        q, k, v = (heads(dense(x, f"{layer}/{part}")) for part in "qkv")
        scores = tf.nn.softmax(tf.matmul(q, k, transpose_b=True) * (H // A) ** -0.5)
        context = tf.reshape(tf.transpose(tf.matmul(scores, v), perm), (tokens, H))
        x = norm(x + dense(context, f"{layer}/o"), f"{layer}/norm1")
        up = dense(x, f"{layer}/up")
        x = norm(x + dense(0.5 * up * (1.0 + tf.math.erf(up * 0.5**0.5)), f"{layer}/down"), f"{layer}/norm2")
    return tf.reshape(x, (-1 if batched else 1, S, H))


def named(w: Weights) -> dict[str, Any]:
    """Constants of the graph being made, so that its file tells the weights by these names: `layer_0/q/kernel`."""
    return {name: tf.constant(value, name=f"layer_{name}") for name, value in w.items()}


def in_onnx(encoder: Encoder, w: Weights) -> Any:
    """The same as an ONNX model (opset 20: LayerNormalization and Gelu are ops)."""
    S, H, A = encoder.S, encoder.H, encoder.A
    nodes: list[Any] = []
    constants = {
        **w,
        "S,H": np.array([S, H]),
        "1,S,H": np.array([1, S, H]),
        "S,A,D": np.array([S, A, H // A]),
    }
    constants["scale"] = np.array((H // A) ** -0.5, np.float32)

    def add(op: str, *inputs: str, **attributes: Any) -> str:
        name = f"v{len(nodes)}"
        nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def dense(x: str, name: str) -> str:
        return add("Add", add("MatMul", x, f"{name}/kernel"), f"{name}/bias")

    def norm(x: str, name: str) -> str:
        return add("LayerNormalization", x, f"{name}/gamma", f"{name}/beta", axis=-1, epsilon=EPSILON)

    def heads(x: str, perm: tuple[int, ...]) -> str:
        return add("Transpose", add("Reshape", x, "S,A,D"), perm=perm)

    x = add("Reshape", "x", "S,H")
    for layer in range(encoder.layers):
        q, k, v = (
            heads(dense(x, f"{layer}/{part}"), (1, 2, 0) if part == "k" else (1, 0, 2))
            for part in ("q", "k", "v")
        )
        scores = add("Softmax", add("Mul", add("MatMul", q, k), "scale"), axis=-1)
        context = add("Reshape", add("Transpose", add("MatMul", scores, v), perm=(1, 0, 2)), "S,H")
        x = norm(add("Add", x, dense(context, f"{layer}/o")), f"{layer}/norm1")
        x = norm(
            add("Add", x, dense(add("Gelu", dense(x, f"{layer}/up")), f"{layer}/down")), f"{layer}/norm2"
        )
    nodes.append(helper.make_node("Reshape", [x, "1,S,H"], ["y"], name="y"))
    port = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, (1, S, H)) for name in ("x", "y")]
    initial = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "encoder", port[:1], port[1:], initial)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
