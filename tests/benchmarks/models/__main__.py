"""`python -m tests.benchmarks.models --into FOLDER [ID ...]`: make the models, tell their hashes on stdout as JSON."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["TF_ENABLE_ONEDNN_OPTS"] = (
    "0"  # else the graph gets _MklLayerNorm, which TF.js's converter refuses
)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf  # type: ignore[import-untyped]
import tf_keras  # type: ignore[import-not-found]

from tests.benchmarks.models import export, small, transformers, vision
from tests.benchmarks.models.macs import count_macs
from tests.benchmarks.models.weights import digest, fill, generator

KERAS: dict[str, Callable[[], Any]] = {
    "A1": small.mlp, "A2": small.keyword_spotting, "A3": small.gru, "B1": vision.mobilenet_v1_small,
    "B2": vision.mobilenet_v2, "B3": vision.mobilenet_v3_small, "B4": vision.efficientnet_lite0,
    "B5": vision.mobilenet_v1, "B6": vision.resnet50, "B7": vision.pose,
}  # fmt: skip
TRAINED = {"T2": small.digits, "T3": small.head}
"""Only as TF.js layers: nobody trains the other formats in a page."""

ENCODERS = {"C1": transformers.BERT_TINY, "C2": transformers.MINI_LM}
TUNED = {"T5": transformers.TUNED}
"""Only as TF.js graph, for any number of rows."""
INPUTS = 4
"""Different inputs are fed call by call, so that nobody can remember an answer."""


def make(model_id: str, folder: Path) -> dict[str, Any]:
    """Write one model's folder; returns its card."""
    export.clean(folder)
    tf_keras.backend.clear_session()  # names of layers start anew, so that the files do not depend on what was made before
    rng = generator(model_id)
    if model_id in TRAINED:
        model = TRAINED[model_id]()
        fill(model)
        export.tfjs_layers(model, folder / "layers")
        return _card(
            model_id,
            folder,
            (1, *model.input_shape[1:]),
            [list(model.output_shape)],
            count_macs(model) / 1e6,
            model.get_weights(),
        )
    if model_id in TUNED:
        encoder, module = TUNED[model_id], tf.Module()
        w = transformers.weights(encoder, rng)
        row = (encoder.S, encoder.H)
        function = _fixed(
            lambda x: transformers.in_tensorflow(encoder, transformers.named(w), x, batched=True),
            (None, *row),
        )
        export.tfjs_graph(function, module, folder / "graph")
        return _card(model_id, folder, (1, *row), [[1, *row]], encoder.mmac, list(w.values()))
    if model_id in ENCODERS:
        encoder, model = ENCODERS[model_id], tf.Module()
        w = transformers.weights(encoder, rng)
        shape, hashed, mmac = (1, encoder.S, encoder.H), list(w.values()), encoder.mmac
        function = _fixed(lambda x: transformers.in_tensorflow(encoder, w, x), shape)
        export.save_onnx(transformers.in_onnx(encoder, w), folder / "model.onnx")
    else:
        model = KERAS[model_id]()
        fill(model)
        shape, hashed, mmac = (1, *model.input_shape[1:]), model.get_weights(), count_macs(model) / 1e6
        function = _fixed(lambda x: model(x, training=False), shape)
        export.tfjs_layers(model, folder / "layers")
        if model_id == "A3":
            export.onnx_gru(model, folder / "model.onnx")
        else:
            export.onnx_by_tf2onnx(function, list(function.input_signature), folder / "model.onnx")
    export.tfjs_graph(function, model, folder / "graph")
    export.tflite(function, model, folder / "model.tflite")

    inputs = rng.uniform(-1, 1, (INPUTS, *shape)).astype(np.float32)
    (folder / "input.f32").write_bytes(inputs.tobytes())
    found = [tf.nest.flatten(function(tf.constant(x))) for x in inputs]
    shapes = []
    for index, first in enumerate(found[0]):
        values = np.stack([row[index].numpy() for row in found])
        assert np.isfinite(values).all(), (model_id, index)
        assert values.std() > 1e-5, (model_id, index, values.std())
        (folder / f"output{index}.f32").write_bytes(values.astype(np.float32).tobytes())
        shapes.append(list(first.shape))
    return _card(model_id, folder, shape, shapes, mmac, hashed)


def _card(
    model_id: str, folder: Path, shape: tuple[int, ...], outputs: list[Any], mmac: float, weights: list[Any]
) -> dict[str, Any]:
    """Written beside the model, and with the hashes of all files returned."""
    card = {"id": model_id, "input": list(shape), "outputs": outputs, "count": INPUTS, "mmac": round(mmac, 3)}
    (folder / "card.json").write_text(json.dumps(card))
    files = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    return {**card, "weights_sha256": digest(weights), "files": files}


def _fixed(call: Callable[[Any], Any], shape: tuple[int | None, ...]) -> Any:
    return tf.function(call, input_signature=[tf.TensorSpec(shape, tf.float32, name="x")])


def main() -> None:
    """Make what was asked for; progress to stderr."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("ids", nargs="*", default=[*KERAS, *ENCODERS, *TRAINED, *TUNED])
    arguments = parser.parse_args()
    cards = {}
    for model_id in arguments.ids:
        print(f"making {model_id}", file=sys.stderr, flush=True)
        cards[model_id] = make(model_id, arguments.into / model_id)
    json.dump(cards, sys.stdout, indent=1)


main()
