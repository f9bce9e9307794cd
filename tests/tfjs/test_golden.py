"""Models that the converter emitted compute what Keras computed; so do the same models after saving."""

from __future__ import annotations

from pathlib import Path

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
