"""A tiny digits model as TF.js files, with memory and release, for the tests of pages and of the learn worker."""

from __future__ import annotations

import json
import random
from array import array
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from py_edge.host.learner import Learner
from py_edge.model import load_model
from py_edge.records import ReleaseFile, digest_of_release

HIDDEN, CLASSES = 24, 10
LABELS = [str(digit) for digit in range(CLASSES)]
NAMES = {
    "hidden/kernel": (64, HIDDEN),
    "hidden/bias": (HIDDEN,),
    "out/kernel": (HIDDEN, CLASSES),
    "out/bias": (CLASSES,),
}


def digits() -> tuple[list[list[float]], list[int]]:
    """All 1,797 images as 64 values 0..1, and their labels."""
    from sklearn.datasets import load_digits  # type: ignore[import-untyped]

    data = load_digits()
    return (data.data / 16).tolist(), [int(label) for label in data.target]


def wire(rows: list[list[float]]) -> dict[str, Any]:
    """Rows as a tensor on the wire."""
    flat = array("f", [value for row in rows for value in row])
    return {"shape": [len(rows), 64], "dtype": "float32", "data": b64encode(flat.tobytes()).decode()}


def untrained(seed: int = 1) -> dict[str, bytes]:
    """A two-layer net with small random weights as model.json and one shard."""
    rng = random.Random(seed)
    dense = {"activation": "relu", "use_bias": True, "dtype": "float32", "trainable": True}
    layers = [
        {
            "class_name": "Dense",
            "config": {**dense, "name": "hidden", "units": HIDDEN, "batch_input_shape": [None, 64]},
        },
        {
            "class_name": "Dense",
            "config": {**dense, "name": "out", "units": CLASSES, "activation": "softmax"},
        },
    ]
    topology = {
        "keras_version": "2.15.0",
        "backend": "tensorflow",
        "model_config": {"class_name": "Sequential", "config": {"name": "digits", "layers": layers}},
    }
    data = array("f")
    for name, shape in NAMES.items():
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        data.extend(rng.gauss(0, 0.15) if name.endswith("kernel") else 0.0 for _ in range(count))
    weights = [{"name": name, "shape": list(shape), "dtype": "float32"} for name, shape in NAMES.items()]
    document = {
        "format": "layers-model",
        "generatedBy": "py_edge tests",
        "convertedBy": None,
        "modelTopology": topology,
        "weightsManifest": [{"paths": ["group1-shard1of1.bin"], "weights": weights}],
    }
    return {"model.json": json.dumps(document).encode(), "group1-shard1of1.bin": data.tobytes()}


def with_weights(files: Mapping[str, bytes], weights: Mapping[str, Any]) -> dict[str, bytes]:
    """The same model files with other weights."""
    data = b"".join(bytes(weights[name].data.cast("B")) for name in NAMES)
    return {**files, "group1-shard1of1.bin": data}


def trained_release(count: int = 150, threshold: float = 0.8) -> tuple[dict[str, Any], dict[str, bytes]]:
    """A release and its files: trained on the first `count` digits, with memory and plan."""
    images, labels = digits()
    memory = {"inputs": wire(images[:count]), "labels": labels[:count]}
    memory["calibration"] = {"inputs": wire(images[count : count + 50]), "labels": labels[count : count + 50]}
    files = {**untrained(), "memory.json": json.dumps(memory).encode()}
    metadata = {"labels": LABELS, "temperature": 1.0, "threshold": threshold}
    learner = Learner(files, metadata, "memory.json")
    flat = array("f", [value for row in images[:count] for value in row])
    options = {"epochs": 60, "batch": 32, "learning_rate": 0.01, "per_class": 1000}
    learner.learn(flat, labels[:count], [], array("f"), [], options)
    files = with_weights(files, learner.model.weights)
    files["wasm.plan"] = load_plan(files, metadata)
    listed = tuple(
        ReleaseFile(path, len(data), sha256(data).hexdigest()) for path, data in sorted(files.items())
    )
    release = {
        "name": "device",
        "version": 1,
        "digest": digest_of_release(listed, metadata),
        "files": [file.to_json() for file in listed],
        "metadata": metadata,
        "released_at_ms": 0,
    }
    return release, files


def load_plan(files: Mapping[str, bytes], metadata: Mapping[str, Any]) -> bytes:
    """The plan that the page's executor runs."""
    return (
        load_model({p: b for p, b in files.items() if p != "memory.json"})
        .plan(panel=8, meta=dict(metadata))
        .to_bytes()
    )
