"""The wrapper around the Python converter: what it says without TensorFlow, and a real conversion where there is one."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from py_edge.errors import EnvironmentProblem, ModelFormatError, NotFoundError
from py_edge.tensor import Tensor
from py_edge.tfjs import load_model
from py_edge.tfjs.convert import convert, input_format, is_ready, python_of
from py_edge.tfjs.session import Session
from tests.tfjs.engine import compiled

_BENCH = Path(__file__).parents[2] / ".cache" / "bench" / "tensorflow"
TENSORFLOW = Path(os.environ.get("PY_EDGE_TENSORFLOW", _BENCH))


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


MAKE = """
import sys
import keras
import tf_keras
folder = sys.argv[1]
old = tf_keras.Sequential([tf_keras.layers.Input((4,)), tf_keras.layers.Dense(2, activation="tanh")])
old.save(folder + "/old.h5")
new = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2, activation="tanh")])
new.set_weights(old.get_weights())
new.save(folder + "/new.keras")
new.export(folder + "/saved", verbose=False)
print([float(v) for v in old.predict([[0.5, -1.0, 2.0, 0.25]], verbose=0)[0]])
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not is_ready(TENSORFLOW), reason="no TensorFlow environment; PY_EDGE_TENSORFLOW names one"
)
def test_converts_for_real(tmp_path: Path) -> None:
    """One net as .h5, .keras and SavedModel through the real converter: each loads and computes what Keras computed."""
    command = [str(python_of(TENSORFLOW)), "-c", MAKE, str(tmp_path)]
    made = subprocess.run(command, check=True, capture_output=True, text=True)
    want = json.loads(made.stdout.strip().splitlines()[-1])
    for name, options in (
        ("old.h5", ()),
        ("new.keras", ()),
        ("saved", ()),
        ("old.h5", ("--quantize_uint16",)),
    ):
        folder = tmp_path / "out" / "-".join((name, *options))
        session = Session(load_model(convert(tmp_path / name, folder, TENSORFLOW, options)), compiled)
        port = session.model.inputs[0]
        assert port.shape == (None, 4)
        (got,) = session.run({port.name: [[0.5, -1.0, 2.0, 0.25]]}).values()
        assert isinstance(got, Tensor)
        assert list(got.flat) == pytest.approx(want, abs=1e-3 if options else 1e-6)


@pytest.mark.slow
@pytest.mark.skipif(
    not is_ready(TENSORFLOW), reason="no TensorFlow environment; PY_EDGE_TENSORFLOW names one"
)
def test_tells_what_the_converter_said(tmp_path: Path) -> None:
    """A file that is none is refused with the converter's own last line."""
    (tmp_path / "broken.h5").write_bytes(b"\x89HDF\r\n\x1a\nnothing")
    with pytest.raises(ModelFormatError, match="the converter refused the model") as caught:
        convert(tmp_path / "broken.h5", tmp_path / "out", TENSORFLOW)
    assert caught.value.got
