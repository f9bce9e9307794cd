"""Gradients of ops that only move data: the same elements go back to where they came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from py_edge.graph import Builder
from py_edge.graph.shapes import axis_of
from py_edge.train.gradient_row import Call, Gradient, Row, sum_to


def reshape(call: Call) -> Sequence[Gradient]:
    return (call.b.reshape(call.dy, shape=call.shape(0)),)


def transpose(call: Call) -> Sequence[Gradient]:
    perm = list(call.attrs["perm"])
    return (call.b.transpose(call.dy, perm=[perm.index(i) for i in range(len(perm))]),)


def slice_(call: Call) -> Sequence[Gradient]:
    """Lay the pieces back into zeros: turn reversed axes, open strides, then pad to the full shape."""
    b, dy, shape, size = call.b, call.dy, call.shape(0), list(call.attrs["size"])
    strides = list(call.attrs.get("strides") or (1,) * len(shape))
    begin = list(call.attrs["begin"])
    if 0 in size:
        return (None,)
    for axis, stride in enumerate(strides):
        if stride < 0:
            dy, begin[axis] = _reverse(b, dy, axis), begin[axis] + (size[axis] - 1) * stride
        if abs(stride) > 1 and size[axis] > 1:
            dy = _open(b, dy, axis, abs(stride))
    pads = [(low, d - low - n) for low, d, n in zip(begin, shape, b.shape(dy), strict=True)]
    return (b.pad(dy, paddings=pads, value=0.0) if any(map(any, pads)) else dy,)


def _reverse(b: Builder, v: int, axis: int) -> int:
    shape = b.shape(v)
    begin = tuple(d - 1 if i == axis else 0 for i, d in enumerate(shape))
    return b.slice(
        v, begin=begin, size=shape, strides=tuple(-1 if i == axis else 1 for i in range(len(shape)))
    )


def _open(b: Builder, v: int, axis: int, stride: int) -> int:
    """(.., n, ..) -> (.., (n - 1) stride + 1, ..) with zeros between."""
    shape = b.shape(v)
    n = shape[axis]
    apart = b.reshape(v, shape=(*shape[: axis + 1], 1, *shape[axis + 1 :]))
    pads = [(0, stride - 1) if i == axis + 1 else (0, 0) for i in range(len(shape) + 1)]
    joined = b.reshape(
        b.pad(apart, paddings=pads, value=0.0), shape=(*shape[:axis], n * stride, *shape[axis + 1 :])
    )
    size = (*shape[:axis], (n - 1) * stride + 1, *shape[axis + 1 :])
    return b.slice(joined, begin=(0,) * len(shape), size=size, strides=None)


def pad(call: Call) -> Sequence[Gradient]:
    before = [low for low, _ in call.attrs["paddings"]]
    return (
        call.b.slice(call.dy, begin=before, size=call.shape(0), strides=None)
        if 0 not in call.shape(0)
        else None,
    )


def concat(call: Call) -> Sequence[Gradient]:
    axis, start, parts = axis_of(call.attrs["axis"], call.b.rank(call.y)), 0, []
    for index in range(len(call.inputs)):
        shape = call.shape(index)
        begin = [start if i == axis else 0 for i in range(len(shape))]
        wanted = call.needs[index] and 0 not in shape
        parts.append(call.b.slice(call.dy, begin=begin, size=shape, strides=None) if wanted else None)
        start += shape[axis]
    return parts


def broadcast_to(call: Call) -> Sequence[Gradient]:
    return (sum_to(call.b, call.dy, call.shape(0)),)


def _placement(call: Call) -> dict[str, Any]:
    return {k: v for k, v in call.attrs.items() if k not in ("shape", "dtype")}


def gather(call: Call) -> Sequence[Gradient]:
    back = call.b.op("scatter_add", call.dy, call.inputs[1], shape=call.shape(0), **_placement(call))
    return (back if call.needs[0] else None, None)


def scatter_add(call: Call) -> Sequence[Gradient]:
    return (call.b.op("gather", call.dy, call.inputs[1], **_placement(call)) if call.needs[0] else None, None)


def resize(call: Call) -> Sequence[Gradient]:
    how = {k: v for k, v in call.attrs.items() if k != "size"}
    return (call.b.op("resize_grad", call.dy, shape=call.shape(0), **how),)


def resize_grad(call: Call) -> Sequence[Gradient]:
    how = {k: v for k, v in call.attrs.items() if k not in ("shape", "dtype", "size")}
    return (call.b.op("resize", call.dy, size=call.shape(0)[1:3], **how),)


def top_k(call: Call) -> Sequence[Gradient]:
    """The values came from known places; the indices are flat."""
    if call.dys[0] is None:
        return (None,)
    rank = call.b.rank(call.y)
    where = {"shape": call.shape(0), "axis": rank - 1, "batch_dims": rank - 1}
    return (call.b.op("scatter_add", call.dy, call.node.outputs[1], **where),)


MOVEMENT: dict[str, Row] = {
    "reshape": reshape,
    "transpose": transpose,
    "slice": slice_,
    "pad": pad,
    "concat": concat,
    "broadcast_to": broadcast_to,
    "gather": gather,
    "scatter_add": scatter_add,
    "resize": resize,
    "resize_grad": resize_grad,
    "top_k": top_k,
}
