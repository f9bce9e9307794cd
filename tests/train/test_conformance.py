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
from py_edge.train.engine import Start
from py_edge.train.optimizers import Optimizer, optimizer
from py_edge.train.start import start
from py_edge.train.step import Objective
from py_edge.train.trainer import Examples, Trainer
from tests.train.reference_run import ReferenceRun

SHARED = Path(__file__).resolve().parents[3] / "shared" / "conformance"
NETS = sorted(p.name for p in (SHARED / "random").glob("*") if (p / "case.json").exists()) or ["absent"]
TOLERANCE = 1e-4  # float32, three steps
RULES = {"sgd": ("sgd", 0.1), "adam": ("adam", 0.01), "rmsprop": ("rmsprop", 0.01)}
WRONG_IN_TFJS = {
    # upsampled by nearest neighbour: TF.js' CPU kernel of that gradient mixes the examples of a batch (only the first keeps
    # the sum of its dy), so gamma and beta before it go astray and, by Adam, all else a little; losses hardly move
    "m17"
}
CLOSE = 1e-3  # to float64, of steps of 0.01: where tanh is nearly flat, rounding is a hundredth of a gradient


def tensor(raw: dict[str, Any]) -> Tensor:
    return Tensor.from_flat(raw["v"], raw["shape"])


def rule_of(name: str) -> Optimizer:
    spec, rate = RULES[name]
    return optimizer(spec, rate, numerics="tfjs")


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/conformance is absent")
@pytest.mark.parametrize("net", NETS)
def test_three_training_steps_of_a_random_net(net: str) -> None:
    """Three steps on a net that TF.js trained must give its losses and its weights; where TF.js is wrong, those of float64."""
    case = json.loads((SHARED / "random" / net / "case.json").read_text())
    losses, found = three_steps(net, case, start)
    assert losses == pytest.approx(case["losses"], rel=TOLERANCE)
    if net in WRONG_IN_TFJS:
        wanted = {name: t.flat.tolist() for name, t in three_steps(net, case, ReferenceRun)[1].items()}
        assert any(want["v"] != pytest.approx(wanted[want["name"]], abs=CLOSE) for want in case["after"])
        relative, absolute = 0.0, CLOSE
    else:
        wanted = {want["name"]: want["v"] for want in case["after"]}
        relative, absolute = TOLERANCE, TOLERANCE / 10
    for name, values in wanted.items():
        assert found[name].flat.tolist() == pytest.approx(values, rel=relative, abs=absolute)


def three_steps(net: str, case: dict[str, Any], begin: Start) -> tuple[list[float], dict[str, Tensor]]:
    """Losses, and every weight after three steps, on runs that `begin` makes."""
    model = load_model(SHARED / "random" / net)
    objective = Objective("categoricalCrossentropy", numerics="tfjs")
    trainer = Trainer(
        lambda n: model.forward(n, training=True), model.trainable, objective, rule_of(case["opt"]), begin
    )
    x, y = tensor(case["x"]), tensor(case["y"])
    examples = Examples({model.inputs[0].name: Rows(x)}, {"truth": Rows(y)})
    trainer.begin()
    losses = [trainer.batch(examples, range(y.shape[0]), y.shape[0]) for _ in range(3)]
    return losses, dict(model.weights) | trainer.weights()


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/conformance is absent")
def test_recorded_gradients() -> None:
    """Every recorded gradient that our ops can express must agree, but for those where TF.js is known to be wrong."""
    part = conformance.run(SHARED / "gradients.jsonl.gz", compiled_by(library()))
    assert part.failures == []
    assert part.passed >= 420
