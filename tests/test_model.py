"""A model predicts, keeps its plans until a weight changes, saves itself, and says what does not fit."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest

from py_edge.errors import NotFoundError, ShapeError, StorageError, UnsupportedError
from py_edge.model import Model, load_model
from py_edge.tensor import Tensor
from py_edge.tfjs import sequential


@pytest.fixture
def dense() -> Model:
    """Two dense layers of our own making, 4 -> 5 -> 3."""
    layers = [
        {"class_name": "Dense", "units": 5, "activation": "relu"},
        {"class_name": "Dense", "units": 3, "activation": "softmax"},
    ]
    return Model(sequential((4,), layers, seed=1))


def test_it_computes_what_its_layers_say(dense: Model) -> None:
    """Two matrix products, relu and softmax in numpy give the same numbers, for any batch."""
    weights = {name.split("/", 1)[-1] + name[:7]: np.asarray(value) for name, value in dense.weights.items()}
    kernels = [value for value in weights.values() if value.ndim == 2]
    x = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)

    scores = np.maximum(x @ kernels[0], 0) @ kernels[1]
    want = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)

    np.testing.assert_allclose(np.asarray(dense.predict(x)), want, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(dense.predict(x[:2].tolist())), want[:2], rtol=1e-5)


def test_a_changed_weight_changes_the_answer(dense: Model) -> None:
    """Plans made before the change are not used after it; a refused change leaves everything as it was."""
    x = [[1.0, 2.0, 3.0, 4.0]]
    before = dense.predict(x).tolist()
    bias = next(name for name, value in dense.weights.items() if value.shape == (3,))

    with pytest.raises(ShapeError):
        dense.set_weights({bias: Tensor.of([1.0])})
    with pytest.raises(NotFoundError):
        dense.set_weights({"no such weight": Tensor.of([1.0])})
    assert dense.predict(x).tolist() == before
    dense.set_weights({bias: Tensor.of([0.0, 50.0, 0.0])})

    assert np.argmax(dense.predict(x).tolist()) == 1


def test_what_is_saved_loads_and_computes_the_same(dense: Model, tmp_path: Path) -> None:
    """Weights, topology and metadata survive the TF.js files."""
    x = [[1.0, -2.0, 3.0, 0.5]]

    dense.save(tmp_path / "model", {"labels": ["a", "b", "c"]})
    again = load_model(tmp_path / "model")

    assert again.predict(x).tolist() == dense.predict(x).tolist()
    assert again.metadata["labels"] == ["a", "b", "c"]


def test_a_wrong_input_is_refused_with_both_shapes(dense: Model) -> None:
    """The error tells what came and what the model takes."""
    with pytest.raises(ShapeError, match="4"):
        dense.predict([[1.0, 2.0]])


def test_a_copy_and_a_pickle_compute_the_same(dense: Model) -> None:
    """Whether it predicted before or not; the copy's weights are its own."""
    x = [[1.0, -2.0, 3.0, 0.5]]
    want = dense.predict(x)

    again, other = pickle.loads(pickle.dumps(dense)), copy.deepcopy(dense)
    other.set_weights({name: Tensor.zeros(value.shape) for name, value in other.weights.items()})

    assert again.predict(x) == dense.predict(x) == want != other.predict(x)
    assert repr(again) == repr(dense) != ""
    assert "(?, 4) float32 -> " in repr(dense)
    assert repr(dense).endswith("43 parameters)")


def test_rows_of_another_shape_hear_how_to_reshape(dense: Model) -> None:
    """One example without the batch axis has the right number of values: the error says what to call."""
    with pytest.raises(ShapeError, match=r"reshape\(\(-1, 4\)\)"):
        dense.predict([1.0, 2.0, 3.0, 4.0])
    with pytest.raises(ShapeError) as error:
        dense.predict([1.0, 2.0, 3.0])
    assert error.value.remedy == ""
    assert dense.predict(np.zeros((0, 4))).shape == (0, 3)


def test_several_inputs_come_by_name_or_in_order() -> None:
    """A mapping or a list of as many give the same; anything else names what is wanted."""
    model = load_model(Path(__file__).parent / "golden" / "models" / "n_multi__k3_h5")
    inputs = {
        port.name: np.full([2 if d is None else d for d in port.shape], i + 1.0)
        for i, port in enumerate(model.inputs)
    }

    assert model.predict(list(inputs.values())) == model.predict(inputs)
    with pytest.raises(ShapeError, match="several inputs"):
        model.predict(next(iter(inputs.values())))


def test_where_there_is_no_model_the_folder_is_named(dense: Model, tmp_path: Path) -> None:
    """An empty folder, a SavedModel, and a place where nothing can be saved each have an error with the path."""
    with pytest.raises(NotFoundError, match=str(tmp_path)):
        load_model(tmp_path)
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(UnsupportedError, match="py-edge convert"):
        load_model(tmp_path)
    with pytest.raises(StorageError, match=r"saved_model\.pb"):
        dense.save(tmp_path / "saved_model.pb")
