"""What a fit refuses before it begins, and what it undoes: cases L119 to L123 of the catalogue of bad input."""

from __future__ import annotations

import math
from typing import Any

import pytest

from py_edge.errors import PyEdgeError, ShapeError
from py_edge.tensor import Tensor
from py_edge.train.finetune import finetune
from py_edge.train.optimizers import Optimizer, optimizer
from tests.train.reference_run import ReferenceRun
from tests.train.small import SmallModel, blobs

BAD: dict[str, dict[str, Any]] = {
    "L119 unknown loss": {"loss": "nonsense"},
    "L119 unknown optimizer": {"optimizer": "gradient_magic"},
    "L119 unknown metric": {"metrics": ("beauty",)},
    "L120 rate NaN": {"learning_rate": math.nan},
    "L120 rate infinite": {"learning_rate": math.inf},
    "L120 rate negative": {"learning_rate": -0.1},
    "L120 rate 1e30": {"learning_rate": 1e30},
    "L120 rate 1e30 in an Optimizer": {"optimizer": Optimizer("sgd", 1e30)},
    "L121 class above": {"y": Tensor.from_flat([3] * 20, (20,), "int32")},
    "L121 class below": {"y": Tensor.from_flat([-1] * 20, (20,), "int32")},
    "L122 batch 0": {"batch": 0},
    "L122 epochs -1": {"epochs": -1},
}


def state(model: SmallModel) -> dict[str, bytes]:
    return {name: tensor.tobytes() for name, tensor in model.weights.items()}


@pytest.mark.parametrize("name", BAD)
def test_refused_before_it_begins(name: str) -> None:
    """A bad argument is E_VALUE and leaves every weight as it was."""
    model, (x, y) = SmallModel([4, 8, 3]), blobs(20)
    before = state(model)
    arguments: dict[str, Any] = {"x": x, "y": y, "start": ReferenceRun, **BAD[name]}
    with pytest.raises(PyEdgeError) as caught:
        finetune(model, **arguments)
    assert caught.value.code == "E_VALUE"
    assert state(model) == before


@pytest.mark.parametrize("strange", [-1, 3])
def test_the_class_that_is_none_is_named(strange: int) -> None:
    """Among classes that the model has, the one that it has not is what came."""
    y = Tensor.from_flat([0, 2, strange, 1] * 5, (20,), "int32")
    with pytest.raises(PyEdgeError) as caught:
        finetune(SmallModel([4, 8, 3]), blobs(20)[0], y, start=ReferenceRun)
    assert (caught.value.got, caught.value.want) == (strange, "0..2")


@pytest.mark.parametrize(("rows", "labels"), [(20, 19), (19, 20), (0, 0), (0, 20)])
def test_examples_that_do_not_pair_are_refused(rows: int, labels: int) -> None:
    """Fewer labels than examples, fewer examples than labels, none at all: E_SHAPE, and no weight moves."""
    model = SmallModel([4, 8, 3])
    before = state(model)
    y = Tensor.from_flat([0] * labels, (labels,), "int32")
    with pytest.raises(ShapeError, match="no example" if rows == 0 else "unequal"):
        finetune(model, Tensor.zeros((rows, 4)), y, start=ReferenceRun)
    assert state(model) == before


@pytest.mark.parametrize("step", [1, 3, 6])
def test_a_loss_that_is_no_number_goes_back(step: int) -> None:
    """L123: when step k gives no number, the weights of the last good epoch come back and the History says so."""
    per_epoch, (x, y) = 3, blobs(30)

    def rate(iteration: int) -> float:
        return 1e30 if iteration == step else 0.01

    model = SmallModel([4, 8, 3])
    common: dict[str, Any] = {"layers": "all", "batch": 10, "seed": 5, "start": ReferenceRun}
    history = finetune(model, x, y, epochs=5, optimizer=optimizer("sgd", rate), **common)
    assert (history.stopped, history.rolled_back) == ("diverged", True)
    good = SmallModel([4, 8, 3])
    finetune(good, x, y, epochs=step // per_epoch, optimizer=optimizer("sgd", 0.01), **common)
    assert state(model) == state(good)
