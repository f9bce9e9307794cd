"""The 14 losses of tfjs-layers, as graph ops with Keras' meaning: (builder, truth, prediction) -> one loss per sample.

N: samples, C: classes. A loss takes the mean (or sum, as Keras does) over the last axis; `reduced` weighs and adds.
Cross-entropies of a softmax or sigmoid output go through its logits, as Keras does: no clipping, no NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from py_edge.errors import ValueRangeError
from py_edge.graph import Builder
from py_edge.tensor import Tensor

EPSILON = 1e-7
Loss = Callable[[Builder, int, int], int]


def last_mean(b: Builder, value: int) -> int:
    return b.reduce(value, kind="mean", axes=(-1,), keepdims=False) if b.rank(value) else value


def last_sum(b: Builder, value: int, keepdims: bool = False) -> int:
    return b.reduce(value, kind="sum", axes=(-1,), keepdims=keepdims) if b.rank(value) else value


def clip(b: Builder, value: int, low: float, high: float) -> int:
    return b.minimum(b.maximum(value, low), high)


def logits_of(b: Builder, prediction: int, activation: str) -> int | None:
    """What went into the `activation` that made the prediction, if it did (through reshapes)."""
    producers = b.graph.producers()
    shape, value = b.shape(prediction), prediction
    while value in producers and producers[value].op == "reshape" and activation == "sigmoid":
        value = producers[value].inputs[0]
    node = producers.get(value)
    if node is None or node.op != activation:
        return None
    return node.inputs[0] if b.shape(node.inputs[0]) == shape else b.reshape(node.inputs[0], shape=shape)


def mean_squared_error(b: Builder, truth: int, prediction: int) -> int:
    return last_mean(b, b.squared_difference(prediction, truth))


def mean_absolute_error(b: Builder, truth: int, prediction: int) -> int:
    return last_mean(b, b.abs(b.sub(prediction, truth)))


def mean_absolute_percentage_error(b: Builder, truth: int, prediction: int) -> int:
    share = b.abs(b.div(b.sub(truth, prediction), b.maximum(b.abs(truth), EPSILON)))
    return b.mul(last_mean(b, share), 100.0)


def mean_squared_logarithmic_error(b: Builder, truth: int, prediction: int) -> int:
    logs = [b.log1p(b.maximum(value, EPSILON)) for value in (prediction, truth)]
    return last_mean(b, b.squared_difference(*logs))


def _signs(b: Builder, truth: int) -> int:
    """0/1 labels as -1/1, when all of the batch are 0 or 1 (Keras)."""
    binary = b.logical_or(b.equal(truth, 0.0), b.equal(truth, 1.0))
    every = b.reduce(binary, kind="all", axes=tuple(range(b.rank(truth))), keepdims=False)
    return b.select(every, b.sub(b.mul(truth, 2.0), 1.0), truth)


def hinge(b: Builder, truth: int, prediction: int) -> int:
    return last_mean(b, b.relu(b.sub(1.0, b.mul(_signs(b, truth), prediction))))


def squared_hinge(b: Builder, truth: int, prediction: int) -> int:
    return last_mean(b, b.square(b.relu(b.sub(1.0, b.mul(_signs(b, truth), prediction)))))


def categorical_hinge(b: Builder, truth: int, prediction: int) -> int:
    right = last_sum(b, b.mul(truth, prediction))
    wrong = b.reduce(b.mul(b.sub(1.0, truth), prediction), kind="max", axes=(-1,), keepdims=False)
    return b.relu(b.add(b.sub(wrong, right), 1.0))


def logcosh(b: Builder, truth: int, prediction: int) -> int:
    x = b.sub(prediction, truth)
    return last_mean(b, b.sub(b.add(x, b.softplus(b.mul(x, -2.0))), math.log(2.0)))


def log_probabilities(b: Builder, prediction: int) -> int:
    logits = logits_of(b, prediction, "softmax")
    return clipped_log(b, prediction) if logits is None else b.log_softmax(logits)


def clipped_log(b: Builder, prediction: int) -> int:
    """Logarithm of probabilities cut to [1e-7, 1 - 1e-7], where a saturated output has no slope (TF.js, Keras 3)."""
    share = b.div(prediction, last_sum(b, prediction, keepdims=True))
    return b.log(clip(b, share, EPSILON, 1.0 - EPSILON))


def categorical_crossentropy(b: Builder, truth: int, prediction: int) -> int:
    return b.neg(last_sum(b, b.mul(truth, log_probabilities(b, prediction))))


def one_hot(b: Builder, labels: int, classes: int) -> int:
    """labels (..) or (.., 1), any number type -> (.., C) float32; a label outside gives zeros."""
    shape = b.shape(labels)
    flat = b.cast(labels, dtype="int32") if b.dtype(labels) != "int32" else labels
    column = b.reshape(flat, shape=(*shape, 1))
    return b.cast(
        b.equal(column, b.constant(Tensor.from_flat(range(classes), (classes,), "int32"))), dtype="float32"
    )


def sparse_categorical_crossentropy(b: Builder, truth: int, prediction: int) -> int:
    classes, shape = b.shape(prediction)[-1], b.shape(prediction)[:-1]
    flat = truth if b.shape(truth) == shape else b.reshape(truth, shape=shape)
    return categorical_crossentropy(b, one_hot(b, flat, classes), prediction)


def binary_crossentropy(b: Builder, truth: int, prediction: int) -> int:
    logits = logits_of(b, prediction, "sigmoid")
    if logits is not None:
        return last_mean(b, b.sub(b.softplus(logits), b.mul(logits, truth)))
    return clipped_binary_crossentropy(b, truth, prediction)


def clipped_binary_crossentropy(b: Builder, truth: int, prediction: int) -> int:
    p = clip(b, prediction, EPSILON, 1.0 - EPSILON)
    yes = b.mul(truth, b.log(b.add(p, EPSILON)))
    no = b.mul(b.sub(1.0, truth), b.log(b.add(b.sub(1.0, p), EPSILON)))
    return b.neg(last_mean(b, b.add(yes, no)))


def kullback_leibler_divergence(b: Builder, truth: int, prediction: int) -> int:
    t, p = clip(b, truth, EPSILON, 1.0), clip(b, prediction, EPSILON, 1.0)
    return last_sum(b, b.mul(t, b.log(b.div(t, p))))


def poisson(b: Builder, truth: int, prediction: int) -> int:
    return last_mean(b, b.sub(prediction, b.mul(truth, b.log(b.add(prediction, EPSILON)))))


def cosine_similarity(b: Builder, truth: int, prediction: int) -> int:
    """-1 alike, 1 opposite (Keras' sign; it is a loss)."""
    unit = [
        b.mul(v, b.rsqrt(b.maximum(last_sum(b, b.square(v), keepdims=True), 1e-12)))
        for v in (truth, prediction)
    ]
    return b.neg(last_sum(b, b.mul(*unit)))


LOSSES: dict[str, Loss] = {
    "meansquarederror": mean_squared_error, "mse": mean_squared_error,
    "meanabsoluteerror": mean_absolute_error, "mae": mean_absolute_error,
    "meanabsolutepercentageerror": mean_absolute_percentage_error, "mape": mean_absolute_percentage_error,
    "meansquaredlogarithmicerror": mean_squared_logarithmic_error, "msle": mean_squared_logarithmic_error,
    "squaredhinge": squared_hinge, "hinge": hinge, "categoricalhinge": categorical_hinge, "logcosh": logcosh,
    "categoricalcrossentropy": categorical_crossentropy,
    "sparsecategoricalcrossentropy": sparse_categorical_crossentropy,
    "binarycrossentropy": binary_crossentropy,
    "kullbackleiblerdivergence": kullback_leibler_divergence, "kld": kullback_leibler_divergence,
    "kldivergence": kullback_leibler_divergence, "poisson": poisson,
    "cosineproximity": cosine_similarity, "cosinesimilarity": cosine_similarity,
}  # fmt: skip


CLIPPED: dict[str, Loss] = {
    "categoricalcrossentropy": lambda b, t, p: b.neg(last_sum(b, b.mul(t, clipped_log(b, p)))),
    "sparsecategoricalcrossentropy": lambda b, t, p: b.neg(
        last_sum(b, b.mul(one_hot(b, b.reshape(t, shape=b.shape(p)[:-1]), b.shape(p)[-1]), clipped_log(b, p)))
    ),
    "binarycrossentropy": clipped_binary_crossentropy,
}


def plain(name: str) -> str:
    """`meanSquaredError`, `mean_squared_error` and `MeanSquaredError` are one name."""
    return name.replace("_", "").lower()


def loss_named(name: str, numerics: str = "keras") -> Loss:
    """numerics "tfjs": cross-entropies of clipped probabilities, never of logits."""
    if numerics == "tfjs" and plain(name) in CLIPPED:
        return CLIPPED[plain(name)]
    if plain(name) not in LOSSES:
        raise ValueRangeError("unknown loss", where="loss", got=name, want=sorted(LOSSES))
    return LOSSES[plain(name)]


def smoothed(loss: Loss, amount: float, *, classes: int) -> Loss:
    """Label smoothing: truth (1 - amount) + amount / classes; for binary cross-entropy classes = 2."""
    return lambda b, truth, prediction: loss(
        b, b.add(b.mul(truth, 1.0 - amount), amount / classes), prediction
    )


def reduced(b: Builder, per_sample: int, weights: int, scale: int) -> int:
    """Sum over samples of loss x weight, times `scale` (); per_sample (N, ...), weights (N,).

    With scale 1 / N this is Keras' sum_over_batch_size; further axes of per_sample are averaged.
    """
    if b.rank(per_sample) > 1:
        per_sample = b.reduce(
            per_sample, kind="mean", axes=tuple(range(1, b.rank(per_sample))), keepdims=False
        )
    return b.mul(b.reduce(b.mul(per_sample, weights), kind="sum", axes=(0,), keepdims=False), scale)
