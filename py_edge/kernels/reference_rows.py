"""The slow truth of what looks along axes: products of matrices, reductions, running sums, softmax, norms, order; numpy, float64."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from py_edge.kernels.reference_elementwise import Array, Attrs, elementwise, truncated_div, zero_safe


def finish(y: Array, rest: Sequence[Array], attrs: Attrs) -> Array:
    """The fused tail of a product: bias, residual, activation."""
    extra = list(rest)
    y = y + extra.pop(0) if attrs.get("bias") else y
    early = attrs.get("residual_before_act")
    y = y + extra[0] if attrs.get("residual") and early else y
    if attrs.get("activation"):
        y = elementwise(attrs["activation"], [y], attrs if attrs.get("alpha") is not None else {})
    return y + extra[0] if attrs.get("residual") and not early else y


def matmul(inputs: Sequence[Array], attrs: Attrs) -> Array:
    a = np.swapaxes(inputs[0], -1, -2) if attrs.get("transpose_a") else inputs[0]
    b = np.swapaxes(inputs[1], -1, -2) if attrs.get("transpose_b") else inputs[1]
    return finish(np.matmul(a, b), inputs[2:], attrs)


_REDUCE: dict[str, Callable[..., Any]] = {
    "sum": np.sum, "prod": np.prod, "any": np.any, "all": np.all,
}  # fmt: skip


def reduce(x: Array, attrs: Attrs) -> Array:
    """Sums of int32 wrap; max of nothing is the smallest number, min the largest."""
    kind, axes, keep = attrs["kind"], tuple(attrs["axes"]), bool(attrs.get("keepdims"))
    integer = x.dtype == np.int32
    if kind in ("max", "min"):
        worst = (np.iinfo(np.int32).min, np.iinfo(np.int32).max) if integer else (-np.inf, np.inf)
        function: Any = np.max if kind == "max" else np.min
        return np.asarray(function(x, axis=axes, keepdims=keep, initial=worst[kind == "min"]))
    if kind == "mean":
        size = np.asarray(math.prod(x.shape[i] for i in axes))
        total = np.sum(x, axis=axes, keepdims=keep, dtype=x.dtype)
        return zero_safe(truncated_div)(total, size) if integer else np.asarray(total / size)
    options: dict[str, Any] = {"dtype": np.int32} if integer and kind in ("sum", "prod") else {}
    return np.asarray(_REDUCE[kind](x, axis=axes, keepdims=keep, **options))


def arg_reduce(x: Array, attrs: Attrs) -> Array:
    """First of equals; NaN never wins; 0 for nothing."""
    signed = x.astype(np.float64) * (1 if attrs["kind"] == "max" else -1)
    axis = attrs["axis"] % x.ndim
    if x.shape[axis] == 0:
        return np.zeros(x.shape[:axis] + x.shape[axis + 1 :], np.int32)
    return np.asarray(np.argmax(np.where(np.isnan(signed), -np.inf, signed), axis=axis).astype(np.int32))


def cumulate(x: Array, attrs: Attrs) -> Array:
    """attrs kind sum|prod, axis, exclusive, reverse."""
    axis, product = attrs["axis"] % x.ndim, attrs.get("kind", "sum") == "prod"
    x = np.flip(x, axis) if attrs.get("reverse") else x
    y = np.asarray((np.cumprod if product else np.cumsum)(x, axis=axis, dtype=x.dtype))
    if attrs.get("exclusive"):
        first = np.full_like(np.take(x, [0] if x.shape[axis] else [], axis), 1 if product else 0)
        y = np.concatenate([first, np.take(y, range(x.shape[axis] - 1), axis)], axis)
    return np.flip(y, axis) if attrs.get("reverse") else y


def softmax(x: Array, log: bool) -> Array:
    shifted = x - np.max(x, -1, keepdims=True, initial=-np.inf)
    total = np.sum(np.exp(shifted), -1, keepdims=True)
    return np.asarray(shifted - np.log(total) if log else np.exp(shifted) / total)


def normalize(inputs: Sequence[Array], attrs: Attrs) -> Array:
    """Layer norm over the last axis; attrs epsilon, rms, and whether scale and offset follow x."""
    x, extra = inputs[0], list(inputs[1:])
    centred = x if attrs.get("rms") else x - x.mean(-1, keepdims=True)
    y = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + attrs["epsilon"])
    y = y * extra.pop(0) if attrs.get("scale") else y
    return np.asarray(y + extra.pop(0) if attrs.get("offset") else y)


def top_k(x: Array, attrs: Attrs) -> list[Array]:
    order = np.argsort(-x.astype(np.float64), axis=-1, kind="stable")[..., : attrs["k"]]
    return [np.take_along_axis(x, order, -1), order.astype(np.int32)]
