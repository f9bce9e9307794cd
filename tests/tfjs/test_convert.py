"""The wrapper around the Python converter: what it says without TensorFlow, and a real conversion where there is one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from py_edge.errors import EnvironmentProblem, ModelFormatError, NotFoundError
from py_edge.tfjs import load_model
from py_edge.tfjs.convert import convert, input_format, python_of


def test_tells_what_is_missing(tmp_path: Path) -> None:
    """Without TensorFlow the error says so and what to do."""
    (tmp_path / "m.h5").write_bytes(b"\x89HDF")
    with pytest.raises(EnvironmentProblem, match="TensorFlow is not there") as caught:
        convert(tmp_path / "m.h5", tmp_path / "out", tmp_path / "none")
    assert "--install" in caught.value.remedy


def test_knows_the_formats(tmp_path: Path) -> None:
    """Files by suffix, folders by saved_model.pb; everything else is refused by name."""
    (tmp_path / "a.keras").write_bytes(b"PK")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"")
    assert input_format(tmp_path / "a.keras") == "keras_keras"
    assert input_format(tmp_path / "saved") == "tf_saved_model"
    (tmp_path / "b.onnx").write_bytes(b"")
    with pytest.raises(ModelFormatError):
        input_format(tmp_path / "b.onnx")
    with pytest.raises(NotFoundError):
        input_format(tmp_path / "absent.h5")


@pytest.mark.slow
@pytest.mark.skipif("PY_EDGE_TENSORFLOW" not in os.environ, reason="no TensorFlow environment named")
def test_converts_for_real(tmp_path: Path) -> None:
    """A Keras 3 model through the real converter loads. PY_EDGE_TENSORFLOW names the environment."""
    import subprocess

    environment = Path(os.environ["PY_EDGE_TENSORFLOW"])
    make = "import keras, sys; keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2)]).save(sys.argv[1])"
    subprocess.run(
        [str(python_of(environment)), "-c", make, str(tmp_path / "m.keras")], check=True, capture_output=True
    )
    path = convert(tmp_path / "m.keras", tmp_path / "out", environment)
    assert load_model(path).inputs[0].shape == (None, 4)
