"""Recorded training steps of random nets and recorded gradients of TF.js, from ../shared/conformance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from py_edge.kernels.load import library
from py_edge.model import compiled_by, load_model
from py_edge.tensor import Tensor
from py_edge.train import conformance
from py_edge.train.data import Rows
from py_edge.train.optimizers import Optimizer, optimizer
from py_edge.train.start import start
from py_edge.train.step import Objective
from py_edge.train.trainer import Examples, Trainer

SHARED = Path(__file__).resolve().parents[3] / "shared" / "conformance"
NETS = sorted(p.name for p in (SHARED / "random").glob("*") if (p / "case.json").exists()) or ["absent"]
TOLERANCE = 1e-4  # float32, three steps
RULES = {"sgd": ("sgd", 0.1), "adam": ("adam", 0.01), "rmsprop": ("rmsprop", 0.01)}
CHAOTIC = {
    # global max pooling over an upsampled map: the maximum is reached at several equal places, rounding decides which of
    # them moves, and Adam makes steps of one size from it. Losses agree, weights cannot; float64 differs as much.
    "m17"
}


def tensor(raw: dict[str, Any]) -> Tensor:
    return Tensor.from_flat(raw["v"], raw["shape"])


def rule_of(name: str) -> Optimizer:
    spec, rate = RULES[name]
    return optimizer(spec, rate, numerics="tfjs")


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/conformance is absent")
@pytest.mark.parametrize("net", NETS)
def test_three_training_steps_of_a_random_net(net: str) -> None:
    """Three steps on a net that TF.js trained must give its losses and its weights."""
    case = json.loads((SHARED / "random" / net / "case.json").read_text())
    model = load_model(SHARED / "random" / net)
    objective = Objective("categoricalCrossentropy", numerics="tfjs")
    trainer = Trainer(
        lambda n: model.forward(n, training=True), model.trainable, objective, rule_of(case["opt"]), start
    )
    x, y = tensor(case["x"]), tensor(case["y"])
    examples = Examples({model.inputs[0].name: Rows(x)}, {"truth": Rows(y)})
    trainer.begin()
    losses = [trainer.batch(examples, range(y.shape[0]), y.shape[0]) for _ in range(3)]
    assert losses == pytest.approx(case["losses"], rel=TOLERANCE)
    if net in CHAOTIC:
        return
    found = dict(model.weights) | trainer.weights()
    for want in case["after"]:
        assert found[want["name"]].flat.tolist() == pytest.approx(
            want["v"], rel=TOLERANCE, abs=TOLERANCE / 10
        )


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/conformance is absent")
def test_recorded_gradients() -> None:
    """Every recorded gradient that our ops can express must agree, but for those where TF.js is known to be wrong."""
    part = conformance.run(SHARED / "gradients.jsonl.gz", compiled_by(library()))
    assert part.failures == []
    assert part.passed >= 420
