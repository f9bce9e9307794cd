"""Low-rank adapters: they start from the very model, learn, and merge into it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from py_edge.errors import NotFoundError
from py_edge.model import Model, load_model
from py_edge.plan import evaluate
from py_edge.tensor import Tensor, count
from py_edge.tfjs import sequential
from py_edge.tfjs.conformance import read_npy
from py_edge.train.adapters import Adapted, Adapters
from py_edge.train.finetune import finetune
from tests.train.small import blobs

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "models"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "conformance" / "converted"
ENCODERS = {
    "graph, Keras 2": (GOLDEN / "transformer__k2_saved", ("Einsum", "Tensordot", "MatMul")),
    "graph, Keras 3": (SHARED / "mha_k3__graph_f32", ("Reshape", "Cast")),
    "layers, Keras 3": (GOLDEN / "transformer__k3_keras", ("query_dense", "dense_1")),
}
"""Folder, and what the names of attention and dense weights contain."""

LAYERS: list[dict[str, Any]] = [
    {"class_name": "Reshape", "target_shape": [2, 2, 1]},
    {"class_name": "Conv2D", "filters": 4, "kernel_size": [2, 2], "activation": "tanh"},
    {"class_name": "Flatten"},
    {"class_name": "Dense", "units": 6, "activation": "relu"},
    {"class_name": "Dense", "units": 3, "activation": "softmax"},
]


def test_merged_model_is_the_trained_one() -> None:
    """After training, the model must compute what model and adapters computed, with only adapted weights changed."""
    model = Model(sequential((4,), LAYERS, seed=3))
    x, y = blobs(60)
    before = dict(model.weights)
    adapters = Adapters(rank=2, scale=2.0)
    history = finetune(
        model, x, y, adapters=adapters, epochs=40, batch=20, learning_rate=0.02, validation=(x, y)
    )
    changed = {n for n, t in model.weights.items() if t.data != before[n].data}
    assert changed == {n for n in before if n.endswith("kernel")}
    assert history.last["accuracy"] > 0.9
    rows = model.predict(x)
    right = sum(max(range(3), key=lambda c: rows.flat[i * 3 + c]) == y.flat[i] for i in range(60))
    assert right / 60 > 0.9


def test_untrained_adapters_change_nothing() -> None:
    """B starts at zero, so the adapted graph must give what the model gives."""
    model = Model(sequential((4,), LAYERS, seed=3))
    adapted = Adapted(model, Adapters(rank=2), model.trainable)
    graph = adapted.forward(3)
    x = Tensor.from_flat([0.1 * i for i in range(12)], (3, 4))
    found = next(iter(evaluate(graph, model.library, {next(iter(graph.inputs)): x}).values()))
    assert len(adapted.trainable) == 6
    assert max(abs(a - b) for a, b in zip(found.flat, model.predict(x).flat, strict=True)) < 1e-6


def test_merging_is_w_plus_scaled_a_b() -> None:
    """What the kernels merge must be the sum as written down, for a kernel of three axes too."""
    rng = random.Random(0)
    w, a, b = (
        Tensor.from_flat([rng.uniform(-1, 1) for _ in range(count(shape))], shape)
        for shape in ((3, 5, 7), (15, 2), (2, 7))
    )
    found = Adapters(2, scale=0.5).merged({"w": w}, {"w/lora_a": a, "w/lora_b": b})["w"]
    wanted = [
        w.flat[i * 7 + n] + 0.5 * sum(a.flat[i * 2 + j] * b.flat[j * 7 + n] for j in range(2))
        for i in range(15)
        for n in range(7)
    ]
    assert found.shape == w.shape
    assert found.flat.tolist() == pytest.approx(wanted, abs=1e-6)


def test_patterns_must_fit() -> None:
    """Patterns that fit no weight must be refused with the names there are."""
    with pytest.raises(NotFoundError):
        finetune(Model(sequential((4,), LAYERS)), *blobs(6), adapters=Adapters(patterns=("nothing",)))


@pytest.mark.parametrize("kind", ENCODERS)
def test_attention_and_dense_weights_learn(kind: str, tmp_path: Path) -> None:
    """In either format only A and B beside every attention and dense weight learn; merged and saved, they give the same loss and answers."""
    folder, words = ENCODERS[kind]
    if not folder.is_dir():
        pytest.skip("../shared/conformance is absent")
    model = load_model(folder)
    x, before, adapters = read_npy(folder / "inputs.npy"), dict(model.weights), Adapters(rank=2, scale=2.0)
    assert isinstance(x, Tensor)
    y = Tensor.from_flat([float(i % 2) for i in range(2 * x.shape[0])], (x.shape[0], 2))
    adapted = Adapted(model, adapters, model.trainable)
    history = finetune(
        model, x, y, adapters=adapters, epochs=12, batch=4, learning_rate=0.02, loss="meanSquaredError", metrics=(),
        validation=(x, y),
    )  # fmt: skip
    changed = {name for name, tensor in model.weights.items() if tensor.data != before[name].data}
    assert set(history.trained) == set(adapted.trainable)
    assert changed == {name.removesuffix("/lora_a") for name in history.trained if name.endswith("/lora_a")}
    assert [word for word in words if not any(word in name for name in changed)] == []
    assert all(len(before[name].shape) >= 2 for name in changed)
    assert history.history["loss"][-1] < 0.8 * history.history["loss"][0]
    squares = [(a - b) ** 2 for a, b in zip(model.predict(x).flat, y.flat, strict=True)]
    assert sum(squares) / len(squares) == pytest.approx(history.last["val_loss"], rel=1e-5)
    model.save(tmp_path)
    assert load_model(tmp_path).predict(x).tobytes() == model.predict(x).tobytes()


def test_heads_are_adapted_as_their_product_reads_them() -> None:
    """A kernel (D, heads, d) must get A (D, r) and B (r, heads d), and no gradient of its own size is computed."""
    folder = GOLDEN / "transformer__k2_saved"
    adapted = Adapted(load_model(folder), Adapters(rank=2), load_model(folder).trainable)
    query = next(name for name in adapted.trainable if "query/einsum" in name).removesuffix("/lora_a")
    assert adapted.weights[query].shape == (8, 2, 4)
    assert adapted.weights[f"{query}/lora_a"].shape == (8, 2)
    assert adapted.weights[f"{query}/lora_b"].shape == (2, 8)
    graph = adapted.forward(3)
    value = next(value for value, name in graph.variables.items() if name == query)
    assert [node.op for node in graph.nodes if value in node.inputs] == ["reshape"]
