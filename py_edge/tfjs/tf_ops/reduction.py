"""Reductions, products of matrices, softmax and normalisation."""

from __future__ import annotations

from py_edge.errors import ShapeError
from py_edge.graph.shapes import axis_of
from py_edge.tensor import Tensor
from py_edge.tfjs.call import Call, Lower
from py_edge.tfjs.idioms import arithmetic, axes
from py_edge.tfjs.tf_ops.complex_parts import parted
from py_edge.tfjs.tf_ops.convolution import epilogue
from py_edge.tfjs.trace import Value


def _reduce(kind: str) -> Lower:
    def lower(c: Call) -> Value:
        over = [axis_of(a, c.b.rank(c.x)) for a in c.ints(1)] if c.n > 1 else list(range(c.b.rank(c.x)))
        return axes.reduce(c.b, kind, c.x, over, c.flag("keep_dims", c.flag("keepDims")))

    return lower


def _euclidean(c: Call) -> Value:
    over = [axis_of(a, c.b.rank(c.x)) for a in c.ints(1)]
    return c.b.op("sqrt", axes.reduce(c.b, "sum", c.b.op("square", c.x), over, c.flag("keep_dims")))


def _arg(kind: str) -> Lower:
    def lower(c: Call) -> Value:
        axis = c.axis(1, c.b.rank(c.x)) if c.n > 1 else c.typed("axis", int, 0)
        x = axes.cast(c.b, c.x, "int32") if c.dtype() == "bool" else c.x
        return c.b.op("arg_reduce", x, kind=kind, axis=axis)

    return lower


def _cumulate(kind: str) -> Lower:
    def lower(c: Call) -> Value:
        axis = c.axis(1, c.b.rank(c.x))
        return c.b.op(
            "cumulate", c.x, kind=kind, axis=axis, exclusive=c.flag("exclusive"), reverse=c.flag("reverse")
        )

    return lower


def bincount(c: Call) -> Value:
    """How often each number below `size` occurs, weighted; a second axis is counted row by row."""
    b, size = c.b, c.whole(1)
    if size < 0:
        raise ShapeError("a size of 0 or more", where=c.node.where, got=size)
    x, weights = axes.cast(b, c.x, "int32"), c.id(2)
    if b.rank(x) != 2 or c.node.op == "Bincount":
        x = axes.reshape(b, x, [b.spec(x).size])
        weights = axes.reshape(b, weights, b.shape(x)) if b.spec(weights).size else weights
    if not b.spec(weights).size or c.flag("binary_output"):
        weights = axes.full(b, b.shape(x), 1, b.dtype(weights))
    shape = (*b.shape(x)[:-1], size)
    y = b.op("scatter_add", weights, x, shape=shape, axis=b.rank(x) - 1, batch_dims=b.rank(x) - 1, clip=True)
    if c.flag("binary_output"):
        y = b.op("minimum", y, b.scalar(1, b.dtype(y)))
    return y


def matmul(c: Call) -> Value:
    b = c.b
    flags = {"transpose_a": c.flag("transpose_a"), "transpose_b": c.flag("transpose_b")}
    a, w = (axes.cast(b, v, "float32") for v in c.ids(0, 2))
    y = b.op("matmul", a, w, **flags)
    y = epilogue(c, y, 2) if c.node.op == "_FusedMatMul" else y
    return axes.cast(b, y, "int32") if c.dtype() == "int32" else y


def batch_matmul(c: Call) -> Value:
    a, w = (axes.cast(c.b, v, "float32") for v in c.ids(0, 2))
    flags = {"transpose_a": c.flag("adj_x"), "transpose_b": c.flag("adj_y")}
    y = c.b.op("matmul", a, w, **flags)
    return axes.cast(c.b, y, "int32") if c.dtype() == "int32" else y


def einsum(c: Call) -> Value:
    return arithmetic.einsum(c.b, c.word("equation"), c.ids())


def band_part(c: Call) -> Value:
    """Zero outside of a band around the diagonal; a negative bound keeps that whole triangle."""
    b, low, high = c.b, c.whole(1), c.whole(2)
    rows, columns = c.shape()[-2:]
    c.bounded(rows, columns)
    keep = [
        int((low < 0 or i - j <= low) and (high < 0 or j - i <= high))
        for i in range(rows)
        for j in range(columns)
    ]
    mask = b.constant(Tensor.from_flat(keep, (rows, columns), "bool"))
    return b.op("select", mask, c.x, b.scalar(0, c.dtype()))


def softmax(c: Call) -> Value:
    return c.b.op("softmax", c.x)


def log_softmax(c: Call) -> Value:
    return c.b.op("log_softmax", c.x)


def fused_batch_norm(c: Call) -> list[Value]:
    """(y, mean, variance, ...): moving statistics, or those of the batch when training; NHWC and NCHW."""
    b = c.b
    x = axes.channels_last(b, c.x) if c.first else c.x
    scale, offset, mean, variance = c.ids(1, 5)
    epsilon = c.number("epsilon", 1e-4)
    if c.flag("is_training", True):
        over = list(range(b.rank(x) - 1))
        mean, variance = arithmetic.moments(b, x, over)
        y = arithmetic.standardize(b, x, mean, variance, epsilon, scale, offset)
        mean, variance = (axes.squeeze(b, v, over) for v in (mean, variance))
        n = max(b.spec(x).size // max(b.shape(x)[-1], 1), 2)
        variance = b.op("mul", variance, n / (n - 1))
    else:
        y = arithmetic.as_affine(b, x, mean, variance, epsilon, scale, offset)
    y = axes.channels_first(b, y) if c.first else y
    return [y, mean, variance, mean, variance, variance]


def local_response(c: Call) -> Value:
    return arithmetic.local_response(
        c.b,
        c.x,
        c.typed("depth_radius", int, 5),
        c.number("bias", 1.0),
        c.number("alpha", 1.0),
        c.number("beta", 0.5),
    )


def l2_loss(c: Call) -> Value:
    return c.b.op("mul", axes.reduce(c.b, "sum", c.b.op("square", c.x)), 0.5)


ROWS: dict[str, Lower] = {
    "Max": _reduce("max"), "Min": _reduce("min"), "Mean": parted(_reduce("mean")), "Sum": parted(_reduce("sum")),
    "Prod": _reduce("prod"), "All": _reduce("all"), "Any": _reduce("any"), "EuclideanNorm": _euclidean,
    "ArgMax": _arg("max"), "ArgMin": _arg("min"), "Cumsum": _cumulate("sum"), "Cumprod": _cumulate("prod"),
    "Bincount": bincount, "DenseBincount": bincount, "MatMul": matmul, "_FusedMatMul": matmul,
    "BatchMatMul": batch_matmul, "BatchMatMulV2": batch_matmul, "BatchMatMulV3": batch_matmul, "Einsum": einsum,
    "MatrixBandPart": band_part, "Softmax": softmax, "LogSoftmax": log_softmax, "FusedBatchNorm": fused_batch_norm,
    "FusedBatchNormV2": fused_batch_norm, "FusedBatchNormV3": fused_batch_norm, "LRN": local_response, "L2Loss": l2_loss,
}  # fmt: skip
