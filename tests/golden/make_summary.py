"""What Keras tells of the golden layers-models: each layer with its output's shape and its count, and the totals.

usage: python make_summary.py     (environment: see converter.py); writes summary.json beside this file.
"""

import json
from pathlib import Path

import numpy as np
from converter import load

_, k3, k2, _ = load()
HERE = Path(__file__).parent
PLACELESS = {"Functional": type(k3.Model(x := k3.Input((1,)), x)), "Sequential": k3.Sequential}
"""The converter drops the modules of Keras 3's model classes."""

UNSHARED = {"n_twice__k3_keras"}
"""Made again from its topology, a layer that stands in two models becomes two."""


def rows(model):
    for layer in model.layers:
        if isinstance(layer, (k2.Model, k3.Model)):
            yield from rows(layer)
        elif type(layer).__name__ != "InputLayer":
            made = layer._inbound_nodes[-1]
            outputs = made.outputs if hasattr(made, "outputs") else made.output_tensors
            first = outputs[0] if isinstance(outputs, (list, tuple)) else outputs
            yield [layer.name, list(first.shape), layer.count_params()]


def count(weights):
    return int(sum(np.prod(weight.shape) for weight in weights))


def summary(folder):
    topology = json.loads((folder / "model.json").read_text())["modelTopology"]
    keras = k3 if topology["keras_version"].startswith("3") else k2
    with keras.utils.custom_object_scope(PLACELESS if keras is k3 else {}):
        model = keras.models.model_from_json(json.dumps(topology["model_config"]))
    return {
        "layers": list(rows(model)),
        "total": model.count_params(),
        "trainable": count(model.trainable_weights),
        "non_trainable": count(model.non_trainable_weights),
    }


found = {}
for folder in sorted((HERE / "models").iterdir()):
    if folder.name in UNSHARED or "layers-model" not in (folder / "model.json").read_text():
        continue
    try:
        found[folder.name] = summary(folder)
    except Exception as error:
        print(folder.name, "is not made again from its topology:", str(error).strip()[:150])
    (k2.backend if folder.name.count("k2") else k3.backend).clear_session()
lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(facts)}" for name, facts in found.items())
(HERE / "summary.json").write_text(f"{{\n{lines}\n}}\n")
