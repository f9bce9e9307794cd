"""Models that the converter emitted compute what Keras computed; so do the same models after saving."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from py_edge.tfjs import load_model
from py_edge.tfjs.conformance import check_case, run
from py_edge.tfjs.save import save_model
from py_edge.tfjs.session import Session
from tests.tfjs.engine import compiled

MODELS = Path(__file__).parent.parent / "golden" / "models"
SHARED = Path(__file__).parents[3] / "shared" / "conformance"


@pytest.mark.parametrize("name", sorted(path.name for path in MODELS.iterdir()))
def test_computes_what_keras_computed(name: str) -> None:
    """A converted model's outputs are Keras' outputs."""
    assert check_case(MODELS / name, Session(load_model(MODELS / name), compiled)) == ""


@pytest.mark.parametrize("name", sorted(path.name for path in MODELS.iterdir()))
def test_saved_again_it_computes_the_same(name: str, tmp_path: Path) -> None:
    """Load, save, load: the same outputs, whatever the format."""
    save_model(load_model(MODELS / name), tmp_path / "again", shard_bytes=1000)
    assert check_case(MODELS / name, Session(load_model(tmp_path / "again"), compiled)) == ""


@pytest.mark.skipif(not SHARED.exists(), reason="no shared conformance data here")
@pytest.mark.parametrize("part", ["converted", "layers", "random", "real"])
def test_conformance(part: str) -> None:
    """Every recorded model of the shared data agrees."""
    assert run(SHARED, compiled, [part])[part].failures == []


HALF_ROUNDING = 2.0**-11
"""Half a unit in the last of float16's eleven bits, relative."""


@pytest.mark.parametrize("path", sorted(MODELS.glob("mixed_half__*")), ids=lambda path: str(path.name))
def test_mixed_float16_is_computed_in_float32(path: Path) -> None:
    """We give what the net gives without the policy; Keras with it is apart by no more than its own roundings to float16,
    of input, weights, product, sum: each element's bound is computed from the weights."""
    session = Session(load_model(path), compiled)
    x, keras = np.load(path / "inputs.npy").astype("f8"), np.load(path / "half.npy")
    (ours,) = session.run({session.model.inputs[0].name: x.astype("f4")}).values()
    by_shape = {w.shape: np.abs(np.asarray(w)).astype("f8") for w in session.model.weights.values()}
    first, bias, second = by_shape[6, 5], by_shape[5,], by_shape[5, 2]
    product = np.abs(x) @ first
    bound = HALF_ROUNDING * 1.01 * (3 * product + bias + (product + bias)) @ second
    gap = np.abs(np.asarray(ours) - keras)
    assert (gap <= bound + 1e-6).all()
    assert gap.max() > 1e-5
