"""Deltas: small, close, and only for the base that they were made from."""

from __future__ import annotations

import random
import zlib
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits  # type: ignore[import-untyped]

from py_edge.errors import IntegrityError, NotFoundError
from py_edge.model import Model
from py_edge.tensor import Tensor
from py_edge.tfjs import sequential
from py_edge.train.delta import apply_delta, make_delta
from py_edge.train.finetune import finetune


def head(seed: int, spread: float = 0.1) -> dict[str, Tensor]:
    """A head of 2,410 parameters: 240 x 10 and 10."""
    rng = random.Random(seed)
    shapes = {"dense/kernel": (240, 10), "dense/bias": (10,)}
    return {
        n: Tensor.from_flat([rng.gauss(0, spread) for _ in range(Tensor.zeros(s).size)], s)
        for n, s in shapes.items()
    }


def moved(base: dict[str, Tensor], seed: int) -> dict[str, Tensor]:
    rng = random.Random(seed)
    return {n: Tensor.from_flat([v + rng.gauss(0, 0.02) for v in t.flat], t.shape) for n, t in base.items()}


def worst(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    gaps: list[float] = [0.0, *(abs(x - y) for n in a for x, y in zip(a[n].flat, b[n].flat, strict=True))]
    return max(gaps)


@pytest.mark.parametrize(("bits", "close"), [(8, 4e-4), (16, 5e-5)])
def test_round_trip(bits: int, close: float) -> None:
    """What is applied must be what was made, within the step of its bits."""
    base = head(1)
    new = moved(base, 2)
    assert worst(apply_delta(base, make_delta(base, new, bits=bits)), new) < close


def test_exact_is_bit_equal() -> None:
    """With 32 bits every bit of the new weights comes back, and a cut is told."""
    base = head(1)
    new = moved(base, 2)
    delta = make_delta(base, new, bits=32)
    assert {n: t.tobytes() for n, t in apply_delta(base, delta).items()} == {
        n: t.tobytes() for n, t in new.items()
    }
    cut = zlib.compress(zlib.decompress(delta)[:-5])
    with pytest.raises(IntegrityError, match="cut short"):
        apply_delta(base, cut)


def test_a_kilobyte_for_a_head() -> None:
    """A quarter of the changes of a 2,410-parameter head must fit into 1,000 bytes."""
    base = head(1)
    delta = make_delta(base, moved(base, 2), keep=0.25)
    assert len(delta) <= 1000
    assert set(apply_delta(base, delta)) == set(base)


REGIONS = [(1660, 1730, 1797), (1500, 1650, 1797), (1520, 1590, 1660), (800, 1000, 1100), (600, 1200, 1797)]


def test_a_kilobyte_carries_what_was_learnt() -> None:
    """A 2,410-parameter head, fine-tuned to new writers five times, each change sent as at most 1,000 bytes: as right as
    the whole heads to half a point."""
    digits = load_digits()
    x, y = (digits.data / 16).astype(np.float32), digits.target.astype(np.int32)
    layers = [
        {"class_name": "Dense", "units": 240, "activation": "relu"},
        {"class_name": "Dense", "units": 10, "activation": "softmax"},
    ]
    model = Model(sequential((64,), layers, seed=1))
    finetune(model, x[:500], y[:500], layers="all", epochs=12, learning_rate=0.003)
    base, whole, sent = dict(model.weights), [], []
    for begin, middle, end in REGIONS:
        model.set_weights(base)
        finetune(model, x[begin:middle], y[begin:middle], layers="last", epochs=15, learning_rate=0.003)
        whole.append(accuracy(model, x[middle:end], y[middle:end]))
        delta = make_delta(base, model.weights, levels=4)
        model.set_weights(apply_delta(base, delta))
        sent.append(accuracy(model, x[middle:end], y[middle:end]))
        assert sum(t.size for t in apply_delta(base, delta).values()) == 2410
        assert len(delta) <= 1000
    assert sum(sent) >= sum(whole) - 0.005 * len(REGIONS)


def accuracy(model: Model, x: Any, y: Any) -> float:
    found = model.predict(x)
    return float(np.mean(np.argmax(np.array(found.flat).reshape(found.shape), axis=1) == y))


def test_equal_weights_make_an_empty_delta() -> None:
    """No change, nothing to send but the head."""
    base = head(1)
    assert len(make_delta(base, base)) < 32
    assert apply_delta(base, make_delta(base, base)) == {}


def test_other_base_and_broken_bytes_are_refused() -> None:
    """A delta on other weights, a cut one or foreign bytes must be refused."""
    base = head(1)
    delta = make_delta(base, moved(base, 2), keep=0.5)
    with pytest.raises(IntegrityError, match="other weights"):
        apply_delta(head(3), delta)
    with pytest.raises(NotFoundError):
        apply_delta({"other": base["dense/kernel"]}, delta)
    for broken in (b"", delta[:40], b"hello", delta[:-9]):
        with pytest.raises(IntegrityError):
            apply_delta(base, broken)
