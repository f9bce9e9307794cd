"""Shapes, casts and the graph's own plumbing: what moves no element."""

from __future__ import annotations

from py_edge.errors import GraphError, ShapeError, UnsupportedError
from py_edge.graph.shapes import broadcast
from py_edge.tensor import count
from py_edge.tfjs.call import Call, Lower
from py_edge.tfjs.idioms import axes
from py_edge.tfjs.tf_ops.complex_parts import parted
from py_edge.tfjs.trace import Cplx, Value


def identity(c: Call) -> Value:
    if not c.values:
        raise GraphError("an input is missing", where=c.node.where)
    return c.values[0]


def identity_n(c: Call) -> list[Value]:
    return c.values


def const(c: Call) -> Value:
    return c.trace.weight(c.node.name, c.node.where)


def no_op(c: Call) -> list[Value]:
    return []


def _shape_of(c: Call, value: Value) -> tuple[int, ...]:
    if isinstance(value, Cplx):
        return c.b.shape(value.real)
    if not isinstance(value, int):
        raise UnsupportedError("the shape of something that is no tensor", where=c.node.where)
    return c.b.shape(value)


def shape(c: Call) -> Value:
    return c.trace.constant(_shape_of(c, c.values[0]))


def shape_n(c: Call) -> list[Value]:
    return [c.trace.constant(_shape_of(c, value)) for value in c.values]


def rank(c: Call) -> Value:
    return c.trace.constant([len(_shape_of(c, c.values[0]))], ())


def size(c: Call) -> Value:
    return c.trace.constant([count(_shape_of(c, c.values[0]))], ())


def broadcast_args(c: Call) -> Value:
    return c.trace.constant(broadcast(tuple(c.ints(0)), tuple(c.ints(1))))


def cast(c: Call) -> Value:
    target = c.word("DstT", "float32")
    value = c.values[0]
    if isinstance(value, Cplx):
        return value if target == "complex64" else axes.cast(c.b, value.real, target)
    if target == "complex64":
        real = axes.cast(c.b, c.x, "float32")
        return Cplx(real, c.b.op("mul", real, 0.0))
    if target not in ("float32", "int32", "bool"):
        raise UnsupportedError("cast to this dtype", where=c.node.where, got=target)
    return axes.cast(c.b, c.x, target)


def expand_dims(c: Call) -> Value:
    return axes.expand(c.b, c.x, c.whole(1))


def squeeze(c: Call) -> Value:
    return axes.squeeze(c.b, c.x, [int(i) for i in c.row("squeeze_dims") or c.row("axis")])


def reshape(c: Call) -> Value:
    target = c.ints(1)
    if any(d < -1 for d in target):
        raise ShapeError("sizes are -1 or more", where=c.node.where, got=target)
    return c.b.op("reshape", c.x, shape=tuple(target))


def ensure_shape(c: Call) -> Value:
    want = c.attr("shape")
    have = c.shape()
    if want is not None and (
        len(want) != len(have) or any(d not in (None, h) for d, h in zip(want, have, strict=True))
    ):
        raise ShapeError("the tensor has another shape", where=c.node.where, got=have, want=want)
    return c.x


_PLAIN: dict[str, Lower] = {
    "ExpandDims": expand_dims, "Squeeze": squeeze, "Reshape": reshape, "EnsureShape": ensure_shape,
}  # fmt: skip
ROWS: dict[str, Lower] = {
    **{name: parted(lower) for name, lower in _PLAIN.items()},
    "Identity": identity, "Snapshot": identity, "StopGradient": identity, "Print": identity, "PreventGradient": identity,
    "CheckNumerics": identity, "PlaceholderWithDefault": identity, "IdentityN": identity_n, "Const": const, "NoOp": no_op,
    "Assert": no_op, "Shape": shape, "ShapeN": shape_n, "Rank": rank, "Size": size, "BroadcastArgs": broadcast_args, "Cast": cast,
}  # fmt: skip
