"""Graph ops against what TensorFlow computed, one small graph each."""

from __future__ import annotations

import math

import pytest

from py_edge.tfjs import load_model
from py_edge.tfjs.session import Session
from py_edge.tfjs.tf_ops.table import OPS
from tests.tfjs.engine import compiled
from tests.tfjs.recorded import files_of, flat, op_cases, value_of

RELATIVE, ABSOLUTE = 1e-5, 1e-5
"""Per op; sums of a few hundred float32 products may land a little beside TensorFlow's order."""


@pytest.mark.parametrize("name", op_cases())
def test_computes_what_tensorflow_computed(name: str) -> None:
    """Numbers within tolerance, shapes, whole numbers, truth values and strings exactly; a second run the same."""
    case = op_cases()[name]
    session = Session(load_model(files_of(case)), compiled)
    inputs = {key: value_of(raw) for key, raw in case["inputs"].items()}
    for _ in range(2):
        results = list(session.run(inputs).values())
        for got, raw in zip(results, case["outputs"], strict=True):
            want = value_of(raw)
            assert type(got) is type(want)
            assert getattr(got, "shape", raw["shape"]) == getattr(want, "shape", raw["shape"])
            for ours, theirs in zip(flat(got), flat(want), strict=True):
                close = ours == theirs or (
                    isinstance(theirs, float)
                    and (
                        abs(ours - theirs) <= ABSOLUTE + RELATIVE * abs(theirs)
                        or (math.isnan(ours) and math.isnan(theirs))
                    )
                )
                assert close, f"{ours} instead of {theirs}"


def test_every_op_of_the_converter_has_a_row() -> None:
    """All ops of the converter's list are there, but the three that only TF-DF's own package runs."""
    listed = (
        "Add AddV2 AddN BiasAdd Sub RealDiv Div DivNoNan FloorDiv Mul Maximum Minimum Pow SquaredDifference Mod FloorMod "
        "Abs Acos Asin Atan Atan2 Ceil ClipByValue Complex ComplexAbs Cos Cosh Elu Exp Floor Log Imag Neg Real Prelu Relu "
        "Relu6 Selu Sigmoid Sin Sinh Sqrt Rsqrt Square Tan Tanh Sign Round Expm1 Log1p Reciprocal Softplus Asinh Acosh Atanh "
        "Erf LeakyRelu IsNan IsFinite IsInf EmptyTensorList LoopCond Switch Merge Enter Exit NextIteration TensorArrayV3 "
        "TensorArrayWriteV3 TensorArrayReadV3 TensorArrayGatherV3 TensorArrayScatterV3 TensorArrayConcatV3 "
        "TensorArraySplitV3 TensorArraySizeV3 TensorArrayCloseV3 StatelessIf If StatelessWhile While TensorListScatter "
        "TensorListScatterV2 TensorListGather TensorListGetItem TensorListSetItem TensorListReserve TensorListFromTensor "
        "TensorListStack TensorListSplit TensorListConcat TensorListConcatV2 TensorListPopBack TensorListPushBack "
        "TensorListLength TensorListResize AvgPool MaxPool MaxPoolWithArgmax AvgPool3D MaxPool3D Conv1D Conv2D _FusedConv2D "
        "Conv2DBackpropInput DepthwiseConv2d DepthwiseConv2dNative FusedDepthwiseConv2dNative Conv3D Dilation2D Fill "
        "LinSpace OneHot Ones OnesLike RandomStandardNormal RandomUniform RandomUniformInt Range TruncatedNormal Zeros "
        "ZerosLike Multinomial NonMaxSuppressionV2 NonMaxSuppressionV3 NonMaxSuppressionV4 NonMaxSuppressionV5 Where "
        "ListDiff LowerBound TopKV2 UpperBound Unique UniqueV2 PlaceholderWithDefault Const Identity IdentityN Snapshot Rank "
        "Size Shape ShapeN Print NoOp StopGradient FakeQuantWithMinMaxVars HashTable HashTableV2 LookupTableImport "
        "LookupTableImportV2 LookupTableFind LookupTableFindV2 LookupTableSize LookupTableSizeV2 InitializeTable "
        "InitializeTableV2 ResizeBilinear ResizeNearestNeighbor CropAndResize ImageProjectiveTransformV3 Equal NotEqual "
        "Greater GreaterEqual Less LessEqual LogicalAnd LogicalNot LogicalOr Select SelectV2 BitwiseAnd _FusedMatMul MatMul "
        "BatchMatMul BatchMatMulV2 Transpose Einsum MatrixBandPart EuclideanNorm FusedBatchNorm FusedBatchNormV2 "
        "FusedBatchNormV3 LRN Softmax LogSoftmax RaggedGather RaggedRange RaggedTensorToTensor Bincount DenseBincount Max "
        "Mean Min Sum All Any ArgMax ArgMin Prod Cumprod Cumsum ConcatV2 Concat GatherV2 Gather Reverse ReverseV2 Slice "
        "StridedSlice Pack Unpack Tile Split SplitV ScatterNd GatherNd SparseToDense TensorScatterUpdate "
        "SparseFillEmptyRows SparseReshape SparseSegmentMean SparseSegmentSum FFT IFFT RFFT IRFFT StaticRegexReplace "
        "StringNGrams StringSplit StringToHashBucketFast Cast ExpandDims MirrorPad Pad PadV2 Reshape EnsureShape Squeeze "
        "SpaceToBatchND BatchToSpaceND DepthToSpace BroadcastTo BroadcastArgs"
    ).split()
    assert len(listed) == 244  # and Placeholder
    assert [op for op in listed if op not in OPS] == []
