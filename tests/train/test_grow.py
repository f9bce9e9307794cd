"""A growing head: old answers stay, the new class can be learnt."""

from __future__ import annotations

import pytest

from py_edge.errors import UnsupportedError, ValueRangeError
from py_edge.model import Model
from py_edge.tensor import Tensor
from py_edge.tfjs import sequential
from py_edge.train.finetune import finetune
from py_edge.train.grow import grow_head
from py_edge.train.rehearsal import Reservoir
from tests.train.small import blobs

LAYERS = [
    {"class_name": "Dense", "units": 8, "activation": "relu"},
    {"class_name": "Dense", "units": 2, "activation": "softmax"},
]


def labels(model: Model, x: Tensor) -> list[int]:
    rows = model.predict(x)
    width = rows.shape[1]
    return [max(range(width), key=lambda c: rows.flat[i * width + c]) for i in range(rows.shape[0])]


def test_grown_head_learns_the_new_class_and_keeps_the_old() -> None:
    """Two classes, then a third: the head grows in place and replay keeps the first two."""
    x, y = blobs(90)
    old = [i for i in range(90) if y.flat[i] < 2]
    new = [i for i in range(90) if y.flat[i] == 2]

    def rows(at: list[int]) -> tuple[Tensor, Tensor]:
        values = [v for i in at for v in x.flat[i * 4 : i * 4 + 4]]
        return Tensor.from_flat(values, (len(at), 4)), Tensor.from_flat(
            [y.flat[i] for i in at], (len(at),), "int32"
        )

    model, memory = Model(sequential((4,), LAYERS, seed=2)), Reservoir(30)
    finetune(model, *rows(old), layers="all", epochs=20, learning_rate=0.02, rehearsal=memory)
    with pytest.raises(ValueRangeError, match="grow_head"):
        finetune(model, *rows(new))
    before = labels(model, x)
    grow_head(model, 3)
    assert [i for i in old if labels(model, x)[i] != before[i]] == []
    finetune(model, *rows(new), layers="all", epochs=40, learning_rate=0.02, batch=10, rehearsal=memory)
    found = labels(model, x)
    assert sum(found[i] == y.flat[i] for i in range(90)) > 80
    assert set(memory.counts()) == {0, 1, 2}


def test_what_cannot_grow_is_told() -> None:
    """A head that is no Dense layer, or fewer classes, must be refused."""
    model = Model(sequential((4,), LAYERS))
    with pytest.raises(ValueRangeError):
        grow_head(model, 1)
    with pytest.raises(UnsupportedError):
        grow_head(Model(sequential((4, 1), [{"class_name": "Conv1D", "filters": 2, "kernel_size": 2}])), 4)
