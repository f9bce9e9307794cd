"""Batch, layer, group, unit, spectral and RMS normalisation."""

from __future__ import annotations

from collections.abc import Sequence

from py_edge.errors import ShapeError
from py_edge.graph.shapes import axis_of
from py_edge.tensor import count
from py_edge.tfjs.idioms import arithmetic, axes
from py_edge.tfjs.layers.call import Call, Lower


def _axes(c: Call, default: int | Sequence[int] = -1) -> list[int]:
    raw = c.get("axis", default=default)
    items = list(raw) if isinstance(raw, (list, tuple)) else [raw]
    if not items or any(type(axis) is not int for axis in items):
        raise ShapeError("config `axis`", where=c.where, got=raw, want="integers")
    return sorted(axis_of(axis, c.rank) for axis in items)


def batch_normalization(c: Call) -> int:
    """Moving statistics; in training those of the batch, and the moving ones follow by `momentum`.

    The moving variance follows the biased batch variance, as TF.js and Keras 3 have it.
    """
    b, over = c.b, _axes(c)
    shape = [c.shape[axis] for axis in over]
    spread = [size if axis in over else 1 for axis, size in enumerate(c.shape)]
    epsilon = c.number("epsilon", default=1e-3, low=0.0)

    def laid(vector: int) -> int:
        return vector if over == [c.rank - 1] else axes.reshape(b, vector, spread)

    gamma = c.weight("gamma", shape, default="ones") if c.flag("scale", True) else None
    beta = c.weight("beta", shape, default="zeros") if c.flag("center", True) else None
    mean = c.weight("moving_mean", shape, default="zeros")
    variance = c.weight("moving_variance", shape, default="ones")
    scale, offset = (laid(v) if v is not None else None for v in (gamma, beta))
    if not c.active:
        return arithmetic.as_affine(b, c.x, laid(mean), laid(variance), epsilon, scale, offset)
    others = [axis for axis in range(c.rank) if axis not in over]
    now_mean, now_variance = arithmetic.moments(b, c.x, others)
    momentum = c.number("momentum", default=0.99, low=0.0, high=1.0)
    for moving, now in ((mean, now_mean), (variance, now_variance)):
        before = b.graph.updates.get(moving, moving)
        step = b.op("mul", b.op("sub", axes.reshape(b, now, shape), before), 1 - momentum)
        b.graph.updates[moving] = b.op("add", before, step)
    return arithmetic.standardize(b, c.x, now_mean, now_variance, epsilon, scale, offset)


def layer_normalization(c: Call) -> int:
    b, over = c.b, _axes(c)
    shape = [c.shape[axis] for axis in over]
    spread = [size if axis in over else 1 for axis, size in enumerate(c.shape)]
    epsilon = c.number("epsilon", default=1e-3, low=0.0)
    gamma = c.weight("gamma", shape, default="ones") if c.flag("scale", True) else None
    if c.flag("rms_scaling"):
        variance = arithmetic.moments(b, c.x, over)[1]
        y = b.op("mul", c.x, b.op("rsqrt", b.op("add", variance, epsilon)))
        return b.op("mul", y, axes.reshape(b, gamma, spread)) if gamma is not None else y
    beta = c.weight("beta", shape, default="zeros") if c.flag("center", True) else None
    scale, offset = (
        axes.reshape(b, v, spread) if v is not None and len(over) < c.rank else v for v in (gamma, beta)
    )
    return arithmetic.standardize(b, c.x, *arithmetic.moments(b, c.x, over), epsilon, scale, offset)


def rms_normalization(c: Call) -> int:
    b, over = c.b, _axes(c)
    spread = [size if axis in over else 1 for axis, size in enumerate(c.shape)]
    scale = c.weight(
        "scale", [c.shape[axis] for axis in over], init="gamma_initializer", default="ones", also=("gamma",)
    )
    mean = axes.reduce(b, "mean", b.op("square", c.x), over, keepdims=True)
    y = b.op("mul", c.x, b.op("rsqrt", b.op("add", mean, c.number("epsilon", default=1e-6))))
    return b.op("mul", y, axes.reshape(b, scale, spread))


def group_normalization(c: Call) -> int:
    """Mean and variance within groups of channels of one example."""
    b, axis = c.b, _axes(c)[0]
    channels, groups = c.shape[axis], c.whole("groups", 32, low=-1)
    groups = channels if groups == -1 else groups
    if groups < 1 or channels % groups:
        raise ShapeError("groups divide the channels", where=c.where, got=groups, want=channels)
    shape = c.shape
    parted = axes.reshape(b, c.x, [*shape[:axis], groups, channels // groups, *shape[axis + 1 :]])
    over = [i for i in range(1, b.rank(parted)) if i != axis]
    mean, variance = arithmetic.moments(b, parted, over)
    epsilon = c.number("epsilon", default=1e-3, low=0.0)
    y = axes.reshape(b, arithmetic.standardize(b, parted, mean, variance, epsilon, None, None), shape)
    if c.flag("scale", True):
        y = b.op("mul", y, arithmetic.along(b, c.weight("gamma", (channels,), default="ones"), axis, c.rank))
    if c.flag("center", True):
        y = b.op("add", y, arithmetic.along(b, c.weight("beta", (channels,), default="zeros"), axis, c.rank))
    return y


def unit_normalization(c: Call) -> int:
    return arithmetic.l2_normalize(c.b, c.x, _axes(c))


def normalization(c: Call) -> int:
    """(x - mean) / max(sqrt(variance), 1e-7): statistics given in the config, or adapted and stored as weights."""
    b, raw = c.b, c.get("axis", default=-1)
    over = (
        []
        if raw is None
        else sorted(axis_of(a, c.rank) for a in (raw if isinstance(raw, (list, tuple)) else [raw]))
    )
    if c.config.get("axis", -1) is None:
        over = []
    shape = [c.shape[axis] for axis in over]
    spread = [size if axis in over else 1 for axis, size in enumerate(c.shape)]
    given = c.get("mean"), c.get("variance")
    x = axes.cast(b, c.x, "float32")
    if given[0] is not None and given[1] is not None:
        mean, variance = (b.constant(v, "float32") for v in given)
        target = spread if b.graph.specs[mean].size == count(spread) else list(b.shape(mean))
        mean, variance = axes.reshape(b, mean, target), axes.reshape(b, variance, target)
    else:
        mean = axes.reshape(b, c.weight("mean", shape, default="zeros"), spread)
        variance = axes.reshape(b, c.weight("variance", shape, default="ones"), spread)
    deviation = b.op("maximum", b.op("sqrt", variance), 1e-7)
    if c.flag("invert"):
        return b.op("add", mean, b.op("mul", x, deviation))
    return b.op("div", b.op("sub", x, mean), deviation)


ROWS: dict[str, Lower] = {
    "BatchNormalization": batch_normalization, "BatchNormalizationV1": batch_normalization,
    "BatchNormalizationV2": batch_normalization, "SyncBatchNormalization": batch_normalization,
    "LayerNormalization": layer_normalization, "RMSNormalization": rms_normalization,
    "GroupNormalization": group_normalization, "UnitNormalization": unit_normalization, "Normalization": normalization,
}  # fmt: skip
