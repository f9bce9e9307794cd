"""One recorded TF.js gradient call, redone with our ops: build the forward op, flow dy back, compare.

`agrees(row)` says "agrees", "differs" or "not expressed" (kernels that are not one of our core ops or short chains of them).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from py_edge.graph import Builder
from py_edge.graph.shapes import same_padding
from py_edge.kernels.load import library
from py_edge.plan import evaluate
from py_edge.tensor import Tensor
from py_edge.train.gradients import flow_back

REFUSED = {
    "Max": "equal maxima: TF.js gives the whole gradient to each; TensorFlow shares it, and so do we",
    "Min": "the same for minima",
    "FloorDiv": "TF.js goes back through the quotient as if nothing had been cut off; TensorFlow has no gradient, ours is 0",
}
UNARY = {
    "Relu": "relu", "Relu6": "relu6", "Asin": "asin", "Sin": "sin", "Ceil": "ceil", "Selu": "selu", "Softplus": "softplus",
    "Tan": "tan", "Erf": "erf", "Log1p": "log1p", "Floor": "floor", "Sqrt": "sqrt", "Atan": "atan", "Cos": "cos",
    "Sign": "sign", "Asinh": "asinh", "Atanh": "atanh", "Acosh": "acosh", "Rsqrt": "rsqrt", "Abs": "abs", "Neg": "neg",
    "Log": "log", "Square": "square", "Reciprocal": "reciprocal", "Step": "step", "Sinh": "sinh", "Expm1": "expm1",
    "LeakyRelu": "leaky_relu",
}  # fmt: skip
FROM_OUTPUT = {"Tanh": ("tanh", np.arctanh), "Exp": ("exp", np.log), "Softmax": ("softmax", np.log)}
BINARY = {
    "Add": "add", "Sub": "sub", "Multiply": "mul", "RealDiv": "div", "FloorDiv": "floor_div", "Pow": "pow",
    "SquaredDifference": "squared_difference", "Maximum": "maximum", "Minimum": "minimum", "Mod": "mod", "Atan2": "atan2",
    "Prelu": "prelu",
}  # fmt: skip
SIDES = {"a": 0, "b": 1, "x": 0, "alpha": 1, "filter": 1, "0": 0, "1": 1, "t": 0, "e": 1, "dy": 0}
Build = Callable[[Builder, list[int], dict[str, Any], dict[str, Any]], int]


def array(raw: dict[str, Any]) -> Any:
    kind = {"float32": np.float32, "int32": np.int32, "bool": np.uint8}[raw["dtype"]]
    return np.array([float(v) for v in raw["v"]]).astype(kind).reshape(raw["shape"])


def _pads(shape: tuple[int, ...], window: tuple[int, int], attrs: dict[str, Any]) -> dict[str, Any]:
    def pair(value: Any) -> tuple[int, int]:
        return (value, value) if isinstance(value, int) else (value[0], value[1])

    strides, dilations, pad = pair(attrs["strides"]), pair(attrs.get("dilations", 1)), attrs["pad"]
    if pad == "same":
        padding = tuple(same_padding(shape[1 + i], window[i], strides[i], dilations[i]) for i in (0, 1))
    else:
        edge = 0 if pad == "valid" else pad
        padding = ((edge, edge), (edge, edge))
    return {"strides": strides, "padding": padding, "dilations": dilations}


def _conv(name: str) -> Build:
    def build(b: Builder, v: list[int], a: dict[str, Any], row: dict[str, Any]) -> int:
        window = b.shape(v[1])[:2]
        return b.op(name, *v, **_pads(b.shape(v[0]), (window[0], window[1]), a))

    return build


def _conv_back(b: Builder, v: list[int], a: dict[str, Any], row: dict[str, Any]) -> int:
    shape, window = tuple(a["inputShape"]), b.shape(v[1])[:2]
    return b.op("conv2d_input_grad", *v, shape=shape, groups=1, **_pads(shape, (window[0], window[1]), a))


def _pool(kind: str) -> Build:
    def build(b: Builder, v: list[int], a: dict[str, Any], row: dict[str, Any]) -> int:
        size = a["filterSize"]
        window = (size, size) if isinstance(size, int) else (size[0], size[1])
        return b.op("pool2d", v[0], kind=kind, window=window, **_pads(b.shape(v[0]), window, a))

    return build


def _reduce(kind: str) -> Build:
    def build(b: Builder, v: list[int], a: dict[str, Any], row: dict[str, Any]) -> int:
        axis = a.get("axis", a.get("reductionIndices"))
        axes = (
            tuple(range(b.rank(v[0]))) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        )
        return b.op("reduce", v[0], kind=kind, axes=axes, keepdims=bool(a.get("keepDims")))

    return build


def _resize(method: str) -> Build:
    return lambda b, v, a, row: b.op(
        "resize",
        v[0],
        size=tuple(a["size"]),
        method=method,
        align_corners=a["alignCorners"],
        half_pixel=a["halfPixelCenters"],
    )


def _tile(b: Builder, v: list[int], a: dict[str, Any], row: dict[str, Any]) -> int:
    x, shape = v[0], b.shape(v[0])
    wide = b.broadcast_to(b.reshape(x, shape=tuple(d for s in shape for d in (1, s))),
                          shape=tuple(d for r, s in zip(a["reps"], shape, strict=True) for d in (r, s)))  # fmt: skip
    return b.reshape(wide, shape=tuple(r * s for r, s in zip(a["reps"], shape, strict=True)))


def _matmul(b: Builder, v: list[int], a: dict[str, Any], row: dict[str, Any]) -> int:
    return b.op("matmul", *v, transpose_a=a["transposeA"], transpose_b=a["transposeB"])


OTHERS: dict[str, Build] = {
    "Conv2D": _conv("conv2d"), "DepthwiseConv2dNative": _conv("depthwise_conv2d"), "Conv2DBackpropInput": _conv_back,
    "MaxPool": _pool("max"), "AvgPool": _pool("avg"), "BatchMatMul": _matmul, "Tile": _tile,
    "Sum": _reduce("sum"), "Mean": _reduce("mean"), "Max": _reduce("max"), "Min": _reduce("min"), "Prod": _reduce("prod"),
    "ResizeBilinear": _resize("bilinear"), "ResizeNearestNeighbor": _resize("nearest"),
    "Reshape": lambda b, v, a, row: b.reshape(v[0], shape=tuple(a["shape"])),
    "GatherV2": lambda b, v, a, row: b.op("gather", *v, axis=a["axis"], batch_dims=a["batchDims"]),
    "Cumsum": lambda b, v, a, row: b.op("cumulate", v[0], kind="sum", axis=a["axis"], exclusive=a["exclusive"], reverse=a["reverse"]),
    "Slice": lambda b, v, a, row: b.op("slice", v[0], begin=a["begin"], size=row["dy"]["shape"], strides=None),
    "PadV2": lambda b, v, a, row: b.op("pad", v[0], paddings=a["paddings"], value=a["constantValue"]),
    "ClipByValue": lambda b, v, a, row: b.minimum(b.maximum(v[0], float(a["clipValueMin"])), float(a["clipValueMax"])),
    "Concat": lambda b, v, a, row: b.op("concat", *v, axis=a["axis"]),
    "Identity": lambda b, v, a, row: b.reshape(v[0], shape=b.shape(v[0])),
    "Cast": lambda b, v, a, row: b.cast(v[0], dtype="float32"),
}  # fmt: skip
FREE = {"Ceil", "Floor", "Sign", "Neg", "Step", "Identity", "Cast"}  # saved nothing: any point will do


def agrees(row: dict[str, Any]) -> str:
    """Redo the call; see the head of the file."""
    kernel, attrs, saved = row["gradOf"], row.get("attrs") or {}, [array(s) for s in row.get("saved", [])]
    want = array(row["out"])
    if (
        isinstance(row["dy"], list)
        or row["dy"]["dtype"] != "float32"
        or any(s.dtype == np.uint8 for s in saved)
    ):
        return "not expressed"
    side, values, build = SIDES.get(row["wrt"], 0), saved, OTHERS.get(kernel)
    if kernel in UNARY:
        extra = {"alpha": attrs["alpha"]} if attrs.get("alpha") is not None else {}
        values = saved[:1] or [np.full(want.shape, 0.3, np.float32)]
        build = lambda b, v, a, r: b.op(UNARY[kernel], v[0], **extra)  # noqa: E731
    elif kernel in FROM_OUTPUT and attrs.get("dim", want.ndim - 1) in (-1, want.ndim - 1):
        name, inverse = FROM_OUTPUT[kernel]
        values = [inverse(saved[0]).astype(np.float32)]
        build = lambda b, v, a, r: b.op(name, v[0])  # noqa: E731
    elif kernel in BINARY:
        values = saved[:2]
        build = lambda b, v, a, r: b.op(BINARY[kernel], *v)  # noqa: E731
    elif kernel in ("Max", "Min", "Prod", "MaxPool", "AvgPool", "Sum", "Mean"):
        values = saved[:1]
    elif kernel in FREE or not saved:
        values = [np.full(want.shape, 0.3, np.float32)]
    if build is None or len(values) <= side or attrs.get("dataFormat") == "NCHW":
        return "not expressed"
    values = [v.astype(np.float32) if v.dtype == np.int32 and kernel != "GatherV2" else v for v in values]
    b = Builder()
    ids = [
        b.input(f"v{i}", v.shape, "int32" if v.dtype == np.int32 else "float32") for i, v in enumerate(values)
    ]
    dy = b.constant(Tensor.of(array(row["dy"])))
    y = build(b, ids, attrs, row)
    if b.shape(y) != tuple(row["dy"]["shape"]):
        return "not expressed"
    found = flow_back(b, {y: dy}, [ids[side]])
    b.output("dx", found.get(ids[side], b.constant(Tensor.zeros(values[side].shape))))
    ours = np.array(
        evaluate(b.graph, library(), {f"v{i}": v for i, v in enumerate(values)})["dx"].tolist()
    ).reshape(values[side].shape)
    if ours.shape != want.shape:
        return "not expressed"
    same = np.isclose(ours, want, rtol=1e-3, atol=1e-4) | (np.isnan(want) & np.isnan(ours)) | (ours == want)
    return "agrees" if bool(np.all(same)) else "differs"
