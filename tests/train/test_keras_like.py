"""Keras' surface: the same words do the same things."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from py_edge.errors import TrainingError, ValueRangeError
from py_edge.model import Model, load_model
from py_edge.tensor import Tensor
from py_edge.tfjs import sequential
from py_edge.tfjs.new import build
from py_edge.train.callbacks import Callback, EarlyStopping
from py_edge.train.keras_like import KerasLike
from py_edge.train.optimizers import optimizer
from tests.train.small import blobs

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
SUMMARIES: dict[str, Any] = json.loads((GOLDEN / "summary.json").read_text())

LAYERS = [
    {"class_name": "Dense", "units": 8, "activation": "relu"},
    {"class_name": "Dropout", "rate": 0.1},
    {"class_name": "Dense", "units": 3, "activation": "softmax"},
]


def learner(*layers: dict[str, object], seed: int = 1) -> KerasLike:
    return KerasLike(Model(sequential((4,), layers or LAYERS, seed=seed)))


def test_fit_evaluate_predict() -> None:
    """fit must lower the loss, evaluate and predict must see the new weights."""
    net = learner()
    net.compile(optimizer("adam", 0.02), "sparse_categorical_crossentropy", ["accuracy"])
    x, y = blobs(90)
    before = net.evaluate(x, y)
    history = net.fit(x, y, batch_size=16, epochs=25, validation_split=0.2)
    after = net.evaluate(x, y)
    assert set(history.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert len(history.history["loss"]) == 25
    assert after["loss"] < before["loss"] / 1.5
    assert after["accuracy"] > 0.9
    rows = net.predict(x, batch_size=32)
    right = sum(max(range(3), key=lambda c: rows.flat[i * 3 + c]) == y.flat[i] for i in range(90))
    assert right / 90 == pytest.approx(after["accuracy"])


def test_optimizer_state_lives_between_fits() -> None:
    """Two fits of two epochs must be one fit of four, when order does not matter."""
    x, y = blobs(12)
    weights = []
    for epochs in ([4], [2, 2]):
        net = learner(LAYERS[0], LAYERS[2])
        net.compile("adam", "sparseCategoricalCrossentropy")
        for n in epochs:
            net.fit(x, y, batch_size=12, epochs=n, shuffle=False)
        weights.append([t.tobytes() for t in net.model.weights.values()])
    assert weights[0] == weights[1]


def test_weights_set_from_outside_are_trained_on() -> None:
    """After set_weights the next step must start from the new weights."""
    x, y = blobs(12)
    net = learner(LAYERS[2])
    net.compile("sgd", "sparseCategoricalCrossentropy")
    net.train_on_batch(x, y)
    net.model.set_weights({name: Tensor.zeros(t.shape) for name, t in net.model.weights.items()})
    assert net.train_on_batch(x, y)["loss"] == pytest.approx(math.log(3), rel=1e-5)


def test_early_stopping_restores_the_best() -> None:
    """Training that gets worse must stop after its patience and give the best weights back."""
    x, y = blobs(30)
    net = learner(LAYERS[2])
    net.compile("sgd", "sparseCategoricalCrossentropy", ["accuracy"])
    wrong = Tensor.from_flat([(v + 1) % 3 for v in y.flat], (30,), "int32")
    stopper = EarlyStopping(patience=2, restore_best_weights=True)
    history = net.fit(x, wrong, epochs=50, validation_data=(x, y), callbacks=[stopper])
    assert (history.stopped, len(history.epoch)) == ("callback", 3)
    assert net.evaluate(x, y)["loss"] == pytest.approx(history.history["val_loss"][0], rel=1e-5)


class Heard(Callback):
    """Writes down what it is told, and how far the weights were then."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self.calls.append("train")

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        self.calls.append(f"/train {sorted(logs or {})}")

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.calls.append(f"epoch {epoch}")

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.calls.append(f"/epoch {epoch} {sorted(logs or {})}")

    def on_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self.calls.append(f"batch {batch}")

    def on_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self.calls.append(f"/batch {batch}")
        self.model.stop_training = len(self.calls) > 12


def test_callbacks_hear_all_of_it_in_order() -> None:
    """The hooks must come as Keras calls them, each beginning before its work, and `stop_training` ends the fit."""
    net, heard = learner(LAYERS[2]), Heard()
    net.compile("sgd", "sparseCategoricalCrossentropy")
    net.fit(*blobs(12), batch_size=6, epochs=9, callbacks=[heard])
    batches = ["batch 0", "/batch 0", "batch 1", "/batch 1"]
    assert heard.calls == [
        "train",
        "epoch 0", *batches, "/epoch 0 ['loss']",
        "epoch 1", *batches, "/epoch 1 ['loss']",
        "epoch 2", "batch 0", "/batch 0", "/train ['loss']",
    ]  # fmt: skip


def test_regularizer_and_constraint_of_the_config_count() -> None:
    """A kernel's l2 must be in the loss; a norm constraint must hold after each step."""
    plain = {"class_name": "Dense", "units": 3, "activation": "softmax"}
    l2 = {"kernel_regularizer": {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.5}}}
    bound = {"kernel_constraint": {"class_name": "MaxNorm", "config": {"max_value": 0.3, "axis": 0}}}
    x, y = blobs(12)
    losses = []
    for extra in ({}, l2):
        net = learner({**plain, **extra})
        net.compile("sgd", "sparseCategoricalCrossentropy")
        squares = sum(v * v for n, t in net.model.weights.items() if n.endswith("kernel") for v in t.flat)
        losses.append(net.train_on_batch(x, y)["loss"])
    assert losses[1] - losses[0] == pytest.approx(0.5 * squares, rel=1e-4)
    net = learner({**plain, **bound})
    net.compile("adam", "sparseCategoricalCrossentropy")
    net.fit(x, y, epochs=3)
    kernel = next(t for n, t in net.model.weights.items() if n.endswith("kernel"))
    assert all(math.hypot(*kernel.flat[c::3]) <= 0.3001 for c in range(3))


def test_frozen_layers_stand_still() -> None:
    """A layer with trainable false must keep its weights."""
    net = learner({**LAYERS[0], "trainable": False}, LAYERS[2])
    net.compile("adam", "sparseCategoricalCrossentropy")
    before = {n: t.tobytes() for n, t in net.model.weights.items()}
    net.fit(*blobs(12), epochs=2)
    moved = {n for n, t in net.model.weights.items() if t.tobytes() != before[n]}
    assert moved == set(net.model.trainable)
    assert len(moved) == 2
    assert "frozen" in net.summary()


@pytest.mark.parametrize("name", SUMMARIES)
def test_summary_tells_what_keras_tells(name: str) -> None:
    """Each layer must stand there with its output's shape and its count as Keras gives them, then Keras' three totals."""
    wanted = SUMMARIES[name]
    *rows, total, trainable, other = (
        KerasLike(load_model(GOLDEN / "models" / name)).summary().splitlines()[1:]
    )
    assert [total, trainable, other] == [
        f"Total params: {wanted['total']:,}",
        f"Trainable params: {wanted['trainable']:,}",
        f"Non-trainable params: {wanted['non_trainable']:,}",
    ]
    found = sorted(f"{row.split(' (')[0]} {row[row.index('  ') :].strip()}".split() for row in rows)
    told = [
        f"{layer} ({', '.join(map(str, shape))}) {size:,}".split() for layer, shape, size in wanted["layers"]
    ]
    assert found == sorted(told)


def test_learn_one_streams() -> None:
    """One example after the other must teach."""
    net = learner(LAYERS[0], LAYERS[2])
    net.compile(optimizer("adam", 0.01), "sparseCategoricalCrossentropy", ["accuracy"])
    x, y = blobs(120)
    for i, label in enumerate(y.flat):
        net.learn_one(x.flat[4 * i : 4 * i + 4].tolist(), int(label))
    assert net.evaluate(*blobs(60, seed=9))["accuracy"] > 0.85


def two_outputs() -> KerasLike:
    """x (4) -> `class` (3, softmax) and `size` (1)."""

    def layer(kind: str, name: str, inbound: str, **config: object) -> dict[str, object]:
        nodes = [[[inbound, 0, 0, {}]]] if inbound else []
        return {"class_name": kind, "name": name, "config": {"name": name, **config}, "inbound_nodes": nodes}

    layers = [
        layer("InputLayer", "x", "", batch_input_shape=[None, 4], dtype="float32"),
        layer("Dense", "inner", "x", units=8, activation="relu"),
        layer("Dense", "class", "inner", units=3, activation="softmax"),
        layer("Dense", "size", "inner", units=1),
    ]
    ends = {"input_layers": [["x", 0, 0]], "output_layers": [["class", 0, 0], ["size", 0, 0]]}
    return KerasLike(
        Model(build({"class_name": "Functional", "config": {"name": "m", "layers": layers, **ends}}, seed=1))
    )


def test_two_outputs_two_losses() -> None:
    """Each output has its loss, its weight and its metrics; the total is their weighted sum."""
    net = two_outputs()
    net.compile(
        optimizer("adam", 0.02),
        ["sparseCategoricalCrossentropy", "mse"],
        ["accuracy"],
        loss_weights=[1.0, 0.0],
    )
    x, y = blobs(60)
    size = Tensor.from_flat([float(v) for v in y.flat], (60, 1))
    history = net.fit(x, {"class": y, "size": size}, epochs=20)
    assert history.last["class_accuracy"] > 0.9
    before = net.evaluate(x, [y, size])
    net.compile(optimizer("adam", 0.02), {"size": "mse"}, ["mae"])
    net.fit(x, size, epochs=30)
    assert net.evaluate(x, size)["size_mae"] < 0.5
    assert "size_accuracy" in before


def test_bad_use_is_told() -> None:
    """Training before compile, unknown names and unknown classes must be errors with codes."""
    net = learner()
    with pytest.raises(TrainingError):
        net.fit(*blobs(6))
    with pytest.raises(ValueRangeError):
        net.compile("adam", "nonsense")
    with pytest.raises(ValueRangeError):
        net.compile("gradient_magic", "mse")
    net.compile("adam", "sparseCategoricalCrossentropy")
    with pytest.raises(ValueRangeError, match="class that the model does not have"):
        net.fit(blobs(6)[0], Tensor.from_flat([3] * 6, (6,), "int32"))
