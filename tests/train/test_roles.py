"""Biases and kernels are found by what reads them, whatever a format calls them."""

from __future__ import annotations

from pathlib import Path

import pytest

from py_edge.model import load_model
from py_edge.tensor import Tensor
from py_edge.tfjs.conformance import read_npy
from py_edge.train.finetune import finetune
from py_edge.train.roles import biases, multiplies

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "models"
NAMED = (
    "residual__k2_h5",
    "m_bi_rnn__k2_h5",
    "embed_mask_lstm__k2_h5",
    "m_mha_scores__k3_h5",
    "td_model__k3_h5",
    "f_split__k3_h5",
)
"""Layers-models whose weights are named by their roles."""


@pytest.mark.parametrize("name", NAMED)
def test_the_graph_knows_what_the_names_say(name: str) -> None:
    """Where the names tell the role, what is only added must be `bias` and `beta`, and what multiplies the kernels, but for
    those of depthwise convolutions, which mix no channels."""
    graph = load_model(GOLDEN / name).forward(2)
    roles = {weight: weight.rpartition("/")[2] for weight in graph.variables.values()}
    assert biases(graph) == {weight for weight, role in roles.items() if role in ("bias", "beta")}
    kernels = {weight for value, weight in graph.variables.items() if multiplies(graph, value)}
    wanted = {weight for weight, role in roles.items() if role.endswith("kernel")}
    assert kernels == {weight for weight in wanted if roles[weight] != "depthwise_kernel"}


@pytest.mark.parametrize(("name", "count"), [("transformer__k2_saved", 9), ("transformer__k3_keras", 9)])
def test_biases_alone_learn_in_any_format(name: str, count: int) -> None:
    """Three projections and the output of the attention, two shifts of norms, three dense layers: they move, nothing else."""
    model = load_model(GOLDEN / name)
    before, x = dict(model.weights), read_npy(GOLDEN / name / "inputs.npy")
    assert isinstance(x, Tensor)
    y = Tensor.zeros((x.shape[0], 2))
    history = finetune(model, x, y, layers="biases", epochs=3, loss="meanSquaredError", metrics=())
    changed = {weight for weight, tensor in model.weights.items() if tensor.data != before[weight].data}
    assert (len(changed), set(history.trained) - changed) == (count, set())
    assert history.history["loss"][-1] < history.history["loss"][0]
