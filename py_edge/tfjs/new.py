"""New models from a short description: Keras layer configs, weights drawn from their initialisers with a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

from py_edge.tfjs.layers.call import Training
from py_edge.tfjs.layers_model import LayersModel, input_port, lower, read_layers_model, topology_of
from py_edge.tfjs.limits import scan_json
from py_edge.tfjs.naming import Fresh, snake_case
from py_edge.tfjs.read_network import read_network
from py_edge.tfjs.strict_json import parse_json

_GENERATOR = "py_edge"


def sequential(
    input_shape: Sequence[int | None], layers: Sequence[Mapping[str, Any]], *, seed: int = 0, name: str = "sequential",
    metadata: Mapping[str, Any] | None = None, dtype: str = "float32",
) -> LayersModel:  # fmt: skip
    """A new Sequential model: input_shape without the batch, layers as {"class_name": "Dense", "units": 10, ...}.

    Everything beside class_name is the layer's Keras config; a missing name is made from the class.
    Example: sequential((8, 8, 1), [{"class_name": "Flatten"}, {"class_name": "Dense", "units": 10}], seed=1)
    Raises ModelFormatError and its kin, as load_model.
    """
    entry = {"class_name": "InputLayer", "config": {
        "name": "input", "batch_input_shape": [None, *input_shape], "dtype": dtype, "sparse": False}}  # fmt: skip
    counts: dict[str, int] = {}
    described = [_layer(item, counts) for item in layers]
    return build(
        {"class_name": "Sequential", "config": {"name": name, "layers": [entry, *described]}}, seed, metadata
    )


def _layer(item: Mapping[str, Any], counts: dict[str, int]) -> dict[str, Any]:
    kind = str(item["class_name"])
    config = dict(item.get("config") or {key: value for key, value in item.items() if key != "class_name"})
    base = snake_case(kind)
    turn = counts.get(base, 0)
    counts[base] = turn + 1
    return {
        "class_name": kind,
        "config": {"name": base if turn == 0 else f"{base}_{turn}", "trainable": True, **config},
    }


def build(
    model_config: Mapping[str, Any], seed: int = 0, metadata: Mapping[str, Any] | None = None
) -> LayersModel:
    """A new model from any {class_name, config} topology, Functional too."""
    topology = {"model_config": model_config, "keras_version": "2.15.0", "backend": "tensorflow"}
    document: dict[str, Any] = {"format": "layers-model", "generatedBy": _GENERATOR, "convertedBy": None,
                                "modelTopology": topology}  # fmt: skip
    if metadata:
        document["userDefinedMetadata"] = dict(metadata)
    raw = json.dumps(document).encode()
    scan_json(raw, "a new model")
    document = parse_json(raw, "a new model")
    config, where, dialect = topology_of(document)
    source = Fresh()
    network = read_network(config, where, dialect)
    ports = [input_port(network.layers[entry]) for entry in network.inputs]
    shapes = {
        p.name: tuple((1 if i == 0 else 8) if d is None else d for i, d in enumerate(p.shape)) for p in ports
    }
    lower(network, ports, shapes, [], Training(), dialect, source, random.Random(seed))
    return read_layers_model(document, lambda: (dict(source.made), {}))
