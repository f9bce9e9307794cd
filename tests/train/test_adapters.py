"""Low-rank adapters: they start from the very model, learn, and merge into it."""

from __future__ import annotations

import random
from typing import Any

import pytest

from py_edge.errors import NotFoundError
from py_edge.model import Model
from py_edge.plan import evaluate
from py_edge.tensor import Tensor, count
from py_edge.tfjs import sequential
from py_edge.train.adapters import Adapters, with_adapters
from py_edge.train.finetune import finetune
from tests.train.test_finetune import blobs

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
    graph, names = with_adapters(
        model.forward(3), Adapters(rank=2), [n for n in model.weights if n.endswith("kernel")]
    )
    x = Tensor.from_flat([0.1 * i for i in range(12)], (3, 4))
    found = next(iter(evaluate(graph, model.library, {next(iter(graph.inputs)): x}).values()))
    assert len(names) == 6
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
