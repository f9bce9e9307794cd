"""Recorded gradients of TF.js, redone with our ops: build the forward op, flow dy back, compare. Standard library only.

File: one JSON a line, {gradOf, wrt, dy, saved, attrs, out, spec}.
"""

from __future__ import annotations

import gzip
import json
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from py_edge.graph import Builder
from py_edge.graph.shapes import same_padding
from py_edge.tensor import Tensor
from py_edge.tfjs import conformance_kernels
from py_edge.tfjs.conformance import Other, Part
from py_edge.tfjs.conformance_kernels import value_of
from py_edge.tfjs.segments import Compile
from py_edge.train.gradients import flow_back

RELATIVE, ABSOLUTE = 1e-3, 1e-4
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


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf


def _artanh(x: float) -> float:
    return math.atanh(x) if abs(x) < 1 else math.copysign(math.inf, x)


FROM_OUTPUT = {"Tanh": ("tanh", _artanh), "Exp": ("exp", _log), "Softmax": ("softmax", _log)}
BINARY = {
    "Add": "add", "Sub": "sub", "Multiply": "mul", "RealDiv": "div", "FloorDiv": "floor_div", "Pow": "pow",
    "SquaredDifference": "squared_difference", "Maximum": "maximum", "Minimum": "minimum", "Mod": "mod", "Atan2": "atan2",
    "Prelu": "prelu",
}  # fmt: skip
SIDES = {"a": 0, "b": 1, "x": 0, "alpha": 1, "filter": 1, "0": 0, "1": 1, "t": 0, "e": 1, "dy": 0}
Build = Callable[[Builder, list[int], dict[str, Any], dict[str, Any]], int]


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


def _tensor(raw: dict[str, Any]) -> Tensor:
    value = value_of(raw)
    assert isinstance(value, Tensor)
    return value


def _full(shape: tuple[int, ...]) -> Tensor:
    """Any point will do."""
    return Tensor.from_flat([0.3] * math.prod(shape), shape)


def verdict(row: dict[str, Any], compile_: Compile) -> str:
    """agrees, differs, or not expressed: no core op of ours or short chain of them."""
    raws = [row["dy"], row["out"], *row.get("saved", [])]
    if any(isinstance(raw, list) or raw["dtype"] not in ("float32", "int32") for raw in raws):
        return "not expressed"
    if row["dy"]["dtype"] != "float32":
        return "not expressed"
    kernel, attrs, saved = row["gradOf"], row.get("attrs") or {}, [_tensor(s) for s in row.get("saved", [])]
    want = _tensor(row["out"])
    side, values, build = SIDES.get(row["wrt"], 0), saved, OTHERS.get(kernel)
    last = len(want.shape) - 1
    if kernel in UNARY:
        extra = {"alpha": attrs["alpha"]} if attrs.get("alpha") is not None else {}
        values = saved[:1] or [_full(want.shape)]
        build = _named(UNARY[kernel], extra)
    elif kernel in FROM_OUTPUT and attrs.get("dim", last) in (-1, last):
        name, inverse = FROM_OUTPUT[kernel]
        values, build = (
            [Tensor.from_flat([inverse(v) for v in saved[0].flat], saved[0].shape)],
            _named(name, {}),
        )
    elif kernel in BINARY:
        values, build = saved[:2], _named(BINARY[kernel], {})
    elif kernel in ("Max", "Min", "Prod", "MaxPool", "AvgPool", "Sum", "Mean"):
        values = saved[:1]
    elif kernel in FREE or not saved:
        values = [_full(want.shape)]
    if build is None or len(values) <= side or attrs.get("dataFormat") == "NCHW":
        return "not expressed"
    values = [v.astype("float32") if v.dtype == "int32" and kernel != "GatherV2" else v for v in values]
    found = _flowed(row, build, values, side, compile_)
    if found is None or found.shape != want.shape:
        return "not expressed"
    return "agrees" if all(map(_close, found.flat.tolist(), want.flat.tolist())) else "differs"


def _named(op: str, extra: dict[str, Any]) -> Build:
    return lambda b, v, a, row: b.op(op, *v, **extra)


def _flowed(
    row: dict[str, Any], build: Build, values: list[Tensor], side: int, compile_: Compile
) -> Tensor | None:
    """The gradient at values[side]; None when our op has another output shape than the recorded one."""
    b = Builder()
    ids = [b.input(f"v{i}", v.shape, v.dtype) for i, v in enumerate(values)]
    dy = b.constant(_tensor(row["dy"]))
    y = build(b, ids, row.get("attrs") or {}, row)
    if b.shape(y) != tuple(row["dy"]["shape"]):
        return None
    found = flow_back(b, {y: dy}, [ids[side]])
    b.output("dx", found.get(ids[side], b.constant(Tensor.zeros(values[side].shape))))
    return Tensor.of(compile_(b.graph)({f"v{i}": v for i, v in enumerate(values)})["dx"])


def _close(a: float, z: float) -> bool:
    return a == z or (math.isnan(a) and math.isnan(z)) or abs(a - z) <= ABSOLUTE + RELATIVE * abs(z)


def run(path: Path, compile_: Compile) -> Part:
    """Every recorded gradient that our ops can express; the rest is left out, by name."""
    part = Part()
    with gzip.open(path, "rt") as file:
        rows = [json.loads(line) for line in file]
    unsaid: Counter[str] = Counter()
    for row in rows:
        name = f"{row['gradOf']} by {row['wrt']} ({row.get('spec', '')})"
        found = verdict(row, compile_)
        if found == "not expressed":
            unsaid[row["gradOf"]] += 1
            continue
        part.total += 1
        part.passed += found == "agrees"
        if found == "differs" and row["gradOf"] in REFUSED:
            part.argued.append(f"{name}: {REFUSED[row['gradOf']]}")
        elif found == "differs":
            part.failures.append(name)
    part.left_out = [
        f"{kernel}, {n} calls: no op or short chain of ours" for kernel, n in unsaid.most_common()
    ]
    return part


def others(compile_: Compile) -> dict[str, Other]:
    """The parts of py_edge.tfjs.conformance that need gradients: kernel calls and gradient calls."""

    def kernels(data: Path) -> Part | None:
        path = data / "kernels.jsonl.gz"
        return conformance_kernels.run(path, compile_, flow_back) if path.exists() else None

    def gradients(data: Path) -> Part | None:
        path = data / "gradients.jsonl.gz"
        return run(path, compile_) if path.exists() else None

    return {"kernels": kernels, "gradients": gradients}
