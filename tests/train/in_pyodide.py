"""What runs in Pyodide: the same steps as natively; the last expression is what Node prints.

Standard library and py_edge only. The caller compares with its own run of `report`.
"""

# mypy: ignore-errors

import json
import sys
import time

from py_edge.model import Model
from py_edge.tfjs import sequential
from py_edge.train.finetune import finetune
from py_edge.train.rehearsal import Reservoir
from tests.train.small import SmallModel

NOISY = [
    {"class_name": "GaussianNoise", "stddev": 0.3},
    {"class_name": "Dense", "units": 8, "activation": "selu"},
    {"class_name": "AlphaDropout", "rate": 0.1},
    {"class_name": "GaussianDropout", "rate": 0.2},
    {"class_name": "Dense", "units": 3, "activation": "softmax"},
]


def clouds(n, classes=3, size=4, seed=1):
    """Gaussian clouds around the corners."""
    import random

    from py_edge.tensor import Tensor

    rng = random.Random(seed)
    labels = [i % classes for i in range(n)]
    rows = [rng.gauss(2.0 * (c == j), 0.5) for c in labels for j in range(size)]
    return Tensor.from_flat(rows, (n, size)), Tensor.from_flat(labels, (n,), "int32")


def report():
    """Losses and last weights of four fits: all layers with dropout, with noise layers, the head, the head with rehearsal."""
    found = {}
    for name, options in {
        "all": {"layers": "all", "epochs": 5, "batch": 16},
        "noise": {"layers": "all", "epochs": 4, "batch": 16},
        "last": {"epochs": 5, "batch": 7},
        "rehearsal": {"epochs": 3, "batch": 8, "rehearsal": Reservoir(20), "replay": 2.0},
    }.items():
        model = (
            Model(sequential((4,), NOISY, seed=3))
            if name == "noise"
            else SmallModel([4, 16, 3], dropout=0.2 if name == "all" else 0.0)
        )
        for _ in range(2):
            history = finetune(model, *clouds(60), learning_rate=0.01, seed=4, **options)
        found[name] = {
            "losses": history.history["loss"],
            "weights": [v for n in sorted(model.weights) for v in model.weights[n].flat],
        }
    return found


def timed():
    """Milliseconds: importing is done; one fine-tune of a head, then steps of a 784-128-10 net at batch 32."""
    from py_edge.tensor import Tensor
    from py_edge.train.data import Rows
    from py_edge.train.optimizers import optimizer
    from py_edge.train.start import start
    from py_edge.train.step import Objective
    from py_edge.train.trainer import Examples, Trainer

    begin = time.perf_counter()
    finetune(SmallModel([64, 32, 10]), *clouds(40, 10, 64), epochs=10, batch=8)
    head = time.perf_counter() - begin
    found = {"fine_tune_head_ms": head * 1000}
    for rule in ("sgd", "adam"):
        model = SmallModel([784, 128, 10])
        trainer = Trainer(lambda n, m=model: m.forward(n, training=True), model.trainable,
                          Objective("sparseCategoricalCrossentropy"), optimizer(rule), start)  # fmt: skip
        x = Tensor.from_flat([0.001 * (i % 997) for i in range(64 * 784)], (64, 784))
        y = Tensor.from_flat([i % 10 for i in range(64)], (64,), "int32")
        examples = Examples({"x": Rows(x)}, {"truth": Rows(y)})
        begin = time.perf_counter()
        trainer.loop(32)
        found[f"t1_{rule}_compile_ms"] = (time.perf_counter() - begin) * 1000
        trainer.begin()
        took = []
        for i in range(60):
            begin = time.perf_counter()
            trainer.batch(examples, range(32 * (i % 2), 32 * (i % 2) + 32), 32)
            took.append(time.perf_counter() - begin)
        found[f"t1_{rule}_step_ms"] = sorted(took)[30] * 1000
    return found


result = json.dumps(
    {"report": report(), "timed": timed(), "foreign": [m for m in ("numpy", "sklearn") if m in sys.modules]}
)
result  # noqa: B018
