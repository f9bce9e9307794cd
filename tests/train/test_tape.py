"""Gradients, losses and optimizers against what TensorFlow recorded (tests/train/tools/record_tape.py)."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from py_edge.errors import ValueRangeError
from py_edge.graph import Builder
from py_edge.kernels.load import library
from py_edge.model import load_model
from py_edge.plan import evaluate
from py_edge.tensor import Tensor
from py_edge.train import losses
from py_edge.train.engine import Runner
from py_edge.train.gradients import gradients
from py_edge.train.optimizers import Optimizer, optimizer
from py_edge.train.start import start

TAPE = json.loads(gzip.decompress((Path(__file__).parents[1] / "golden" / "tape.json.gz").read_bytes()))
TOLERANCE = 2e-4  # float32 on both sides, nets of up to six layers


def tensor(raw: dict[str, Any]) -> Tensor:
    return Tensor(memoryview(base64.b64decode(raw["data"])), tuple(raw["shape"]), raw["dtype"])


def close(ours: Tensor, theirs: Tensor, tolerance: float = TOLERANCE) -> bool:
    scale = max((abs(v) for v in theirs.flat), default=0.0) + 1e-2
    assert ours.size == theirs.size
    return all(abs(a - b) <= tolerance * scale for a, b in zip(ours.flat, theirs.flat, strict=True))


def files(net: dict[str, Any]) -> dict[str, bytes]:
    """The net as TF.js files, as the converter would write them."""
    entries = [{"name": w["name"], "shape": w["shape"], "dtype": w["dtype"]} for w in net["weights"]]
    document = {
        "format": "layers-model", "modelTopology": {"model_config": net["topology"], "keras_version": "2.19.0"},
        "weightsManifest": [{"paths": ["group1-shard1of1.bin"], "weights": entries}],
    }  # fmt: skip
    shard = b"".join(base64.b64decode(w["data"]) for w in net["weights"])
    return {"model.json": json.dumps(document).encode(), "group1-shard1of1.bin": shard}


@pytest.mark.parametrize("net", TAPE["nets"], ids=[net["name"] for net in TAPE["nets"]])
def test_gradients_of_a_net(net: dict[str, Any]) -> None:
    """Loss, the gradient of every weight and moving statistics must be GradientTape's."""
    model = load_model(files(net))
    graph = model.forward(3, training=True)
    b = Builder(graph)
    (_name, prediction), *_ = list(graph.outputs.items())
    truth = b.constant(tensor(net["target"]))
    b.graph.outputs = {}
    per_row = losses.mean_squared_error(b, truth, prediction)
    loss = b.reduce(per_row, kind="mean", axes=tuple(range(b.rank(per_row))), keepdims=False)
    b.output("loss", loss)
    by_name = {weight: value for value, weight in b.graph.variables.items()}
    wanted = {raw["name"]: by_name[raw["name"]] for raw in net["gradients"]}
    found = gradients(b, loss, wanted.values())
    for weight, value in wanted.items():
        b.output(f"d {weight}", found[value])
    for variable, value in b.graph.updates.items():
        b.output(f"new {b.graph.variables[variable]}", value)
    b.graph.updates = {}
    x = tensor(net["x"])
    results = evaluate(b.graph, library(), {next(iter(graph.inputs)): x})
    assert results["loss"].flat[0] == pytest.approx(net["loss"], rel=TOLERANCE)
    assert [
        raw["name"] for raw in net["gradients"] if not close(results[f"d {raw['name']}"], tensor(raw))
    ] == []
    moved = [raw for raw in net["after"] if f"new {raw['name']}" in results]
    assert len(moved) == len(net["after"])
    biased = (
        net["name"] == "batch_norm"
    )  # TensorFlow's fused kernel keeps n / (n - 1) of the variance; TF.js and we do not
    wrong = [raw["name"] for raw in moved if not close(results[f"new {raw['name']}"], tensor(raw))]
    assert wrong == (["batch_normalization/moving_variance"] if biased else [])


@pytest.mark.parametrize("case", TAPE["losses"], ids=[case["name"] for case in TAPE["losses"]])
@pytest.mark.parametrize("numerics", ["keras", "tfjs"])
def test_loss(case: dict[str, Any], numerics: str) -> None:
    """Each loss with sample weights, and its gradient, must be Keras'."""
    b = Builder()
    truth, prediction = b.constant(tensor(case["truth"])), b.constant(tensor(case["prediction"]))
    weights = b.constant(tensor(case["weights"]))
    per_sample = losses.loss_named(case["name"], numerics)(b, truth, prediction)
    value = losses.reduced(b, per_sample, weights, b.scalar(1 / 6))
    b.output("value", value)
    b.output("gradient", gradients(b, value, [prediction])[prediction])
    found = evaluate(b.graph, library())
    assert found["value"].flat[0] == pytest.approx(case["value"], rel=1e-5)
    assert close(found["gradient"], tensor(case["gradient"]), 1e-4)


def rule_of(case: dict[str, Any]) -> Optimizer:
    plain = {"nesterov": "sgd", "momentum": "sgd", "amsgrad": "adam", "rmsprop_centered": "rmsprop"}
    name = "sgd" if "clip" in case["name"] else plain.get(case["name"], case["name"])
    return optimizer(name, **case["options"])


def stepper(case: dict[str, Any], rule: Optimizer) -> Runner:
    """Two weights that an optimizer moves by gradients handed in."""
    b = Builder()
    rates = {key: b.input(key, ()) for key in rule.rates(0)}
    weights = [b.variable(f"w{i}", tensor(raw)) for i, raw in enumerate(case["before"])]
    incoming = {w: b.input(f"g{i}", b.shape(w)) for i, w in enumerate(weights)}
    for i, (weight, gradient) in enumerate(rule.clipped(b, incoming).items()):
        slots = [b.variable(f"w{i}/{slot}", Tensor.from_flat([first] * b.spec(weight).size, b.shape(weight)))
                 for slot, first in rule.slots().items()]  # fmt: skip
        new, state = rule.update(b, rates, weight, gradient, slots)
        b.graph.updates |= {weight: new, **dict(zip(slots, state, strict=True))}
    return start(b.graph)


@pytest.mark.parametrize("case", TAPE["rules"], ids=[case["name"] for case in TAPE["rules"]])
def test_optimizer(case: dict[str, Any]) -> None:
    """Four steps with given gradients must end where Keras' optimizer ends."""
    rule = rule_of(case)
    run = stepper(case, rule)
    for step, (grads, after) in enumerate(zip(case["gradients"], case["after"], strict=True)):
        for key, value in rule.rates(step).items():
            run.input_view(key)[:] = Tensor.from_flat([value], ()).data
        for i, raw in enumerate(grads):
            run.input_view(f"g{i}")[:] = tensor(raw).data
        run.execute()
        assert all(close(run.variable(f"w{i}"), tensor(raw), 1e-5) for i, raw in enumerate(after)), step


def test_unknown_names_are_refused() -> None:
    """Names and options that nobody knows must be errors."""
    for bad in ({"spec": "sgdd"}, {"spec": "adam", "beta": 1.0}):
        with pytest.raises(ValueRangeError):
            optimizer(**bad)
    with pytest.raises(ValueRangeError):
        losses.loss_named("nothing")
