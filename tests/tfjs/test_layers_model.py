"""Every name that TensorFlow.js' own registry knows is known here."""

from __future__ import annotations

from pathlib import Path

import pytest

from py_edge.tfjs import conformance_own, sequential
from py_edge.tfjs.initializers import CONSTRAINTS, REGULARIZERS, check_initializer, check_one_of
from py_edge.tfjs.layers.activations import activation_of
from py_edge.tfjs.layers.cells import CELLS
from py_edge.tfjs.layers.table import LAYERS
from py_edge.tfjs.load import load_model
from py_edge.tfjs.network import NETWORKS
from tests.tfjs.engine import compiled

CHECKOUT = Path(__file__).parents[2]
LISTED = [line.split() for line in (CHECKOUT / "tests/golden/layer_list.txt").read_text().splitlines()]

ACTIVATIONS = "elu selu relu relu6 linear sigmoid hardSigmoid softplus softsign tanh softmax logSoftmax gelu gelu_new mish swish"
INITIALIZERS = (
    "Zeros Ones Constant RandomUniform RandomNormal TruncatedNormal Identity VarianceScaling GlorotUniform "
    "GlorotNormal HeNormal HeUniform LeCunNormal LeCunUniform Orthogonal"
)


def test_all_layers_of_tfjs() -> None:
    """66 layers and 3 model classes of TF.js 4.22; of Keras' others only those with a reason are refused."""
    tfjs = {name for name, *homes in LISTED if "tfjs" in homes}
    assert len(tfjs) == 69
    assert tfjs - {*LAYERS, *NETWORKS, *CELLS, "InputLayer"} == set()
    part = conformance_own.others(CHECKOUT, compiled)["layer_names"](CHECKOUT)
    assert part is not None
    assert (part.failures, part.passed + len(part.argued)) == ([], part.total)


def test_all_other_names_of_tfjs() -> None:
    """16 activations, 15 initializers, the regularizer and its two Keras spellings, 4 constraints."""
    for name in ACTIVATIONS.split():
        assert callable(activation_of(name, ""))
    for name in INITIALIZERS.split():
        check_initializer({"class_name": name, "config": {}}, "")
    for name in ("L1L2", "L1", "L2"):
        check_one_of({"class_name": name, "config": {}}, REGULARIZERS, "", "regularizer")
    for name in ("MaxNorm", "UnitNorm", "NonNeg", "MinMaxNorm"):
        check_one_of({"class_name": name, "config": {}}, CONSTRAINTS, "", "constraint")


@pytest.mark.parametrize(
    ("name", "learnt", "statistics"),
    [
        ("seq_plain__k3_keras", 8, 2),
        ("td_model__k3_h5", 4, 0),
        ("n_twice__k3_keras", 2, 0),
        ("residual__k2_h5", 9, 2),
    ],
)
def test_what_learns_is_told_by_role(name: str, learnt: int, statistics: int) -> None:
    """However a format calls its weights: moving statistics do not learn, a wrapped model does, a shared layer counts once."""
    model = load_model(CHECKOUT / "tests" / "golden" / "models" / name)
    still = [weight for part in model.layers for weight in part.still]
    assert (len(model.trainable), len(set(model.trainable)), len(still)) == (learnt, learnt, statistics)
    assert set(model.trainable) | set(still) == set(model.weights)


def test_a_frozen_layer_inside_a_wrapper_stands_still() -> None:
    """As in Keras, what a wrapper holds may be frozen by its own config: a layer, or some layers of a model."""
    dense = {"class_name": "Dense", "config": {"name": "d", "units": 2, "trainable": False}}
    learning = {"class_name": "Dense", "config": {"name": "e", "units": 2, "trainable": True}}
    entry = {"class_name": "InputLayer", "config": {"name": "i", "batch_input_shape": [None, 2]}}
    both = {"class_name": "Sequential", "config": {"name": "s", "layers": [entry, dense, learning]}}
    for inner, learnt in ((dense, set()), (learning, {"kernel", "bias"}), (both, {"kernel", "bias"})):
        model = sequential((3, 2), [{"class_name": "TimeDistributed", "layer": inner}])
        assert {name.rpartition("/")[2] for name in model.trainable} == learnt
        assert len(model.trainable) == len(learnt)
