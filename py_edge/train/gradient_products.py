"""Gradients of products, windows and reductions.

Convolution, its input gradient and its filter gradient are one trilinear form: each is linear in two of
(x, w, dy), so the three rows point at one another and second derivatives close.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from py_edge.graph import Builder
from py_edge.tensor import count
from py_edge.train.gradient_row import Call, Gradient, Row, expand, sum_to


def matmul(call: Call) -> Sequence[Gradient]:
    """y = a b with either transposed; batch axes broadcast. One matrix for many rows gets one product, not one per batch."""
    b, (x, w), dy = call.b, call.inputs[:2], call.dy
    ta, tb = bool(call.attrs.get("transpose_a")), bool(call.attrs.get("transpose_b"))
    dx = dw = None
    if call.needs[0]:
        dx = _product(b, w, dy, tb, True) if ta else _product(b, dy, w, False, not tb)
        dx = sum_to(b, dx, b.shape(x))
    if call.needs[1]:
        if not ta and b.rank(dy) > 2 and count(b.shape(w)[:-2]) == 1 and b.shape(x)[:-2] == b.shape(dy)[:-2]:
            x, dy = (b.reshape(v, shape=(-1, b.shape(v)[-1])) for v in (x, dy))
        dw = _product(b, dy, x, True, ta) if tb else _product(b, x, dy, not ta, False)
        dw = b.reshape(dw, shape=b.shape(w)) if b.rank(dw) < b.rank(w) else sum_to(b, dw, b.shape(w))
    return (dx, dw)


def _product(b: Builder, x: int, w: int, transpose_a: bool, transpose_b: bool) -> int:
    return b.op("matmul", x, w, transpose_a=transpose_a, transpose_b=transpose_b)


def _geometry(call: Call) -> dict[str, Any]:
    return {k: v for k, v in call.attrs.items() if k in ("strides", "padding", "dilations", "groups")}


def _is_pointwise(call: Call, geometry: dict[str, Any]) -> bool:
    """A 1 x 1 convolution that reads every pixel once: a matrix product over the channels."""
    plain = geometry.get("groups", 1) == 1 and tuple(geometry.get("strides", (1, 1))) == (1, 1)
    return plain and call.shape(1)[:2] == (1, 1) and call.shape(0)[:3] == call.b.shape(call.y)[:3]


def _pointwise(call: Call) -> Sequence[Gradient]:
    b, (x, w), dy = call.b, call.inputs[:2], call.dy
    rows, channels, filters = count(call.shape(0)[:3]), call.shape(0)[3], call.shape(1)[3]
    flat = b.reshape(dy, shape=(rows, filters))
    dx = dw = None
    if call.needs[0]:
        dx = b.reshape(
            _product(b, flat, b.reshape(w, shape=(channels, filters)), False, True), shape=call.shape(0)
        )
    if call.needs[1]:
        dw = b.reshape(
            _product(b, b.reshape(x, shape=(rows, channels)), flat, True, False), shape=call.shape(1)
        )
    return (dx, dw)


def convolution(prefix: str) -> dict[str, Row]:
    """Rows of `prefix` (x, w), `prefix`_input_grad (dy, w) and `prefix`_filter_grad (x, dy)."""

    def forward(call: Call) -> Sequence[Gradient]:
        b, (x, w), dy, geometry = call.b, call.inputs[:2], call.dy, _geometry(call)
        if prefix == "conv2d" and _is_pointwise(call, geometry):
            return _pointwise(call)
        dx = b.op(f"{prefix}_input_grad", dy, w, shape=b.shape(x), **geometry) if call.needs[0] else None
        dw = b.op(f"{prefix}_filter_grad", x, dy, shape=b.shape(w), **geometry) if call.needs[1] else None
        return (dx, dw)

    def input_grad(call: Call) -> Sequence[Gradient]:
        b, (dy, w), g, geometry = call.b, call.inputs, call.dy, _geometry(call)
        ddy = b.op(prefix, g, w, **geometry) if call.needs[0] else None
        dw = b.op(f"{prefix}_filter_grad", g, dy, shape=b.shape(w), **geometry) if call.needs[1] else None
        return (ddy, dw)

    def filter_grad(call: Call) -> Sequence[Gradient]:
        b, (x, dy), g, geometry = call.b, call.inputs, call.dy, _geometry(call)
        dx = b.op(f"{prefix}_input_grad", dy, g, shape=b.shape(x), **geometry) if call.needs[0] else None
        ddy = b.op(prefix, x, g, **geometry) if call.needs[1] else None
        return (dx, ddy)

    return {prefix: forward, f"{prefix}_input_grad": input_grad, f"{prefix}_filter_grad": filter_grad}


def pool2d(call: Call) -> Sequence[Gradient]:
    return (call.b.op("pool2d_grad", call.inputs[0], call.dy, **call.attrs),)


def reduce(call: Call) -> Sequence[Gradient]:
    """Sum and mean spread; max and min share among equals as TensorFlow does; prod by running products, so zeros are right."""
    b, x, kind, axes = call.b, call.inputs[0], call.attrs["kind"], tuple(call.attrs["axes"])
    shape = b.shape(x)
    dy = expand(b, call.dy, shape, axes) if b.shape(call.thin) else call.thin
    if kind in ("sum", "mean"):
        n = count(shape) // max(count(b.shape(call.y)), 1)
        return (b.mul(dy, 1.0 / n) if kind == "mean" else dy,)
    if kind in ("max", "min"):
        hit = b.cast(b.equal(x, expand(b, call.y, shape, axes)), dtype="float32")
        ties = b.reduce(hit, kind="sum", axes=axes, keepdims=True) if axes else hit
        return (b.mul(hit, b.div(dy, ties)),)
    if kind == "prod":
        return (b.mul(dy, _product_of_others(b, x, axes)),)
    return (None,)


def _product_of_others(b: Builder, x: int, axes: Sequence[int]) -> int:
    """For each element, the product of all the others along `axes`."""
    shape = b.shape(x)
    gone = sorted({axis % len(shape) for axis in axes}) if shape else []
    perm = [i for i in range(len(shape)) if i not in gone] + gone
    moved = b.transpose(x, perm=perm)
    rows = b.reshape(
        moved, shape=(count(shape[i] for i in perm[: len(perm) - len(gone)]), count(shape[i] for i in gone))
    )
    before = b.op("cumulate", rows, kind="prod", axis=1, exclusive=True, reverse=False)
    after = b.op("cumulate", rows, kind="prod", axis=1, exclusive=True, reverse=True)
    others = b.reshape(b.mul(before, after), shape=b.shape(moved))
    return b.transpose(others, perm=[perm.index(i) for i in range(len(perm))])


def cumulate(call: Call) -> Sequence[Gradient]:
    """A running sum goes back as a running sum from the other end. Products divide by x: an x of 0 gets 0, as in TensorFlow."""
    b, x, attrs = call.b, call.inputs[0], dict(call.attrs)
    back = {**attrs, "kind": "sum", "reverse": not attrs.get("reverse", False)}
    if attrs.get("kind", "sum") == "sum":
        return (b.op("cumulate", call.dy, **back),)
    return (b.div_no_nan(b.op("cumulate", b.mul(call.dy, call.y), **back), x),)


def softmax(call: Call) -> Sequence[Gradient]:
    b, y, last = call.b, call.y, call.b.rank(call.y) - 1
    weighted = b.reduce(b.mul(call.dy, y), kind="sum", axes=(last,), keepdims=True)
    return (b.mul(b.sub(call.dy, weighted), y),)


def log_softmax(call: Call) -> Sequence[Gradient]:
    b, last = call.b, call.b.rank(call.y) - 1
    total = b.reduce(call.dy, kind="sum", axes=(last,), keepdims=True)
    return (b.sub(call.dy, b.mul(b.exp(call.y), total)),)


PRODUCTS: dict[str, Row] = {
    "matmul": matmul,
    **convolution("conv2d"),
    **convolution("depthwise_conv2d"),
    "pool2d": pool2d,
    "reduce": reduce,
    "cumulate": cumulate,
    "softmax": softmax,
    "log_softmax": log_softmax,
}
