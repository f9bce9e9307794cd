"""TF.js's kernels that move elements or make new ones: slices, scatters, fills, ragged rows, strings."""

from __future__ import annotations

import math

from py_edge.tfjs.idioms import axes
from py_edge.tfjs.kernel_call import Kernel, Result, Row, plain_id, with_attrs, with_ints


def _slice(k: Kernel) -> Result:
    """begin and size may be one number, and shorter than the rank."""
    shape = k.b.shape(plain_id(k))
    begin, size = (v if isinstance(v, list) else [v] for v in (k.attrs["begin"], k.attrs.get("size", -1)))
    begin, size = begin + [0] * (len(shape) - len(begin)), size + [-1] * (len(shape) - len(size))
    return k.op("Slice", k.all[0], k.whole(begin), k.whole(size))


def _reverse(k: Kernel) -> Result:
    """All axes, where none are named."""
    dims = k.attrs.get("dims")
    dims = list(range(k.b.rank(plain_id(k)))) if dims is None else [dims] if isinstance(dims, int) else dims
    return k.op("ReverseV2", k.all[0], k.whole(dims))


def _split(k: Kernel) -> Result:
    axis, sizes = k.attrs["axis"], k.attrs["numOrSizeSplits"]
    if isinstance(sizes, int):
        sizes = [k.b.shape(plain_id(k))[axis] // sizes] * sizes
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


def _scatter(k: Kernel) -> Result:
    """TF.js takes a plain list of places for index vectors of length 1."""
    places = k.inputs["indices"]
    places = axes.expand(k.b, places, 1) if k.b.rank(places) == 1 else places
    return k.op("ScatterNd", places, k.inputs["updates"], k.whole(k.attrs["shape"]))


def _segment_sum(k: Kernel) -> Result:
    x, ids, n = k.inputs["x"], k.inputs["segmentIds"], k.attrs["numSegments"]
    return k.b.op("scatter_add", x, ids, shape=(n, *k.b.shape(x)[1:]), axis=0, batch_dims=0, clip=True)


def _fill(k: Kernel) -> Result:
    value, dtype = k.attrs["value"], k.attrs.get("dtype")
    if isinstance(value, str) and dtype == "string":
        return k.trace.constant([value.encode()] * math.prod(k.attrs["shape"]), k.attrs["shape"], "string")  # type: ignore[list-item]
    return k.op("Fill", k.whole(k.attrs["shape"]), k.number(float(value), dtype or "float32"))


def _range(k: Kernel) -> Result:
    dtype = k.attrs.get("dtype") or "float32"
    return k.op("Range", *(k.number(k.attrs[n], dtype) for n in ("start", "stop", "step")))


def _one_hot(k: Kernel) -> Result:
    dtype = k.attrs.get("dtype") or "float32"
    sides = (k.number(k.attrs[name], dtype) for name in ("onValue", "offValue"))
    return k.op("OneHot", k.x, k.whole(k.attrs["depth"]), *sides)


MOVEMENT: dict[str, Row] = {
    "Reshape": with_ints("Reshape", "shape"), "Transpose": with_ints("Transpose", "perm"), "Tile": with_ints("Tile", "reps"),
    "ExpandDims": with_ints("ExpandDims", "dim"), "Concat": with_ints("ConcatV2", "axis"), "Slice": _slice, "SplitV": _split,
    "StridedSlice": _strided, "Pack": with_attrs("Pack", axis="axis"), "Unpack": with_attrs("Unpack", axis="axis"),
    "Reverse": _reverse,
    "PadV2": lambda k: k.op("PadV2", k.all[0], k.whole(k.attrs["paddings"]), k.number(k.attrs["constantValue"])),
    "MirrorPad": lambda k: k.op("MirrorPad", k.x, k.whole(k.attrs["paddings"]), mode=k.attrs["mode"]),
    "SpaceToBatchND": with_ints("SpaceToBatchND", "blockShape", "paddings"),
    "BatchToSpaceND": with_ints("BatchToSpaceND", "blockShape", "crops"),
    "DepthToSpace": with_attrs("DepthToSpace", block_size="blockSize", data_format="dataFormat"),
    "GatherV2": lambda k: k.op("GatherV2", *k.all, k.whole(k.attrs["axis"]), batch_dims=k.attrs["batchDims"]),
    "ScatterNd": _scatter, "UnsortedSegmentSum": _segment_sum,
    "SparseToDense": lambda k: k.op("SparseToDense", k.all[0], k.whole(k.attrs["outputShape"]), *k.all[1:]),
    "Unique": with_ints("UniqueV2", "axis"), "TopK": with_ints("TopKV2", "k"),
    "Fill": _fill, "Range": _range, "OneHot": _one_hot,
    "LinSpace": lambda k: k.op("LinSpace", k.number(k.attrs["start"]), k.number(k.attrs["stop"]), k.whole(k.attrs["num"])),
    "Multinomial": with_ints("Multinomial", "numSamples"),
    "RaggedGather": lambda k: k.op("RaggedGather", *k.inputs["paramsNestedSplits"], k.inputs["paramsDenseValues"],
                                   k.inputs["indices"], PARAMS_RAGGED_RANK=len(k.inputs["paramsNestedSplits"])),
    "RaggedTensorToTensor": lambda k: k.op("RaggedTensorToTensor", *k.all[:3], *k.inputs["rowPartitionTensors"],
                                           row_partition_types=k.attrs["rowPartitionTypes"]),
    "StringNGrams": with_attrs("StringNGrams", separator="separator", ngram_widths="nGramWidths", left_pad="leftPad",
                                right_pad="rightPad", pad_width="padWidth",
                                preserve_short_sequences="preserveShortSequences"),
    "StringSplit": with_attrs("StringSplit", skip_empty="skipEmpty"),
    "StaticRegexReplace": with_attrs("StaticRegexReplace", pattern="pattern", rewrite="rewrite",
                                      replace_global="replaceGlobal"),
    "StringToHashBucketFast": with_attrs("StringToHashBucketFast", num_buckets="numBuckets"),
}  # fmt: skip
