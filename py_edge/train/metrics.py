"""Metrics as a few running sums: the graph computes each batch's sums, the host adds them up and finishes.

So an epoch's value is exact whatever the batch sizes, for means and for ratios like precision and R2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from py_edge.errors import ValueRangeError
from py_edge.graph import Builder
from py_edge.train import losses
from py_edge.train.losses import plain

Sums = Callable[[Builder, int, int, int], list[int]]


@dataclass(frozen=True, slots=True)
class Metric:
    """sums: (builder, truth, prediction, weights (N,)) -> scalars; finish: their totals -> the value."""

    name: str
    sums: Sums
    finish: Callable[[Sequence[float]], float]


def _total(b: Builder, value: int) -> int:
    return b.reduce(value, kind="sum", axes=tuple(range(b.rank(value))), keepdims=False)


def _ratio(totals: Sequence[float]) -> float:
    return totals[0] / totals[1] if totals[1] else 0.0


def _mean_of(per_sample: losses.Loss) -> Sums:
    def sums(b: Builder, truth: int, prediction: int, weights: int) -> list[int]:
        values = per_sample(b, truth, prediction)
        if b.rank(values) > 1:
            values = b.reduce(values, kind="mean", axes=tuple(range(1, b.rank(values))), keepdims=False)
        return [_total(b, b.mul(values, weights)), _total(b, weights)]

    return sums


def _same(b: Builder, left: int, right: int) -> int:
    return b.cast(b.equal(left, right), dtype="float32")


def binary_accuracy(b: Builder, truth: int, prediction: int) -> int:
    return losses.last_mean(b, _same(b, truth, b.step(b.sub(prediction, 0.5))))


def categorical_accuracy(b: Builder, truth: int, prediction: int) -> int:
    return _same(b, *(b.op("arg_reduce", v, kind="max", axis=-1) for v in (truth, prediction)))


def sparse_categorical_accuracy(b: Builder, truth: int, prediction: int) -> int:
    shape = b.shape(prediction)[:-1]
    labels = truth if b.dtype(truth) == "int32" else b.cast(truth, dtype="int32")
    labels = labels if b.shape(labels) == shape else b.reshape(labels, shape=shape)
    return _same(b, labels, b.op("arg_reduce", prediction, kind="max", axis=-1))


def top_k_accuracy(k: int) -> losses.Loss:
    """Truth one-hot (.., C): is its class among the k most likely?"""

    def per_sample(b: Builder, truth: int, prediction: int) -> int:
        at_truth = losses.last_sum(b, b.mul(truth, prediction), keepdims=True)
        better = losses.last_sum(b, b.cast(b.greater(prediction, at_truth), dtype="float32"))
        return b.cast(b.less(better, float(k)), dtype="float32")

    return per_sample


def _counted(recall: bool) -> Sums:
    """True positives over predicted (or actual) positives, at 0.5."""

    def sums(b: Builder, truth: int, prediction: int, weights: int) -> list[int]:
        column = b.reshape(weights, shape=(-1, *[1] * (b.rank(prediction) - 1)))
        said, meant = (b.mul(b.step(b.sub(v, 0.5)), column) for v in (prediction, truth))
        return [_total(b, b.mul(said, b.step(b.sub(truth, 0.5)))), _total(b, meant if recall else said)]

    return sums


def _r2_sums(b: Builder, truth: int, prediction: int, weights: int) -> list[int]:
    column = b.reshape(weights, shape=(-1, *[1] * (b.rank(prediction) - 1)))
    wide = b.broadcast_to(column, shape=b.shape(prediction))
    errors = b.mul(b.squared_difference(truth, prediction), column)
    return [
        _total(b, errors),
        _total(b, b.mul(b.square(truth), column)),
        _total(b, b.mul(truth, column)),
        _total(b, wide),
    ]


def _r2(totals: Sequence[float]) -> float:
    error, squares, total, n = totals
    spread = squares - total * total / n if n else 0.0
    return 1.0 - error / spread if spread else 0.0


def cosine_similarity(b: Builder, truth: int, prediction: int) -> int:
    """1 alike, -1 opposite: Keras' metric. TF.js' `cosineProximity` has the sign of the loss."""
    return b.neg(losses.cosine_similarity(b, truth, prediction))


_PER_SAMPLE = {
    "cosinesimilarity": cosine_similarity,
    "binaryaccuracy": binary_accuracy,
    "categoricalaccuracy": categorical_accuracy,
    "sparsecategoricalaccuracy": sparse_categorical_accuracy,
    "topkcategoricalaccuracy": top_k_accuracy(5),
}


def metric(name: str, loss: str, classes: int) -> Metric:
    """The metric of a name; `accuracy`/`acc` and `crossentropy`/`ce` are chosen by loss and last axis, as in Keras."""
    kind = plain(name)
    if kind in ("accuracy", "acc"):
        sparse = plain(loss) == "sparsecategoricalcrossentropy"
        kind = (
            "sparsecategoricalaccuracy"
            if sparse
            else "binaryaccuracy"
            if classes == 1
            else "categoricalaccuracy"
        )
        kind = "binaryaccuracy" if plain(loss) == "binarycrossentropy" else kind
    if kind in ("crossentropy", "ce"):
        kind = plain(loss) if "crossentropy" in plain(loss) else "categoricalcrossentropy"
    kind = {"cosine": "cosineproximity"}.get(kind, kind)
    if kind in ("precision", "recall"):
        return Metric(name, _counted(kind == "recall"), _ratio)
    if kind in ("r2score", "r2"):
        return Metric(name, _r2_sums, _r2)
    if kind in _PER_SAMPLE:
        return Metric(name, _mean_of(_PER_SAMPLE[kind]), _ratio)
    if kind in losses.LOSSES:
        return Metric(name, _mean_of(losses.LOSSES[kind]), _ratio)
    raise ValueRangeError(
        "unknown metric", where="metrics", got=name, want=sorted({*_PER_SAMPLE, *losses.LOSSES})
    )
