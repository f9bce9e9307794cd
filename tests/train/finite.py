"""Central differences in float64 on the slow truth: what every row of the gradient table is held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from py_edge.graph import Builder
from py_edge.kernels.reference import evaluate
from py_edge.tensor import Tensor
from py_edge.train.gradients import gradients

Array = np.ndarray[Any, np.dtype[Any]]


def gradient_errors(
    build: Callable[..., int | Sequence[int]],
    inputs: Mapping[str, Array],
    *,
    step: float = 1e-6,
    seed: int = 0,
) -> dict[str, float]:
    """Largest relative difference between our gradient and central differences, per float input.

    build(b, **ids) -> output value(s); the loss is a random weighting of all of them.
    """
    b = Builder()
    ids = {name: b.input(name, x.shape, "int32" if x.dtype.kind == "i" else "bool" if x.dtype.kind == "b" else "float32")
           for name, x in inputs.items()}  # fmt: skip
    made = build(b, **ids)
    rng = np.random.default_rng(seed)
    loss = None
    for value in [made] if isinstance(made, int) else made:
        weights = b.constant(Tensor.of(rng.normal(size=b.shape(value)).astype(np.float32)))
        term = b.reduce(b.mul(value, weights), kind="sum", axes=tuple(range(b.rank(value))), keepdims=False)
        loss = term if loss is None else b.add(loss, term)
    assert loss is not None
    b.output("loss", loss)
    floats = [name for name, x in inputs.items() if x.dtype.kind == "f"]
    plain = b.graph.copy()
    found = gradients(b, loss, [ids[name] for name in floats])
    for name in floats:
        if ids[name] in found:
            b.output(f"d {name}", found[ids[name]])
    ours = evaluate(b.graph, dict(inputs))
    errors = {}
    for name in floats:
        truth = np.zeros(inputs[name].shape)
        for index in np.ndindex(*inputs[name].shape):
            sides = []
            for sign in (1, -1):
                moved = {k: v.astype(np.float64) if v.dtype.kind == "f" else v for k, v in inputs.items()}
                moved[name] = moved[name].copy()
                moved[name][index] += sign * step
                sides.append(float(evaluate(plain, moved)["loss"]))
            truth[index] = (sides[0] - sides[1]) / (2 * step)
        mine = ours.get(f"d {name}", np.zeros(inputs[name].shape))
        assert mine.shape == truth.shape
        errors[name] = float(np.max(np.abs(mine - truth) / (np.abs(truth) + 1), initial=0.0))
    return errors
