"""TF.js's kernels of products, convolutions and pools, forward and back: windows in words of the graph ops."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from py_edge.tfjs.kernel_call import Kernel, Result, Row


def _per_axis(value: Any, dims: int) -> list[int]:
    return [value] * dims if isinstance(value, int) else list(value)


def _channels(k: Kernel) -> bool:
    return str(k.attrs.get("dataFormat") or "NHWC").startswith("NC")


def _laid(row: Sequence[int], first: bool) -> list[int]:
    return [1, 1, *row] if first else [1, *row, 1]


def _padding(k: Kernel, dims: int, place: Sequence[int], window: Sequence[int]) -> dict[str, Any]:
    """same, valid, one number, or pairs per axis; rounding up lets the last window reach over the edge."""
    pad, first = k.attrs["pad"], _channels(k)
    if isinstance(pad, str):
        return {"padding": pad.upper()}
    if isinstance(pad, list):
        pairs = [tuple(p) for p in (pad[2:] if first else pad[1:-1])]
    else:
        pairs = [(pad, pad)] * dims
    if k.attrs.get("dimRoundingMode") == "ceil":
        strides = _per_axis(k.attrs["strides"], dims)
        for i, (size, w, s, (a, z)) in enumerate(zip(place, window, strides, pairs, strict=True)):
            out = math.ceil((size - w + a + z) / s) + 1
            pairs[i] = (a, max(z, (out - 1) * s + w - size - a))
    rows = [(0, 0), (0, 0), *pairs] if first else [(0, 0), *pairs, (0, 0)]
    return {"padding": "EXPLICIT", "explicit_paddings": [v for row in rows for v in row]}


def _windowed(k: Kernel, dims: int, x_shape: Sequence[int], window: Sequence[int]) -> dict[str, Any]:
    first = _channels(k)
    place = x_shape[2:] if first else x_shape[1:-1]
    dilations = _per_axis(k.attrs.get("dilations") or 1, dims)
    return {
        "strides": _laid(_per_axis(k.attrs["strides"], dims), first), "dilations": _laid(dilations, first),
        "data_format": "NCHW" if first else "NHWC", **_padding(k, dims, place, window),
    }  # fmt: skip


def _conv(op: str, dims: int) -> Row:
    def row(k: Kernel) -> Result:
        x, w = k.inputs["x"], k.inputs["filter"]
        return k.op(op, x, w, **_windowed(k, dims, k.b.shape(x), k.b.shape(w)[:dims]), **_epilogue(k))

    return row


_FUSED = {
    "relu": "Relu", "relu6": "Relu6", "elu": "Elu", "prelu": "Prelu", "leakyrelu": "LeakyRelu", "sigmoid": "Sigmoid",
}  # fmt: skip


def _epilogue(k: Kernel) -> dict[str, Any]:
    names = ["BiasAdd"] if k.inputs.get("bias") is not None else []
    names += [_FUSED[k.attrs["activation"]]] if k.attrs.get("activation", "linear") != "linear" else []
    return {"fused_ops": names, "leakyrelu_alpha": k.attrs.get("leakyreluAlpha")}


def _extra(k: Kernel) -> list[int]:
    return [k.inputs[name] for name in ("bias", "preluActivationWeights") if k.inputs.get(name) is not None]


def _fused_conv(op: str) -> Row:
    def row(k: Kernel) -> Result:
        x, w = k.inputs["x"], k.inputs["filter"]
        shape = _windowed(k, 2, k.b.shape(x), k.b.shape(w)[:2])
        return k.op(op, x, w, *_extra(k), **shape, **_epilogue(k))

    return row


def _fused_matmul(k: Kernel) -> Result:
    """TF.js takes batches here; the graph op does not: a plain product and what stands behind it."""
    y = k.one("BatchMatMulV2", *k.all[:2], adj_x=k.attrs["transposeA"], adj_y=k.attrs["transposeB"])
    y = k.b.op("add", y, k.inputs["bias"]) if k.inputs.get("bias") is not None else y
    name = _FUSED.get(k.attrs.get("activation") or "linear")
    if name == "Prelu":
        return k.op(name, y, k.inputs["preluActivationWeights"])
    return k.op(name, y, alpha=k.attrs.get("leakyreluAlpha")) if name else y


def _pool(op: str, dims: int) -> Row:
    def row(k: Kernel) -> Result:
        return k.op(op, k.x, **_pooled(k, dims, k.b.shape(k.x)))

    return row


def _pooled(k: Kernel, dims: int, shape: Sequence[int]) -> dict[str, Any]:
    window = _per_axis(k.attrs["filterSize"], dims)
    attrs = _windowed(k, dims, shape, window) | {"ksize": _laid(window, _channels(k))}
    return attrs | {"include_batch_in_index": k.attrs.get("includeBatchInIndex")}


def _pool_back(op: str, dims: int) -> Row:
    def row(k: Kernel) -> Result:
        x = k.inputs["input"]
        return k.back(k.one(op, x, **_pooled(k, dims, k.b.shape(x))), x, k.inputs["dy"])

    return row


def _conv_back_input(k: Kernel, dims: int) -> Result:
    shape, w = k.attrs["inputShape"], k.inputs["filter"]
    attrs = _windowed(k, dims, shape, k.b.shape(w)[:dims])
    op = "Conv2DBackpropInput" if dims == 2 else "Conv3DBackpropInputV2"
    return k.op(op, k.whole(shape), w, k.inputs["dy"], **attrs)


def _linear_back(op: str, dims: int, of: str) -> Row:
    """Back through a product: the other side's value is not needed, zeros stand for it."""

    def row(k: Kernel) -> Result:
        if of == "filter":
            x, w = k.inputs["x"], k.zeros(k.attrs["filterShape"])
        else:
            x, w = k.zeros(k.attrs["inputShape"]), k.inputs["filter"]
        y = k.one(op, x, w, **_windowed(k, dims, k.b.shape(x), k.b.shape(w)[:dims]))
        return k.back(y, w if of == "filter" else x, k.inputs["dy"])

    return row


def _dilation(k: Kernel) -> int:
    x, w = k.inputs["x"], k.inputs["filter"]
    attrs = _windowed(k, 2, k.b.shape(x), k.b.shape(w)[:2])
    return k.one("Dilation2D", x, w, rates=attrs["dilations"], **attrs)


PRODUCTS: dict[str, Row] = {
    "_FusedMatMul": _fused_matmul,
    "Conv2D": _conv("Conv2D", 2), "Conv3D": _conv("Conv3D", 3), "DepthwiseConv2dNative": _conv("DepthwiseConv2dNative", 2),
    "FusedConv2D": _fused_conv("_FusedConv2D"), "FusedDepthwiseConv2D": _fused_conv("FusedDepthwiseConv2dNative"),
    "Conv2DBackpropInput": lambda k: _conv_back_input(k, 2), "Conv3DBackpropInputV2": lambda k: _conv_back_input(k, 3),
    "Conv2DBackpropFilter": _linear_back("Conv2D", 2, "filter"), "Conv3DBackpropFilterV2": _linear_back("Conv3D", 3, "filter"),
    "DepthwiseConv2dNativeBackpropFilter": _linear_back("DepthwiseConv2dNative", 2, "filter"),
    "DepthwiseConv2dNativeBackpropInput": _linear_back("DepthwiseConv2dNative", 2, "x"),
    "MaxPool": _pool("MaxPool", 2), "AvgPool": _pool("AvgPool", 2), "MaxPool3D": _pool("MaxPool3D", 3),
    "AvgPool3D": _pool("AvgPool3D", 3), "MaxPoolWithArgmax": _pool("MaxPoolWithArgmax", 2),
    "MaxPoolGrad": _pool_back("MaxPool", 2), "AvgPoolGrad": _pool_back("AvgPool", 2),
    "MaxPool3DGrad": _pool_back("MaxPool3D", 3), "AvgPool3DGrad": _pool_back("AvgPool3D", 3),
    "Dilation2D": _dilation,
    "Dilation2DBackpropInput": lambda k: k.back(_dilation(k), k.inputs["x"], k.inputs["dy"]),
    "Dilation2DBackpropFilter": lambda k: k.back(_dilation(k), k.inputs["filter"], k.inputs["dy"]),
}  # fmt: skip
