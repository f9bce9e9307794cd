"""What we write is TF.js' layout, and it comes back bit for bit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from py_edge.errors import IntegrityError, NotFoundError, ShapeError
from py_edge.tensor import Tensor
from py_edge.tfjs import load_model, sequential
from py_edge.tfjs.save import save_model, to_files

LAYERS = [
    {"class_name": "Dense", "units": 8, "activation": "relu"},
    {"class_name": "Dense", "units": 3, "activation": "softmax"},
]


def test_shards_and_metadata(tmp_path: Path) -> None:
    """Weights cut into shards of the wanted size, metadata where TF.js looks for it."""
    model = sequential((4,), LAYERS, seed=1)
    save_model(model, tmp_path, {"labels": ["a", "b", "c"]}, shard_bytes=100)
    document = json.loads((tmp_path / "model.json").read_text())
    sizes = [(tmp_path / path).stat().st_size for path in document["weightsManifest"][0]["paths"]]
    assert (sizes, document["format"]) == ([100, 100, 68], "layers-model")
    again = load_model(tmp_path)
    assert again.metadata == {"labels": ["a", "b", "c"]}
    assert {n: w.tobytes() for n, w in again.weights.items()} == {
        n: w.tobytes() for n, w in model.weights.items()
    }


def test_a_flipped_bit_is_found() -> None:
    """Our own files carry digests: one changed bit is E_INTEGRITY."""
    files = to_files(sequential((4,), LAYERS))
    name = next(n for n in files if n.endswith(".bin"))
    files[name] = bytes([files[name][0] ^ 1]) + files[name][1:]
    with pytest.raises(IntegrityError):
        load_model(files)


def test_swapped_shards_are_found() -> None:
    """Shards in another order, right in total: E_INTEGRITY."""
    files = to_files(sequential((4,), LAYERS), shard_bytes=134)
    one, two = (n for n in sorted(files) if n.endswith(".bin"))
    files[one], files[two] = files[two], files[one]
    with pytest.raises(IntegrityError):
        load_model(files)


def test_same_seed_same_model() -> None:
    """A new model is a pure function of its description and seed."""
    assert to_files(sequential((4,), LAYERS, seed=3)) == to_files(sequential((4,), LAYERS, seed=3))
    assert to_files(sequential((4,), LAYERS, seed=3)) != to_files(sequential((4,), LAYERS, seed=4))


def test_changed_weights_are_checked() -> None:
    """with_weights takes the same shapes only, and leaves the old model alone."""
    model = sequential((4,), LAYERS)
    name = next(iter(model.weights))
    fresh = model.with_weights({name: Tensor.zeros(model.weights[name].shape)})
    assert not any(fresh.weights[name].flat)
    assert any(model.weights[name].flat)
    with pytest.raises(ShapeError):
        model.with_weights({name: Tensor.zeros((1,))})
    with pytest.raises(NotFoundError):
        model.with_weights({"nobody": Tensor.zeros((1,))})
