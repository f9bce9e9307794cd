"""TF.js's kernels in words of our lowering: one row per kernel, from its attributes' spelling to that of the graph op.

Kernels of the same name, inputs and no attributes need no row. Gradient kernels flow back through the forward op; who
calls hands the flow in, since this room does not know training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from py_edge.errors import UnsupportedError
from py_edge.graph import Builder
from py_edge.tfjs.call import Call, Run
from py_edge.tfjs.idioms import axes
from py_edge.tfjs.tf_graph import TfNode
from py_edge.tfjs.tf_ops.table import OPS
from py_edge.tfjs.trace import Trace, Value

FlowBack = Callable[[Builder, dict[int, int], Iterable[int]], dict[int, int]]
Result = Value | list[Value]


@dataclass(slots=True)
class Kernel:
    """One recorded call while it is lowered. inputs: values by TF.js's names, in its order; lists and None as they are."""

    name: str
    trace: Trace
    inputs: dict[str, Any]
    attrs: dict[str, Any]
    flow: FlowBack | None = None

    @property
    def b(self) -> Builder:
        return self.trace.b

    @property
    def all(self) -> list[Any]:
        return list(self.inputs.values())

    @property
    def x(self) -> int:
        return int(self.all[0])

    def op(self, op: str, *values: Value, **attrs: Any) -> Result:
        """Lower one graph op on values that are there."""
        if op not in OPS:
            raise UnsupportedError("no row for this kernel", where=self.name)
        node = TfNode("kernel", op, [], [], {k: v for k, v in attrs.items() if v is not None}, self.name)
        return OPS[op](Call(Run(self.trace, {}, {}, OPS), node, list(values)))

    def one(self, op: str, *values: Value, **attrs: Any) -> int:
        result = self.op(op, *values, **attrs)
        result = result[0] if isinstance(result, list) else result
        assert isinstance(result, int)
        return result

    def whole(self, value: Any) -> int:
        """An attribute as an int32 input: a number or a list of any depth, flattened."""
        if isinstance(value, int):
            return self.trace.constant([value], ())
        flat = [v for item in value for v in (item if isinstance(item, list) else [item])]
        return self.trace.constant(flat)

    def number(self, value: float, dtype: str = "float32") -> int:
        return self.trace.constant([value], (), dtype)

    def zeros(self, shape: Sequence[int]) -> int:
        return axes.full(self.b, shape, 0.0)

    def back(self, y: int, of: int, dy: int) -> int:
        """What flows back to `of` when dy flows into y."""
        if self.flow is None:
            raise UnsupportedError("gradients are not handed in", where=self.name)
        found = self.flow(self.b, {y: dy}, [of])
        return found.get(of, self.zeros(self.b.shape(of)))


Row = Callable[[Kernel], Result]


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


def _reduce(k: Kernel) -> Result:
    axis = k.attrs.get("axis", k.attrs.get("reductionIndices"))
    axis = list(range(k.b.rank(_plain(k)))) if axis is None else axis
    return k.op(k.name, k.all[0], k.whole(axis), keep_dims=k.attrs.get("keepDims"))


def _plain(k: Kernel) -> int:
    value = k.all[0]
    return value if isinstance(value, int) else value.real


def _along(k: Kernel) -> Result:
    flags = {name: k.attrs.get(name) for name in ("exclusive", "reverse")}
    return k.op(k.name, k.x, k.whole(k.attrs["axis"]), **flags)


def _slice(k: Kernel) -> Result:
    """begin and size may be one number, and shorter than the rank."""
    shape = k.b.shape(_plain(k))
    begin, size = (v if isinstance(v, list) else [v] for v in (k.attrs["begin"], k.attrs.get("size", -1)))
    begin, size = begin + [0] * (len(shape) - len(begin)), size + [-1] * (len(shape) - len(size))
    return k.op("Slice", k.all[0], k.whole(begin), k.whole(size))


def _reverse(k: Kernel) -> Result:
    """All axes, where none are named."""
    dims = k.attrs.get("dims")
    dims = list(range(k.b.rank(_plain(k)))) if dims is None else [dims] if isinstance(dims, int) else dims
    return k.op("ReverseV2", k.all[0], k.whole(dims))


def _step(k: Kernel) -> Result:
    """1 above 0, alpha below; TF.js's own, a float op of ours."""
    y = k.b.op("step", axes.cast(k.b, k.x, "float32"), alpha=float(k.attrs["alpha"]))
    return axes.cast(k.b, y, k.b.dtype(k.x))


def _clip(k: Kernel) -> Result:
    bounds = (k.number(k.attrs[name], k.b.dtype(k.x)) for name in ("clipValueMin", "clipValueMax"))
    return k.op("ClipByValue", k.x, *bounds)


def _split(k: Kernel) -> Result:
    axis, sizes = k.attrs["axis"], k.attrs["numOrSizeSplits"]
    if isinstance(sizes, int):
        sizes = [k.b.shape(_plain(k))[axis] // sizes] * sizes
    return k.op("SplitV", k.all[0], k.whole(sizes), k.whole(axis))


def _strided(k: Kernel) -> Result:
    masks = {
        f"{name}_mask": k.attrs.get(f"{spelt}Mask")
        for name, spelt in (
            ("begin", "begin"), ("end", "end"), ("ellipsis", "ellipsis"), ("new_axis", "newAxis"),
            ("shrink_axis", "shrinkAxis"),
        )
    }  # fmt: skip
    rows = (k.whole(k.attrs[name]) for name in ("begin", "end", "strides"))
    return k.op("StridedSlice", k.all[0], *rows, **masks)


def _batch_norm(k: Kernel) -> Result:
    mean = k.inputs["mean"]
    scale, offset = k.inputs.get("scale"), k.inputs.get("offset")
    scale = axes.full(k.b, k.b.shape(mean), 1.0) if scale is None else scale
    offset = axes.full(k.b, k.b.shape(mean), 0.0) if offset is None else offset
    if k.b.rank(mean) == 1 and k.b.rank(scale) == 1 and k.b.rank(offset) == 1:
        rest = (scale, offset, mean, k.inputs["variance"])
        y = k.op(
            "FusedBatchNormV3", k.inputs["x"], *rest, is_training=False, epsilon=k.attrs["varianceEpsilon"]
        )
        return y[0] if isinstance(y, list) else y
    b = k.b
    spread = b.op("rsqrt", b.op("add", k.inputs["variance"], float(k.attrs["varianceEpsilon"])))
    y = b.op("mul", b.op("mul", b.op("sub", k.inputs["x"], mean), spread), scale)
    return b.op("add", y, offset)


def _suppress(version: int) -> Row:
    def row(k: Kernel) -> Result:
        a = k.attrs
        rest = [k.number(a[n]) for n in ("iouThreshold", "scoreThreshold")]
        rest += [k.number(a["softNmsSigma"])] if version == 5 else []
        flag = a.get("padToMaxOutputSize")
        y = k.op(f"NonMaxSuppressionV{version}", *k.all[:2], k.whole(a["maxOutputSize"]), *rest,
                 pad_to_max_output_size=flag)  # fmt: skip
        return y[:2] if isinstance(y, list) and version == 5 else y

    return row


def _resize(k: Kernel) -> dict[str, Any]:
    return {
        "align_corners": k.attrs["alignCorners"],
        "half_pixel_centers": k.attrs.get("halfPixelCenters", False),
    }


def _resize_back(op: str) -> Row:
    def row(k: Kernel) -> Result:
        x, dy = k.inputs["images"], k.inputs["dy"]
        return k.back(k.one(op, x, k.whole(list(k.b.shape(dy)[1:3])), **_resize(k)), x, dy)

    return row


def _elu_back(k: Kernel) -> Result:
    b, dy, y = k.b, k.inputs["dy"], k.inputs["y"]
    return b.op("select", b.op("greater_equal", y, 0.0), dy, b.op("mul", dy, b.op("add", y, 1.0)))


def _response(k: Kernel, x: int) -> int:
    names = (("depth_radius", "depthRadius"), ("bias", "bias"), ("alpha", "alpha"), ("beta", "beta"))
    return k.one("LRN", x, **{name: k.attrs[spelt] for name, spelt in names})


def _transform(k: Kernel) -> Result:
    size = k.attrs.get("outputShape") or list(k.b.shape(k.x)[1:3])
    modes = {"interpolation": k.attrs["interpolation"].upper(), "fill_mode": k.attrs["fillMode"].upper()}
    return k.op(
        "ImageProjectiveTransformV3", *k.all[:2], k.whole(size), k.number(k.attrs["fillValue"]), **modes
    )


def _segment_sum(k: Kernel) -> Result:
    x, ids, n = k.inputs["x"], k.inputs["segmentIds"], k.attrs["numSegments"]
    return k.b.op("scatter_add", x, ids, shape=(n, *k.b.shape(x)[1:]), axis=0, batch_dims=0, clip=True)


def _scatter(k: Kernel) -> Result:
    """TF.js takes a plain list of places for index vectors of length 1."""
    places = k.inputs["indices"]
    places = axes.expand(k.b, places, 1) if k.b.rank(places) == 1 else places
    return k.op("ScatterNd", places, k.inputs["updates"], k.whole(k.attrs["shape"]))


def _one_hot(k: Kernel) -> Result:
    dtype = k.attrs.get("dtype") or "float32"
    sides = (k.number(k.attrs[name], dtype) for name in ("onValue", "offValue"))
    return k.op("OneHot", k.x, k.whole(k.attrs["depth"]), *sides)


def _fill(k: Kernel) -> Result:
    value, dtype = k.attrs["value"], k.attrs.get("dtype")
    if isinstance(value, str) and dtype == "string":
        return k.trace.constant([value.encode()] * math.prod(k.attrs["shape"]), k.attrs["shape"], "string")  # type: ignore[list-item]
    return k.op("Fill", k.whole(k.attrs["shape"]), k.number(float(value), dtype or "float32"))


def _range(k: Kernel) -> Result:
    dtype = k.attrs.get("dtype") or "float32"
    return k.op("Range", *(k.number(k.attrs[n], dtype) for n in ("start", "stop", "step")))


def _softmax(k: Kernel) -> Result:
    return axes.on_last(k.b, k.x, k.attrs.get("dim", -1), lambda v: k.b.op("softmax", v))


def _with_ints(op: str, *names: str) -> Row:
    """Attributes that the graph op takes as further inputs."""
    return lambda k: k.op(op, *k.all, *(k.whole(k.attrs[name]) for name in names))


def _with_attrs(op: str, **names: str) -> Row:
    """Attributes under another spelling."""
    return lambda k: k.op(op, *k.all, **{name: k.attrs.get(spelt) for name, spelt in names.items()})


def _same(op: str) -> Row:
    return lambda k: k.op(op, *k.all)


ROWS: dict[str, Row] = {
    **dict.fromkeys(("Sum", "Mean", "Prod", "Max", "Min", "All", "Any"), _reduce),
    **dict.fromkeys(("ArgMax", "ArgMin", "Cumsum", "Cumprod"), _along),
    "Multiply": _same("Mul"), "Mod": _same("FloorMod"), "SearchSorted": lambda k: k.op(
        "UpperBound" if k.attrs["side"] == "right" else "LowerBound", *k.all),
    "Step": _step,
    "LeakyRelu": _with_attrs("LeakyRelu", alpha="alpha"), "Softmax": _softmax,
    "Cast": _with_attrs("Cast", DstT="dtype"),
    "ClipByValue": _clip,
    "BatchMatMul": _with_attrs("BatchMatMulV2", adj_x="transposeA", adj_y="transposeB"), "_FusedMatMul": _fused_matmul,
    "Einsum": _with_attrs("Einsum", equation="equation"), "FusedBatchNorm": _batch_norm,
    "Bincount": lambda k: k.op("Bincount", k.x, k.whole(k.attrs["size"]), k.inputs["weights"]),
    "DenseBincount": lambda k: k.op("DenseBincount", k.x, k.whole(k.attrs["size"]), k.inputs["weights"],
                                    binary_output=k.attrs["binaryOutput"]),
    "LRN": lambda k: _response(k, k.x),
    "LRNGrad": lambda k: k.back(_response(k, k.inputs["x"]), k.inputs["x"], k.inputs["dy"]),
    "EluGrad": _elu_back,
    # windows
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
    # images
    "ResizeBilinear": lambda k: k.op("ResizeBilinear", k.x, k.whole(k.attrs["size"]), **_resize(k)),
    "ResizeNearestNeighbor": lambda k: k.op("ResizeNearestNeighbor", k.x, k.whole(k.attrs["size"]), **_resize(k)),
    "ResizeBilinearGrad": _resize_back("ResizeBilinear"),
    "ResizeNearestNeighborGrad": _resize_back("ResizeNearestNeighbor"),
    "CropAndResize": lambda k: k.op("CropAndResize", *k.all, k.whole(k.attrs["cropSize"]), method=k.attrs["method"],
                                    extrapolation_value=k.attrs["extrapolationValue"]),
    "FlipLeftRight": lambda k: axes.flip(k.b, k.x, [2]), "Transform": _transform,
    "NonMaxSuppressionV3": _suppress(3), "NonMaxSuppressionV4": _suppress(4), "NonMaxSuppressionV5": _suppress(5),
    # movement
    "Reshape": _with_ints("Reshape", "shape"), "Transpose": _with_ints("Transpose", "perm"), "Tile": _with_ints("Tile", "reps"),
    "ExpandDims": _with_ints("ExpandDims", "dim"), "Concat": _with_ints("ConcatV2", "axis"), "Slice": _slice, "SplitV": _split,
    "StridedSlice": _strided, "Pack": _with_attrs("Pack", axis="axis"), "Unpack": _with_attrs("Unpack", axis="axis"),
    "Reverse": _reverse,
    "PadV2": lambda k: k.op("PadV2", k.all[0], k.whole(k.attrs["paddings"]), k.number(k.attrs["constantValue"])),
    "MirrorPad": lambda k: k.op("MirrorPad", k.x, k.whole(k.attrs["paddings"]), mode=k.attrs["mode"]),
    "SpaceToBatchND": _with_ints("SpaceToBatchND", "blockShape", "paddings"),
    "BatchToSpaceND": _with_ints("BatchToSpaceND", "blockShape", "crops"),
    "DepthToSpace": _with_attrs("DepthToSpace", block_size="blockSize", data_format="dataFormat"),
    "GatherV2": lambda k: k.op("GatherV2", *k.all, k.whole(k.attrs["axis"]), batch_dims=k.attrs["batchDims"]),
    "ScatterNd": _scatter, "UnsortedSegmentSum": _segment_sum,
    "SparseToDense": lambda k: k.op("SparseToDense", k.all[0], k.whole(k.attrs["outputShape"]), *k.all[1:]),
    "Unique": _with_ints("UniqueV2", "axis"), "TopK": _with_ints("TopKV2", "k"),
    # new values
    "Fill": _fill, "Range": _range, "OneHot": _one_hot,
    "LinSpace": lambda k: k.op("LinSpace", k.number(k.attrs["start"]), k.number(k.attrs["stop"]), k.whole(k.attrs["num"])),
    "Multinomial": _with_ints("Multinomial", "numSamples"),
    # ragged, strings
    "RaggedGather": lambda k: k.op("RaggedGather", *k.inputs["paramsNestedSplits"], k.inputs["paramsDenseValues"],
                                   k.inputs["indices"], PARAMS_RAGGED_RANK=len(k.inputs["paramsNestedSplits"])),
    "RaggedTensorToTensor": lambda k: k.op("RaggedTensorToTensor", *k.all[:3], *k.inputs["rowPartitionTensors"],
                                           row_partition_types=k.attrs["rowPartitionTypes"]),
    "StringNGrams": _with_attrs("StringNGrams", separator="separator", ngram_widths="nGramWidths", left_pad="leftPad",
                                right_pad="rightPad", pad_width="padWidth",
                                preserve_short_sequences="preserveShortSequences"),
    "StringSplit": _with_attrs("StringSplit", skip_empty="skipEmpty"),
    "StaticRegexReplace": _with_attrs("StaticRegexReplace", pattern="pattern", rewrite="rewrite",
                                      replace_global="replaceGlobal"),
    "StringToHashBucketFast": _with_attrs("StringToHashBucketFast", num_buckets="numBuckets"),
}  # fmt: skip


def lower(k: Kernel) -> list[Value]:
    """The kernel's results as values. Raises UnsupportedError where no row knows it."""
    row = ROWS.get(k.name) or _same(k.name)
    result = row(k)
    return result if isinstance(result, list) else [result]
