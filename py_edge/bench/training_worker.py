"""One native trainer in a process of its own: `python -m py_edge.bench.training_worker ours|tensorflow`, one thread.

Reads tasks from stdin, one JSON per line (see training.py), answers each with {times, losses, bytes}. The tensorflow one runs
in the environment that has it.
"""

from __future__ import annotations

import json
import os
import random
import runpy
import sys
import time
from array import array
from collections.abc import Callable
from typing import Any

from py_edge.bench.mounts import BUILT
from py_edge.bench.places import MODELS, PACKAGE

Task = dict[str, Any]


def rows_of(task: Task) -> tuple[array[float], list[int]]:
    """Flat inputs and classes, the same in every process."""
    rng, rows = random.Random(0), task["batch"] * task["batches"]
    y = [rng.randrange(task["classes"]) for _ in range(rows)]
    return array("f", (rng.uniform(-1, 1) for _ in range(rows * task["size"]))), y


def ours(task: Task) -> dict[str, Any]:
    """The very function that the page runs in Pyodide."""
    folder = MODELS / task["model"] / task["format"]
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    train = runpy.run_path(str(PACKAGE / "bench" / "pages" / "training_ours.py"))["train"]
    return dict(train(files, *rows_of(task), task))


def tensorflow(task: Task) -> dict[str, Any]:
    """A compiled step of TensorFlow's network and Keras' optimizer, all layers in inference mode, as ours and TF.js' are."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import numpy as np
    import tensorflow as tf  # type: ignore[import-untyped]
    import tf_keras  # type: ignore[import-not-found]

    apply, chosen, shape = (_adapted if task["rank"] else _keras)(task)
    rule = {"sgd": tf_keras.optimizers.SGD, "adam": tf_keras.optimizers.Adam}[task["optimizer"]](task["rate"])
    classified = tf_keras.losses.SparseCategoricalCrossentropy()

    @tf.function  # type: ignore[untyped-decorator]
    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            out = apply(x)
            loss = tf.reduce_mean(tf.square(out - x)) if task["rank"] else classified(y, out)
        rule.apply_gradients(zip(tape.gradient(loss, chosen), chosen, strict=True))
        return loss

    flat, classes = rows_of(task)
    data = np.frombuffer(flat, np.float32).reshape((-1, *shape))
    truth, batch, batches = np.asarray(classes, np.int32), task["batch"], task["batches"]
    times, losses = [], []
    for turn in range(task["epochs"] * batches):
        at = turn % batches * batch
        before = time.perf_counter()
        loss = step(tf.constant(data[at : at + batch]), tf.constant(truth[at : at + batch]))
        losses.append(float(loss))
        times.append(1000 * (time.perf_counter() - before))
    means = [sum(losses[i : i + batches]) / batches for i in range(0, len(losses), batches)]
    return {"times": times, "losses": means, "bytes": 0}


def _keras(task: Task) -> tuple[Callable[[Any], Any], list[Any], tuple[int, ...]]:
    """The network, the weights that learn, the shape of a row."""
    from tests.benchmarks.models import small, vision
    from tests.benchmarks.models.weights import fill

    make = {"A1": small.mlp, "T2": small.digits, "T3": small.head, "B2": vision.mobilenet_v2}[task["model"]]
    model = make()
    fill(model)
    layers = [layer for layer in model.layers if not task["trained"] or layer.name in task["trained"]]
    chosen = [
        w for layer in layers if "BatchNorm" not in type(layer).__name__ for w in layer.trainable_weights
    ]
    return lambda x: model(x, training=False), chosen, model.input_shape[1:]


def _adapted(task: Task) -> tuple[Callable[[Any], Any], list[Any], tuple[int, ...]]:
    """The encoder with low-rank adapters beside its kernels; their first values come from ours."""
    import numpy as np
    import tensorflow as tf

    from tests.benchmarks.models import transformers
    from tests.benchmarks.models.weights import generator

    encoder, rank = transformers.TUNED, task["rank"]
    w = transformers.weights(encoder, generator(task["model"]))
    first = json.loads((BUILT / f"{task['model']}.adapters.json").read_text())
    adapters = {}
    for name, flat in first.items():
        own = name.split("layer_")[1]
        inputs, outputs = w[own].shape
        a = tf.Variable(np.reshape(np.asarray(flat, np.float32), (inputs, rank)))
        adapters[own] = a, tf.Variable(tf.zeros((rank, outputs)))

    def apply(x: Any) -> Any:
        return transformers.in_tensorflow(encoder, w, x, batched=True, adapters=adapters)

    return apply, [v for pair in adapters.values() for v in pair], (encoder.S, encoder.H)


def main() -> None:
    """Serve until stdin ends."""
    if sys.argv[1] == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    train: Callable[[Task], dict[str, Any]] = {"ours": ours, "tensorflow": tensorflow}[sys.argv[1]]
    for line in sys.stdin:
        try:
            answer: dict[str, Any] = {"value": train(json.loads(line))}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
