"""Record what Keras computes: metrics, penalties, constraints, schedules, smoothed losses, initializers -> tests/golden/keras_rules.json.gz.

Needs an environment of its own: pip install tensorflow-cpu==2.19.1 tf_keras==2.19.0. Run: python record_rules.py OUTPUT
"""

# mypy: ignore-errors

from __future__ import annotations

import gzip
import json
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tf_keras as keras

C, M, R, S = keras.constraints, keras.metrics, keras.regularizers, keras.optimizers.schedules
N = keras.initializers
BATCHES, ROWS, CLASSES = 3, 6, 7

METRICS = {  # our name: (Keras' metric, kind of truth)
    "binary_accuracy": (M.BinaryAccuracy, "binary"), "categorical_accuracy": (M.CategoricalAccuracy, "onehot"),
    "sparse_categorical_accuracy": (M.SparseCategoricalAccuracy, "sparse"),
    "top_k_categorical_accuracy": (M.TopKCategoricalAccuracy, "onehot"), "precision": (M.Precision, "binary"),
    "recall": (M.Recall, "binary"), "binary_crossentropy": (M.BinaryCrossentropy, "binary"),
    "categorical_crossentropy": (M.CategoricalCrossentropy, "onehot"),
    "sparse_categorical_crossentropy": (M.SparseCategoricalCrossentropy, "sparse"), "mse": (M.MeanSquaredError, "any"),
    "mae": (M.MeanAbsoluteError, "any"), "mape": (M.MeanAbsolutePercentageError, "any"),
    "msle": (M.MeanSquaredLogarithmicError, "binary"), "cosine_similarity": (M.CosineSimilarity, "any"),
    "hinge": (M.Hinge, "binary"), "squared_hinge": (M.SquaredHinge, "binary"), "categorical_hinge": (M.CategoricalHinge, "onehot"),
    "kl_divergence": (M.KLDivergence, "onehot"), "poisson": (M.Poisson, "binary"), "logcosh": (M.LogCoshError, "any"),
    "r2_score": (M.R2Score, "column"),
}  # fmt: skip


def record_metric(name, rng):
    make, kind = METRICS[name]
    metric, batches = make(), []
    for _ in range(BATCHES):
        truth = {
            "any": lambda: rng.normal(size=(ROWS, CLASSES)), "column": lambda: rng.normal(size=(ROWS, 1)),
            "binary": lambda: rng.choice([0.0, 1.0], (ROWS, CLASSES)), "onehot": lambda: np.eye(CLASSES)[rng.integers(0, CLASSES, ROWS)],
            "sparse": lambda: rng.integers(0, CLASSES, ROWS),
        }[kind]().astype(np.int32 if kind == "sparse" else np.float32)  # fmt: skip
        drawn = {"onehot": lambda: rng.dirichlet(np.ones(CLASSES), ROWS), "sparse": lambda: rng.dirichlet(np.ones(CLASSES), ROWS),
                 "binary": lambda: rng.uniform(size=(ROWS, CLASSES)), "any": lambda: rng.normal(size=(ROWS, CLASSES)),
                 "column": lambda: rng.normal(size=(ROWS, 1))}[kind]().astype(np.float32)  # fmt: skip
        weights = rng.uniform(0, 2, ROWS).astype(np.float32)
        spread = np.repeat(weights[:, None], CLASSES, 1) if name in ("precision", "recall") else weights
        metric.update_state(truth, drawn, spread)
        batches.append({"truth": truth.tolist(), "prediction": drawn.tolist(), "weights": weights.tolist()})
    return {"name": name, "batches": batches, "value": float(metric.result())}


PENALTIES = {"l1": R.L1(0.03), "l2": R.L2(0.02), "l1l2": R.L1L2(0.03, 0.02), "none": R.L1L2()}
CONSTRAINTS = {
    "max_norm": C.MaxNorm(0.8), "max_norm_rows": C.MaxNorm(0.8, axis=1), "max_norm_both": C.MaxNorm(0.8, axis=[0, 1]),
    "unit_norm": C.UnitNorm(), "non_neg": C.NonNeg(), "min_max_norm": C.MinMaxNorm(0.9, 1.1, rate=0.7, axis=0),
}  # fmt: skip
SCHEDULES = {  # function of ours and its arguments: Keras'
    "exponential_decay": ([0.1, 10, 0.9], {}, S.ExponentialDecay(0.1, 10, 0.9)),
    "exponential_decay.staircase": ([0.1, 10, 0.9], {"staircase": True}, S.ExponentialDecay(0.1, 10, 0.9, staircase=True)),
    "piecewise_constant": ([[5, 20], [0.1, 0.05, 0.01]], {}, S.PiecewiseConstantDecay([5, 20], [0.1, 0.05, 0.01])),
    "polynomial_decay": ([0.1, 30], {"end": 0.01, "power": 2.0}, S.PolynomialDecay(0.1, 30, 0.01, 2.0)),
    "inverse_time_decay": ([0.1, 10, 0.5], {}, S.InverseTimeDecay(0.1, 10, 0.5)),
    "cosine_decay": ([0.1, 30], {"alpha": 0.1}, S.CosineDecay(0.1, 30, 0.1)),
    "cosine_decay.warmup": ([0.2, 30], {"warmup_steps": 8, "start": 0.02},
                            S.CosineDecay(0.02, 30, warmup_target=0.2, warmup_steps=8)),
}  # fmt: skip
AT = [0, 1, 4, 5, 6, 9, 10, 19, 20, 21, 30, 38, 50]
INITIALIZERS = {
    "glorot_uniform": N.GlorotUniform, "glorot_normal": N.GlorotNormal, "he_uniform": N.HeUniform, "he_normal": N.HeNormal,
    "lecun_uniform": N.LecunUniform, "lecun_normal": N.LecunNormal, "random_uniform": N.RandomUniform, "random_normal": N.RandomNormal,
    "truncated_normal": N.TruncatedNormal, "orthogonal": N.Orthogonal, "variance_scaling": N.VarianceScaling,
    "zeros": N.Zeros, "ones": N.Ones, "constant": N.Constant, "identity": N.Identity,
}  # fmt: skip
SHAPES = {"orthogonal": (40, 30), "identity": (30, 30)}


def record_initializer(name):
    make = INITIALIZERS[name]
    shape = SHAPES.get(name, (3, 3, 20, 40))
    own = make() if name in ("zeros", "ones", "constant", "identity") else make(seed=7)
    drawn = np.asarray(own(shape))
    found = {
        "name": name,
        "shape": shape,
        "config": own.get_config(),
        "low": float(drawn.min()),
        "high": float(drawn.max()),
    }
    return {**found, "mean": float(drawn.mean()), "deviation": float(drawn.std())}  # fmt: skip


def record_smoothed(name, rng):
    truth = (
        np.eye(4)[rng.integers(0, 4, 6)]
        if name == "CategoricalCrossentropy"
        else rng.choice([0.0, 1.0], (6, 4))
    )
    drawn = rng.dirichlet(np.ones(4), 6)
    value = getattr(keras.losses, name)(label_smoothing=0.2)(
        truth.astype(np.float32), drawn.astype(np.float32)
    )
    return {
        "name": name,
        "amount": 0.2,
        "truth": truth.tolist(),
        "prediction": drawn.tolist(),
        "value": float(value),
    }


def main(output: str) -> None:
    rng = np.random.default_rng(12)
    weight = rng.normal(size=(3, 4)).astype(np.float32)
    saved = lambda rule: keras.utils.legacy.serialize_keras_object(rule)  # noqa: E731
    found = {
        "tf_keras": keras.__version__, "metrics": [record_metric(name, rng) for name in METRICS], "weight": weight.tolist(),
        "penalties": [{"name": n, "rule": saved(r), "value": float(r(weight))} for n, r in PENALTIES.items()],
        "constraints": [{"name": n, "rule": saved(r), "value": np.asarray(r(weight)).tolist()} for n, r in CONSTRAINTS.items()],
        "schedules": [{"name": n, "arguments": a, "options": o, "at": AT, "values": [float(s(i)) for i in AT]}
                      for n, (a, o, s) in SCHEDULES.items()],
        "smoothed": [record_smoothed(name, rng) for name in ("CategoricalCrossentropy", "BinaryCrossentropy")],
        "initializers": [record_initializer(name) for name in INITIALIZERS],
    }  # fmt: skip
    with open(output, "wb") as file, gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as packed:
        packed.write(json.dumps(found).encode())


if __name__ == "__main__":
    main(sys.argv[1])
