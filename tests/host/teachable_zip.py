"""A zip as Teachable Machine exports it (model.json, weights.bin, metadata.json), with a small net and our own saver."""

from __future__ import annotations

import io
import json
import random
import zipfile
from array import array
from typing import Any

from py_edge.model import load_model
from py_edge.tfjs.save import to_files

SIDE = 16
LABELS = ["day", "night"]
SHAPES = {
    "conv/kernel": (3, 3, 3, 4), "conv/bias": (4,), "dense_1/kernel": (4, 6), "dense_1/bias": (6,), "dense_2/kernel": (6, 2),
}  # fmt: skip


def _layer(kind: str, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": name, "trainable": True, "dtype": "float32", **config}}


def _nested(name: str, *layers: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": name, "layers": list(layers)}}


def teachable_files(seed: int = 0) -> dict[str, bytes]:
    """The three files: a Sequential of a Sequential of features and a Sequential of two dense layers."""
    conv = _layer("Conv2D", "conv", filters=4, kernel_size=[3, 3], strides=[2, 2], padding="same", activation="relu",
                  use_bias=True, batch_input_shape=[None, SIDE, SIDE, 3])  # fmt: skip
    features = _nested("sequential_1", conv, _layer("GlobalAveragePooling2D", "pool"))
    first = _layer("Dense", "dense_1", units=6, activation="relu", use_bias=True, batch_input_shape=[None, 4])
    head = _nested("sequential_3", first, _layer("Dense", "dense_2", units=2, activation="softmax", use_bias=False))  # fmt: skip
    rng, data = random.Random(seed), array("f")
    for shape in SHAPES.values():
        size = 1
        for width in shape:
            size *= width
        data.extend(rng.gauss(0, 0.5) for _ in range(size))
    weights = [{"name": name, "shape": list(shape), "dtype": "float32"} for name, shape in SHAPES.items()]
    topology = {"keras_version": "tfjs-layers 1.3.1", "backend": "tensor_flow.js", "model_config": _nested("sequential_4", features, head)}  # fmt: skip
    document = {
        "format": "layers-model", "modelTopology": topology, "weightsManifest": [{"paths": ["w.bin"], "weights": weights}],
    }  # fmt: skip
    saved = to_files(load_model({"model.json": json.dumps(document).encode(), "w.bin": data.tobytes()}).tfjs)
    [shard] = [name for name in saved if name.endswith(".bin")]
    text = saved["model.json"].replace(shard.encode(), b"weights.bin")
    metadata = {
        "tfjsVersion": "1.3.1", "tmVersion": "2.4.7", "packageName": "@teachablemachine/image", "userMetadata": {},
        "modelName": "tm-my-image-model", "labels": LABELS, "imageSize": SIDE,
    }  # fmt: skip
    return {
        "model.json": text,
        "weights.bin": saved[shard],
        "metadata.json": json.dumps(metadata).encode(),
    }


def zipped(files: dict[str, bytes]) -> bytes:
    """The files as one deflated zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()
