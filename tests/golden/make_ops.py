"""One small graph per op of the converter's list, run by TensorFlow 2.19, as lines of JSON.

usage: python make_ops.py OUT.jsonl.gz     (environment: see converter.py)
A line: {name, graph: GraphDef as proto JSON without constant data, weights: {name: tensor}, inputs, outputs};
a tensor: {dtype, shape, data: flat list or texts}.
"""

import base64
import gzip
import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np
import tensorflow as tf
from google.protobuf.json_format import MessageToDict

R = tf.raw_ops
RNG = np.random.default_rng(3)
F = lambda *s: RNG.normal(size=s).astype("float32")
P = lambda *s: (np.abs(RNG.normal(size=s)) + 0.3).astype("float32")
U = lambda *s: RNG.uniform(-0.9, 0.9, size=s).astype("float32")
I = lambda hi, *s: RNG.integers(0, hi, s).astype("int32")
B = lambda *s: RNG.integers(0, 2, s).astype(bool)
C = lambda *s: (RNG.normal(size=s) + 1j * RNG.normal(size=s)).astype("complex64")
S = lambda *t: np.array([x.encode() for x in t], dtype=object)
i32, f32 = tf.int32, tf.float32
CASES = []


def case(name, function, *inputs):
    CASES.append((name, function, inputs))


def dtype_name(a):
    a = np.asarray(a)
    return (
        "string"
        if a.dtype.kind in "OSU"
        else {"float64": "float32", "int64": "int32"}.get(str(a.dtype), str(a.dtype))
    )


def tensor(a):
    a = np.asarray(a)
    if a.dtype.kind in "OSU":
        data = [(v if isinstance(v, bytes) else str(v).encode()).decode("latin1") for v in a.ravel()]
    elif a.dtype.kind == "c":
        data = [float(x) for v in a.ravel() for x in (v.real, v.imag)]
    elif a.dtype.kind == "f":
        data = [float(np.float32(v)) if np.isfinite(v) else str(v) for v in a.ravel()]
    else:
        data = [int(v) for v in a.ravel()]
    return {"dtype": dtype_name(a), "shape": list(a.shape), "data": data}


def strip(graph_def):
    """(JSON, constants): constant data out, as the converter does; those of functions under <function>/<node>."""
    weights = {}
    for node in graph_def.node:
        if node.op == "Const":
            weights[node.name] = tensor(tf.make_ndarray(node.attr["value"].tensor))
    for function in graph_def.library.function:
        for node in function.node_def:
            if node.op == "Const":
                old = node.name
                node.name = f"{function.signature.name}/{old}"
                weights[node.name] = tensor(tf.make_ndarray(node.attr["value"].tensor))
                for other in function.node_def:
                    for k, text in enumerate(other.input):
                        if text == old or text.startswith(old + ":") or text == "^" + old:
                            other.input[k] = text.replace(old, node.name, 1)
                for key, value in list(function.ret.items()):
                    if value.startswith(old + ":"):
                        function.ret[key] = value.replace(old, node.name, 1)
    for node in [*graph_def.node, *(n for f in graph_def.library.function for n in f.node_def)]:
        if node.op == "Const":
            value = node.attr["value"].tensor
            kept = type(value)(dtype=value.dtype, tensor_shape=value.tensor_shape)
            value.CopyFrom(kept)
    return MessageToDict(graph_def), weights


def record(name, function, inputs):
    specs = [tf.TensorSpec(np.asarray(x).shape, tf.string if dtype_name(x) == "string" else np.asarray(x).dtype, name=f"in{i}")
             for i, x in enumerate(inputs)]  # fmt: skip
    concrete = tf.function(function).get_concrete_function(*specs)
    results = concrete(*[tf.constant(x) for x in inputs])
    results = (
        list(results)
        if isinstance(results, (list, tuple))
        else list(results)
        if hasattr(results, "_fields")
        else [results]
    )
    graph, weights = strip(concrete.graph.as_graph_def())
    names = [t.name for t in tf.nest.flatten(concrete.structured_outputs)]
    arrays = [r.numpy() for r in tf.nest.flatten(results)]
    return {"name": name, "graph": graph, "weights": weights,
            "inputs": {f"in{i}": tensor(x) for i, x in enumerate(inputs)},
            "outputs": [{"name": n, **tensor(a)} for n, a in zip(names, arrays)]}  # fmt: skip


def record_v1(name, build):
    """build() in a v1 graph -> (placeholders with values, outputs)."""
    graph = tf.Graph()
    with graph.as_default():
        tf.compat.v1.disable_control_flow_v2()
        tf.compat.v1.disable_tensor_equality()
        feeds, outputs, *rest = build()
        outputs = [tf.identity(o, name=f"out{i}") for i, o in enumerate(outputs)]
        with tf.compat.v1.Session(graph=graph) as session:
            if rest:
                session.run(rest[0])
            values = session.run(outputs, {p: v for p, v in feeds})
        tf.compat.v1.enable_control_flow_v2()
        graph_def = graph.as_graph_def()
    js, weights = strip(graph_def)
    return {"name": name, "graph": js, "weights": weights, "inputs": {p.op.name: tensor(v) for p, v in feeds},
            "outputs": [{"name": o.name, **tensor(v)} for o, v in zip(outputs, values)]}  # fmt: skip


# arithmetic, basic math, logic
for op in [
    "Add",
    "AddV2",
    "Sub",
    "Mul",
    "Maximum",
    "Minimum",
    "SquaredDifference",
    "RealDiv",
    "Div",
    "FloorDiv",
    "FloorMod",
    "DivNoNan",
]:
    case(op, lambda x, y, op=op: getattr(R, op)(x=x, y=y), F(2, 3), P(3))
for op in [
    "Add",
    "AddV2",
    "Sub",
    "Mul",
    "Maximum",
    "Minimum",
    "FloorDiv",
    "FloorMod",
    "Pow",
    "SquaredDifference",
    "Div",
    "Mod",
    "TruncateMod",
]:
    case(f"{op}/int", lambda x, y, op=op: getattr(R, op)(x=x, y=y), I(9, 2, 3) - 4, I(4, 3) + 1)
for op in ["Add", "AddV2", "Sub", "Mul", "RealDiv"]:
    case(f"{op}/complex", lambda x, y, op=op: getattr(R, op)(x=x, y=y), C(2, 3), C(3))
case("Mod", lambda x, y: R.Mod(x=x, y=y), F(2, 3) * 5, P(3))
case("Pow", lambda x, y: R.Pow(x=x, y=y), P(2, 3), F(3))
case("Atan2", lambda x, y: R.Atan2(y=y, x=x), F(2, 3), F(3))
case("AddN", lambda x, y, z: R.AddN(inputs=[x, y, z]), F(2, 3), F(2, 3), F(2, 3))
case("BiasAdd", lambda x, y: R.BiasAdd(value=x, bias=y), F(2, 4, 4, 3), F(3))
for op in [
    "Acos",
    "Asin",
    "Atan",
    "Atanh",
    "Erf",
    "Erfc",
    "Tan",
    "Expm1",
    "Ceil",
    "Floor",
    "Round",
    "Rint",
    "Sign",
    "Abs",
    "Neg",
    "Square",
    "Cos",
    "Cosh",
    "Sin",
    "Sinh",
    "Exp",
    "Sigmoid",
    "Tanh",
    "Asinh",
]:
    case(op, lambda x, op=op: getattr(R, op)(x=x), U(2, 5))
for op in ["Log", "Log1p", "Sqrt", "Rsqrt", "Reciprocal", "Inv"]:
    case(op, lambda x, op=op: getattr(R, op)(x=x), P(2, 5))
case("Acosh", lambda x: R.Acosh(x=x), P(2, 5) + 1)
for op in ["Relu", "Relu6", "Elu", "Selu", "Softplus", "Softsign"]:
    case(op, lambda x, op=op: getattr(R, op)(features=x), F(2, 5) * 4)
case("Relu/int", lambda x: R.Relu(features=x), I(9, 5) - 4)
for op in ["Abs", "Neg", "Sign", "Square", "Floor", "Round"]:
    if op not in ("Floor", "Round"):
        case(f"{op}/int", lambda x, op=op: getattr(R, op)(x=x), I(9, 5) - 4)
case("LeakyRelu", lambda x: R.LeakyRelu(features=x, alpha=0.3), F(2, 5))
case(
    "ClipByValue",
    lambda x, a, b: R.ClipByValue(t=x, clip_value_min=a, clip_value_max=b),
    F(2, 5),
    np.float32(-0.3),
    np.float32(0.4),
)
SPECIAL = np.array([1, np.nan, np.inf, -np.inf, 0], "float32")
for op in ["IsNan", "IsFinite", "IsInf"]:
    case(op, lambda x, op=op: getattr(R, op)(x=x), SPECIAL)
case("Complex", lambda x, y: R.ComplexAbs(x=R.Complex(real=x, imag=y)), F(2, 3), F(2, 3))
case("ComplexAbs", lambda x: R.ComplexAbs(x=x), C(2, 3))
case("Real", lambda x: R.Real(input=x), C(2, 3))
case("Imag", lambda x: R.Imag(input=x), C(2, 3))
for op in ["Equal", "NotEqual", "Greater", "GreaterEqual", "Less", "LessEqual"]:
    case(op, lambda x, y, op=op: getattr(R, op)(x=x, y=y), F(2, 3), F(3))
    case(f"{op}/int", lambda x, y, op=op: getattr(R, op)(x=x, y=y), I(3, 2, 3), I(3, 3))
case("Equal/string", lambda x, y: R.Equal(x=x, y=y), S("a", "b"), S("a", "c"))
for op in ["LogicalAnd", "LogicalOr"]:
    case(op, lambda x, y, op=op: getattr(R, op)(x=x, y=y), B(2, 3), B(3))
case("LogicalNot", lambda x: R.LogicalNot(x=x), B(2, 3))
case("BitwiseAnd", lambda x, y: R.BitwiseAnd(x=x, y=y), I(99, 4), I(99, 4))
case("Select", lambda c, x, y: R.Select(condition=c, x=x, y=y), B(3), F(3, 2), F(3, 2))
case("SelectV2", lambda c, x, y: R.SelectV2(condition=c, t=x, e=y), B(3, 1), F(3, 2), F(2))
case("Prelu/mul", lambda x: R.Relu(features=x) + R.Relu(features=-x) * -0.2, F(2, 3))
# convolution and pooling
X4 = F(2, 7, 6, 4)
for pad in ("SAME", "VALID"):
    case(
        f"Conv2D/{pad}",
        lambda x, w, pad=pad: R.Conv2D(input=x, filter=w, strides=[1, 2, 1, 1], padding=pad),
        X4,
        F(3, 2, 4, 5),
    )
    case(
        f"DepthwiseConv2dNative/{pad}",
        lambda x, w, pad=pad: R.DepthwiseConv2dNative(input=x, filter=w, strides=[1, 2, 2, 1], padding=pad),
        X4,
        F(3, 3, 4, 2),
    )
    case(
        f"MaxPool/{pad}",
        lambda x, pad=pad: R.MaxPool(input=x, ksize=[1, 3, 2, 1], strides=[1, 2, 1, 1], padding=pad),
        X4,
    )
    case(
        f"AvgPool/{pad}",
        lambda x, pad=pad: R.AvgPool(value=x, ksize=[1, 3, 2, 1], strides=[1, 2, 1, 1], padding=pad),
        X4,
    )
    case(
        f"MaxPool3D/{pad}",
        lambda x, pad=pad: R.MaxPool3D(input=x, ksize=[1, 2, 3, 2, 1], strides=[1, 2, 1, 1, 1], padding=pad),
        F(1, 4, 5, 4, 2),
    )
    case(
        f"AvgPool3D/{pad}",
        lambda x, pad=pad: R.AvgPool3D(input=x, ksize=[1, 2, 3, 2, 1], strides=[1, 2, 1, 1, 1], padding=pad),
        F(1, 4, 5, 4, 2),
    )
    case(
        f"Conv3D/{pad}",
        lambda x, w, pad=pad: R.Conv3D(input=x, filter=w, strides=[1, 1, 2, 1, 1], padding=pad),
        F(1, 4, 5, 4, 2),
        F(2, 3, 2, 2, 3),
    )
    case(
        f"MaxPoolWithArgmax/{pad}",
        lambda x, pad=pad: tuple(
            R.MaxPoolWithArgmax(input=x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding=pad)
        ),
        X4,
    )
    case(
        f"Dilation2D/{pad}",
        lambda x, w, pad=pad: R.Dilation2D(
            input=x, filter=w, strides=[1, 2, 1, 1], rates=[1, 2, 1, 1], padding=pad
        ),
        X4,
        F(2, 3, 4),
    )
case(
    "MaxPoolWithArgmax/batch",
    lambda x: tuple(
        R.MaxPoolWithArgmax(
            input=x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID", include_batch_in_index=True
        )
    ),
    X4,
)
case(
    "Conv2D/dilated",
    lambda x, w: R.Conv2D(input=x, filter=w, strides=[1, 1, 1, 1], padding="SAME", dilations=[1, 2, 2, 1]),
    X4,
    F(3, 2, 4, 5),
)
case(
    "Conv2D/explicit",
    lambda x, w: R.Conv2D(
        input=x,
        filter=w,
        strides=[1, 1, 1, 1],
        padding="EXPLICIT",
        explicit_paddings=[0, 0, 1, 2, 0, 1, 0, 0],
    ),
    X4,
    F(3, 2, 4, 5),
)
case(
    "Conv2DBackpropInput",
    lambda w, y: R.Conv2DBackpropInput(
        input_sizes=[2, 8, 6, 4], filter=w, out_backprop=y, strides=[1, 2, 2, 1], padding="SAME"
    ),
    F(3, 3, 4, 5),
    F(2, 4, 3, 5),
)
case(
    "Conv2DBackpropInput/valid",
    lambda w, y: R.Conv2DBackpropInput(
        input_sizes=[2, 9, 7, 4], filter=w, out_backprop=y, strides=[1, 2, 2, 1], padding="VALID"
    ),
    F(3, 3, 4, 5),
    F(2, 4, 3, 5),
)
# creation and graph
case("Fill", lambda x: R.Fill(dims=[2, 3], value=x), np.float32(1.5))
case("LinSpace", lambda x: x + R.LinSpace(start=1.0, stop=3.0, num=5), F(5))
case("LinSpace/data", lambda x: R.LinSpace(start=x, stop=3.0, num=5), np.float32(0.5))
case("OneHot", lambda x: R.OneHot(indices=x, depth=4, on_value=2.0, off_value=-1.0, axis=-1), I(5, 2, 3))
case("OneHot/axis", lambda x: R.OneHot(indices=x, depth=4, on_value=2, off_value=-1, axis=1), I(5, 2, 3))
case("OnesLike", lambda x: R.OnesLike(x=x), F(2, 3))
case("ZerosLike", lambda x: R.ZerosLike(x=x), I(4, 2, 3))
case("Range", lambda x: x + R.Range(start=1, limit=7, delta=2), I(4, 3))
case("Range/data", lambda x: R.Range(start=0, limit=x, delta=2), np.int32(7))
case("Range/float", lambda x: R.Range(start=0.0, limit=x, delta=0.5), np.float32(2.2))
case("Rank", lambda x: R.Rank(input=x), F(2, 3))
case("Size", lambda x: R.Size(input=x), F(2, 3))
case("Shape", lambda x: R.Shape(input=x), F(2, 3))
case("ShapeN", lambda x, y: tuple(R.ShapeN(input=[x, y])), F(2, 3), F(4))
case("Identity", lambda x: R.Identity(input=x), F(2, 3))
case("IdentityN", lambda x, y: tuple(R.IdentityN(input=[x, y])), F(2), I(3, 2))
case("Snapshot", lambda x: R.Snapshot(input=x), F(2, 3))
case("StopGradient", lambda x: R.StopGradient(input=x), F(2, 3))
case("Print", lambda x: R.Print(input=x, data=[x], message="", first_n=0), F(2))
case(
    "FakeQuantWithMinMaxVars",
    lambda x: R.FakeQuantWithMinMaxVars(inputs=x, min=-1.2, max=2.1, num_bits=8, narrow_range=False),
    F(20),
)
case(
    "FakeQuantWithMinMaxVars/narrow",
    lambda x: R.FakeQuantWithMinMaxVars(inputs=x, min=0.1, max=2.1, num_bits=4, narrow_range=True),
    F(20),
)
case(
    "PlaceholderWithDefault",
    lambda x: x + R.PlaceholderWithDefault(input=tf.constant([1.0, 2.0]), shape=[2]),
    F(2),
)
# matrices and normalisation
case("MatMul", lambda a, b: R.MatMul(a=a, b=b, transpose_a=True), F(3, 2), F(3, 4))
case("MatMul/tb", lambda a, b: R.MatMul(a=a, b=b, transpose_b=True), F(2, 3), F(4, 3))
case("BatchMatMul", lambda a, b: R.BatchMatMul(x=a, y=b, adj_x=True), F(2, 3, 2), F(2, 3, 4))
case("BatchMatMulV2", lambda a, b: R.BatchMatMulV2(x=a, y=b, adj_y=True), F(2, 1, 2, 3), F(3, 4, 3))
case("Transpose", lambda x: R.Transpose(x=x, perm=[2, 0, 1]), F(2, 3, 4))
for eq, shapes in (
    ("ij,jk->ik", ((2, 3), (3, 4))),
    ("bij,bkj->bik", ((2, 3, 4), (2, 5, 4))),
    ("abc,cde->abde", ((2, 3, 4), (4, 2, 3))),
    ("bthd,bshd->bhts", ((2, 3, 2, 4), (2, 5, 2, 4))),
    ("ij->ji", ((2, 3),)),
    ("ij->", ((2, 3),)),
    ("...ij,...jk->...ik", ((2, 3, 4), (4, 5))),
):
    case(f"Einsum/{eq}", lambda *x, eq=eq: R.Einsum(inputs=list(x), equation=eq), *[F(*s) for s in shapes])
case("MatrixBandPart", lambda x: R.MatrixBandPart(input=x, num_lower=1, num_upper=-1), F(2, 4, 5))
case("EuclideanNorm", lambda x: R.EuclideanNorm(input=x, axis=[1], keep_dims=True), F(2, 3, 4))
for op, extra in (("FusedBatchNorm", {}), ("FusedBatchNormV2", {}), ("FusedBatchNormV3", {})):
    for training in (False, True):
        args = (
            X4,
            F(4),
            F(4),
            P(4) if not training else np.zeros(0, "float32"),
            P(4) if not training else np.zeros(0, "float32"),
        )
        case(
            f"{op}/{training}",
            lambda x, s, o, m, v, op=op, t=training: getattr(R, op)(
                x=x, scale=s, offset=o, mean=m, variance=v, epsilon=0.01, is_training=t
            )[0],
            *args,
        )
case("LRN", lambda x: R.LRN(input=x, depth_radius=2, bias=1.5, alpha=0.3, beta=0.7), X4)
case("Softmax", lambda x: R.Softmax(logits=x), F(2, 5))
case("LogSoftmax", lambda x: R.LogSoftmax(logits=x), F(2, 5))
# reductions
for op in ["Max", "Min", "Mean", "Sum", "Prod"]:
    case(op, lambda x, op=op: getattr(R, op)(input=x, axis=[0, -1], keep_dims=False), F(2, 3, 4))
    case(f"{op}/keep", lambda x, op=op: getattr(R, op)(input=x, axis=[1], keep_dims=True), F(2, 3, 4))
    if op != "Mean":
        case(f"{op}/int", lambda x, op=op: getattr(R, op)(input=x, axis=[1], keep_dims=True), I(5, 2, 3))
for op in ["All", "Any"]:
    case(op, lambda x, op=op: getattr(R, op)(input=x, axis=[1], keep_dims=False), B(4, 2))
for op in ["ArgMax", "ArgMin"]:
    case(op, lambda x, op=op: getattr(R, op)(input=x, dimension=1, output_type=i32), F(2, 5, 3))
for op in ["Cumsum", "Cumprod"]:
    for ex in (False, True):
        case(
            f"{op}/{ex}",
            lambda x, op=op, ex=ex: getattr(R, op)(x=x, axis=1, exclusive=ex, reverse=ex),
            F(2, 5, 3),
        )
case("Bincount", lambda x, w: R.Bincount(arr=x, size=6, weights=w), I(8, 9), F(9))
case(
    "DenseBincount",
    lambda x: R.DenseBincount(input=x, size=6, weights=tf.zeros([0]), binary_output=False),
    I(6, 2, 9),
)
case(
    "DenseBincount/binary",
    lambda x: R.DenseBincount(input=x, size=6, weights=tf.zeros([0]), binary_output=True),
    I(6, 2, 9),
)
case(
    "DenseBincount/weights",
    lambda x, w: R.DenseBincount(input=x, size=6, weights=w, binary_output=False),
    I(6, 2, 4),
    F(2, 4),
)
# slice and join
case("ConcatV2", lambda x, y: R.ConcatV2(values=[x, y], axis=-1), F(2, 3), F(2, 2))
case("Concat", lambda x, y: R.Concat(values=[x, y], concat_dim=0), F(2, 3), F(1, 3))
case("ConcatV2/complex", lambda x, y: R.Real(input=R.ConcatV2(values=[x, y], axis=-1)), C(2, 3), C(2, 2))
case("GatherV2", lambda x, i: R.GatherV2(params=x, indices=i, axis=1), F(2, 5, 3), I(5, 2, 2))
case(
    "GatherV2/batch",
    lambda x, i: R.GatherV2(params=x, indices=i, axis=1, batch_dims=1),
    F(2, 5, 3),
    I(5, 2, 2),
)
case("GatherV2/string", lambda x, i: R.GatherV2(params=x, indices=i, axis=0), S("a", "bb", "c"), I(3, 4))
case("Gather", lambda x, i: R.Gather(params=x, indices=i), F(5, 3), I(5, 4))
case("Reverse", lambda x: R.Reverse(tensor=x, dims=[True, False]), F(2, 3))
case("ReverseV2", lambda x: R.ReverseV2(tensor=x, axis=[-1]), F(2, 3))
case("Slice", lambda x: R.Slice(input=x, begin=[0, 1], size=[2, -1]), F(2, 4))
case("Slice/data", lambda x, b: R.Slice(input=x, begin=b, size=[1, 2]), F(2, 4), np.array([1, 2], "int32"))
case("StridedSlice", lambda x: x[1:, ::-2, tf.newaxis, ..., 1], F(3, 5, 2, 4))
case("StridedSlice/neg", lambda x: x[-2:, 3:0:-1], F(3, 5))
case("StridedSlice/data", lambda x, i: x[i], F(3, 5), np.int32(2))
case("Pack", lambda x, y: R.Pack(values=[x, y], axis=1), F(2, 3), F(2, 3))
case("Unpack", lambda x: tuple(R.Unpack(value=x, num=3, axis=1)), F(2, 3))
case("Tile", lambda x: R.Tile(input=x, multiples=[2, 1, 3]), F(2, 3, 2))
case("Split", lambda x: tuple(R.Split(axis=1, value=x, num_split=2)), F(2, 4))
case("SplitV", lambda x: tuple(R.SplitV(value=x, size_splits=[1, 3], axis=1, num_split=2)), F(2, 4))
case(
    "ScatterNd",
    lambda i, u: R.ScatterNd(indices=i, updates=u, shape=[5, 3]),
    np.array([[1], [3], [1]], "int32"),
    F(3, 3),
)
case(
    "GatherNd", lambda x, i: R.GatherNd(params=x, indices=i), F(3, 4, 2), np.array([[0, 1], [2, 3]], "int32")
)
case(
    "SparseToDense",
    lambda v: R.SparseToDense(
        sparse_indices=[[0, 1], [2, 2]], output_shape=[3, 4], sparse_values=v, default_value=-1.0
    ),
    F(2),
)
case(
    "TensorScatterUpdate",
    lambda x, u: R.TensorScatterUpdate(tensor=x, indices=[[1], [3]], updates=u),
    F(5, 2),
    F(2, 2),
)
# transformation
for to in (tf.int32, tf.bool, tf.float32):
    case(f"Cast/{to.name}", lambda x, to=to: R.Cast(x=x, DstT=to), F(6) * 3)
case("Cast/int_float", lambda x: R.Cast(x=x, DstT=f32), I(6, 4))
case("Cast/bool_int", lambda x: R.Cast(x=x, DstT=i32), B(6))
case("Cast/complex", lambda x: R.Imag(input=R.Cast(x=x, DstT=tf.complex64)), F(4))
case("ExpandDims", lambda x: R.ExpandDims(input=x, axis=-2), F(2, 3))
for mode in ("REFLECT", "SYMMETRIC"):
    case(
        f"MirrorPad/{mode}",
        lambda x, mode=mode: R.MirrorPad(input=x, paddings=[[1, 1], [0, 2]], mode=mode),
        F(3, 4),
    )
case("Pad", lambda x: R.Pad(input=x, paddings=[[1, 0], [0, 2]]), F(3, 4))
case("PadV2", lambda x: R.PadV2(input=x, paddings=[[1, 0], [0, 2]], constant_values=3.0), F(3, 4))
case(
    "PadV2/data",
    lambda x, v: R.PadV2(input=x, paddings=[[1, 0], [0, 2]], constant_values=v),
    F(3, 4),
    np.float32(2),
)
case("Reshape", lambda x: R.Reshape(tensor=x, shape=[3, -1]), F(2, 6))
case(
    "Reshape/shape", lambda x: R.Reshape(tensor=x, shape=tf.stack([tf.shape(x)[1], tf.shape(x)[0]])), F(2, 6)
)
case("EnsureShape", lambda x: R.EnsureShape(input=x, shape=[None, 6]), F(2, 6))
case("Squeeze", lambda x: R.Squeeze(input=x, axis=[1]), F(2, 1, 6, 1))
case("Squeeze/all", lambda x: R.Squeeze(input=x), F(2, 1, 6, 1))
case(
    "SpaceToBatchND",
    lambda x: R.SpaceToBatchND(input=x, block_shape=[2, 3], paddings=[[0, 1], [1, 1]]),
    F(2, 3, 4, 2),
)
case(
    "BatchToSpaceND",
    lambda x: R.BatchToSpaceND(input=x, block_shape=[2, 3], crops=[[0, 1], [1, 1]]),
    F(12, 2, 2, 2),
)
case("DepthToSpace", lambda x: R.DepthToSpace(input=x, block_size=2), F(2, 3, 4, 8))
case("BroadcastTo", lambda x: R.BroadcastTo(input=x, shape=[2, 3, 4]), F(3, 1))
case("BroadcastArgs", lambda x: x + R.BroadcastArgs(s0=[3, 1], s1=[1, 4]), I(3, 2))
# images
for ac, hp in ((False, False), (True, False), (False, True)):
    for op in ("ResizeBilinear", "ResizeNearestNeighbor"):
        for size in ([3, 9], [14, 4]):
            case(
                f"{op}/{ac}{hp}{size}",
                lambda x, op=op, ac=ac, hp=hp, size=size: getattr(R, op)(
                    images=x, size=size, align_corners=ac, half_pixel_centers=hp
                ),
                X4,
            )
BOXES = np.array([[0.1, 0.2, 0.8, 0.9], [-0.2, 0.1, 1.2, 0.6], [0.9, 0.8, 0.1, 0.2]], "float32")
for method in ("bilinear", "nearest"):
    case(
        f"CropAndResize/{method}",
        lambda x, m=method: R.CropAndResize(
            image=x, boxes=BOXES, box_ind=[0, 1, 0], crop_size=[4, 3], method=m, extrapolation_value=0.5
        ),
        X4,
    )
    case(
        f"CropAndResize/{method}1",
        lambda x, m=method: R.CropAndResize(
            image=x, boxes=BOXES, box_ind=[0, 1, 0], crop_size=[1, 1], method=m
        ),
        X4,
    )
T8 = np.array([[1.1, 0.1, -0.5, -0.1, 0.9, 0.4, 0.001, 0.002], [0.8, 0, 1, 0.2, 1, 0, 0, 0]], "float32")
for mode in ("CONSTANT", "REFLECT", "WRAP", "NEAREST"):
    for inter in ("NEAREST", "BILINEAR"):
        case(
            f"ImageProjectiveTransformV3/{mode}{inter}",
            lambda x, mode=mode, inter=inter: R.ImageProjectiveTransformV3(
                images=x,
                transforms=T8,
                output_shape=[5, 6],
                fill_value=0.5,
                interpolation=inter,
                fill_mode=mode,
            ),
            X4,
        )
# dynamic, evaluation
NB, NS = np.sort(RNG.uniform(0, 1, (12, 2, 2)), axis=1).reshape(12, 4).astype("float32"), P(12)
case(
    "NonMaxSuppressionV2",
    lambda b, s: R.NonMaxSuppressionV2(boxes=b, scores=s, max_output_size=5, iou_threshold=0.3),
    NB,
    NS,
)
case(
    "NonMaxSuppressionV3",
    lambda b, s: R.NonMaxSuppressionV3(
        boxes=b, scores=s, max_output_size=5, iou_threshold=0.3, score_threshold=0.5
    ),
    NB,
    NS,
)
case(
    "NonMaxSuppressionV4",
    lambda b, s: tuple(
        R.NonMaxSuppressionV4(
            boxes=b,
            scores=s,
            max_output_size=9,
            iou_threshold=0.3,
            score_threshold=0.5,
            pad_to_max_output_size=True,
        )
    ),
    NB,
    NS,
)
for sigma in (0.0, 0.4):
    case(
        f"NonMaxSuppressionV5/{sigma}",
        lambda b, s, g=sigma: tuple(
            R.NonMaxSuppressionV5(
                boxes=b, scores=s, max_output_size=9, iou_threshold=0.4, score_threshold=0.3, soft_nms_sigma=g
            )
        ),
        NB,
        NS,
    )
case("Where", lambda x: R.Where(condition=x), B(3, 4))
case("Where/float", lambda x: R.Where(condition=x), np.array([0, 1.5, 0, -2], "float32"))
case("Where/chain", lambda x: R.GatherNd(params=x, indices=R.Where(condition=x > 0)) * 2.0, F(3, 4))
case("ListDiff", lambda x, y: tuple(R.ListDiff(x=x, y=y)), I(9, 8), I(9, 3))
case("LowerBound", lambda x, v: R.LowerBound(sorted_inputs=x, values=v), np.sort(F(2, 6)), F(2, 3))
case("UpperBound", lambda x, v: R.UpperBound(sorted_inputs=x, values=v), np.sort(I(5, 2, 6)), I(5, 2, 3))
case("TopKV2", lambda x: tuple(R.TopKV2(input=x, k=3)), F(2, 6))
case("TopKV2/int", lambda x: tuple(R.TopKV2(input=x, k=3)), I(4, 2, 6))
case("Unique", lambda x: tuple(R.Unique(x=x)), I(4, 9))
case("UniqueV2", lambda x: tuple(R.UniqueV2(x=x, axis=[0])), np.array([[1, 2], [3, 4], [1, 2]], "int32"))
case("UniqueV2/1", lambda x: tuple(R.UniqueV2(x=x, axis=[1])), np.array([[1, 2, 1], [3, 4, 3]], "int32"))
case("Unique/string", lambda x: R.Unique(x=x)[1], S("a", "b", "a"))
# ragged and sparse
case("RaggedRange", lambda a, b: tuple(R.RaggedRange(starts=a, limits=b, deltas=2)), I(3, 4), I(9, 4))
case(
    "RaggedGather",
    lambda v, i: tuple(
        tf.nest.flatten(
            R.RaggedGather(
                params_nested_splits=[np.array([0, 2, 2, 5], "int32")],
                params_dense_values=v,
                indices=i,
                OUTPUT_RAGGED_RANK=1,
            )
        )
    ),
    F(5),
    np.array([2, 0, 2], "int32"),
)
case(
    "RaggedTensorToTensor/splits",
    lambda v: R.RaggedTensorToTensor(
        shape=[-1, -1],
        values=v,
        default_value=-1.0,
        row_partition_tensors=[np.array([0, 2, 2, 5], "int32")],
        row_partition_types=["ROW_SPLITS"],
    ),
    F(5),
)
case(
    "RaggedTensorToTensor/ids",
    lambda v: R.RaggedTensorToTensor(
        shape=[4, 2],
        values=v,
        default_value=-1.0,
        row_partition_tensors=[np.int32(4), np.array([0, 0, 2, 2, 2], "int32")],
        row_partition_types=["FIRST_DIM_SIZE", "VALUE_ROWIDS"],
    ),
    F(5),
)
case(
    "SparseFillEmptyRows",
    lambda v: tuple(
        R.SparseFillEmptyRows(
            indices=np.array([[0, 1], [2, 0], [2, 1]], "int64"),
            values=v,
            dense_shape=np.array([4, 3], "int64"),
            default_value=-1.0,
        )
    ),
    F(3),
)
case(
    "SparseReshape",
    lambda i: tuple(
        R.SparseReshape(
            input_indices=i, input_shape=np.array([2, 3], "int64"), new_shape=np.array([3, -1], "int64")
        )
    ),
    np.array([[0, 1], [1, 2]], "int64"),
)
case(
    "SparseSegmentMean",
    lambda x: R.SparseSegmentMean(data=x, indices=[0, 2, 3], segment_ids=[0, 0, 2]),
    F(5, 3),
)
case(
    "SparseSegmentSum",
    lambda x: R.SparseSegmentSum(data=x, indices=[0, 2, 3], segment_ids=[0, 0, 2]),
    F(5, 3),
)
# spectral
case("FFT", lambda x: R.FFT(input=x), C(2, 8))
case("FFT/odd", lambda x: R.FFT(input=x), C(7))
case("IFFT", lambda x: R.IFFT(input=x), C(2, 6))
case("RFFT", lambda x: R.RFFT(input=x, fft_length=[8]), F(2, 8))
case("RFFT/pad", lambda x: R.RFFT(input=x, fft_length=[10]), F(2, 8))
case("IRFFT", lambda x: R.IRFFT(input=x, fft_length=[8]), C(2, 5))
case("IRFFT/odd", lambda x: R.IRFFT(input=x, fft_length=[7]), C(2, 4))
# strings
WORDS = S(
    "hello world",
    "",
    "a  b c",
    "x" * 40,
    "y" * 70,
    "longer text that has more than one hundred and twenty eight bytes " * 3,
    "12345678",
    "abc",
)
case("StringToHashBucketFast", lambda x: R.StringToHashBucketFast(input=x, num_buckets=100003), WORDS)
case(
    "StaticRegexReplace",
    lambda x: R.StaticRegexReplace(input=x, pattern="([aeiou])", rewrite="<\\1>", replace_global=True),
    WORDS,
)
case(
    "StaticRegexReplace/first",
    lambda x: R.StaticRegexReplace(input=x, pattern="[[:space:]]+", rewrite="_", replace_global=False),
    WORDS,
)
case("StringSplit", lambda x: tuple(R.StringSplit(input=x, delimiter=" ", skip_empty=True)), WORDS)
case("StringSplit/empty", lambda x: tuple(R.StringSplit(input=x, delimiter=" ", skip_empty=False)), WORDS)
case(
    "StringNGrams",
    lambda x: tuple(
        R.StringNGrams(
            data=x,
            data_splits=np.array([0, 3, 8], "int32"),
            separator="|",
            ngram_widths=[2, 3],
            left_pad="<",
            right_pad=">",
            pad_width=1,
            preserve_short_sequences=False,
        )
    ),
    WORDS,
)
case(
    "StringNGrams/short",
    lambda x: tuple(
        R.StringNGrams(
            data=x,
            data_splits=np.array([0, 1, 8], "int32"),
            separator="|",
            ngram_widths=[3],
            left_pad="",
            right_pad="",
            pad_width=0,
            preserve_short_sequences=True,
        )
    ),
    WORDS,
)
# control flow v2 and lists
case(
    "StatelessWhile",
    lambda x, n: tf.while_loop(lambda i, v: i < n, lambda i, v: (i + 1, v * 2.0 + tf.cast(i, f32)), [0, x])[
        1
    ],
    F(3),
    np.int32(4),
)
case(
    "StatelessWhile/fixed",
    lambda x: tf.while_loop(
        lambda i, v: i < 9, lambda i, v: (i + 1, tf.tanh(v * 1.5 + tf.cast(i, f32))), [0, x]
    )[1],
    F(300),
)
case(
    "StatelessWhile/data",
    lambda x: tf.while_loop(lambda v: tf.reduce_sum(v) < 50.0, lambda v: (v * 2.0,), [x]),
    P(3),
)
case(
    "While/grow",
    lambda x: tf.while_loop(
        lambda i, v: i < 3,
        lambda i, v: (i + 1, tf.concat([v, v], 0)),
        [0, x],
        shape_invariants=[tf.TensorShape([]), tf.TensorShape([None])],
    )[1],
    F(2),
)
case("StatelessIf", lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: x * 2.0, lambda: x - 1.0), F(3))
case("StatelessIf/shapes", lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: x[:1], lambda: x[:2]), F(3))


def lists(x):
    array = tf.TensorArray(f32, 0, dynamic_size=True, infer_shape=False)
    for i in range(3):
        array = array.write(i, x[i] * float(i + 1))
    return (
        array.stack(),
        array.gather([2, 0]),
        array.concat() if x.shape.rank > 1 else array.size(),
        array.read(1),
    )


case("TensorList/array", lists, F(3, 2))
case(
    "TensorListFromTensor",
    lambda x: R.TensorListStack(
        input_handle=R.TensorListFromTensor(tensor=x, element_shape=[2]), element_shape=[2], element_dtype=f32
    ),
    F(3, 2),
)
case(
    "TensorListGather",
    lambda x: R.TensorListGather(
        input_handle=R.TensorListFromTensor(tensor=x, element_shape=[2]),
        indices=[2, 0],
        element_shape=[2],
        element_dtype=f32,
    ),
    F(3, 2),
)
case(
    "TensorListScatter",
    lambda x: R.TensorListStack(
        input_handle=R.TensorListScatter(tensor=x, indices=[1, 0, 2], element_shape=[2]),
        element_shape=[2],
        element_dtype=f32,
    ),
    F(3, 2),
)
case(
    "TensorListScatterV2",
    lambda x: R.TensorListStack(
        input_handle=R.TensorListScatterV2(tensor=x, indices=[1, 0, 3], element_shape=[2], num_elements=4),
        element_shape=[2],
        element_dtype=f32,
    ),
    F(3, 2),
)
case(
    "TensorListSplit",
    lambda x: R.TensorListGetItem(
        input_handle=R.TensorListSplit(tensor=x, element_shape=[-1, 2], lengths=np.array([1, 2], "int64")),
        index=1,
        element_shape=[-1, 2],
        element_dtype=f32,
    ),
    F(3, 2),
)
case(
    "TensorListConcatV2",
    lambda x: R.TensorListConcatV2(
        input_handle=R.TensorListSplit(tensor=x, element_shape=[-1, 2], lengths=np.array([1, 2], "int64")),
        element_shape=[-1, 2],
        leading_dims=np.array([], "int64"),
        element_dtype=f32,
    )[0],
    F(3, 2),
)
case(
    "TensorListConcat",
    lambda x: R.TensorListConcat(
        input_handle=R.TensorListSplit(tensor=x, element_shape=[-1, 2], lengths=np.array([1, 2], "int64")),
        element_dtype=f32,
    )[0],
    F(3, 2),
)
case(
    "TensorListPushBack",
    lambda x: R.TensorListStack(
        input_handle=R.TensorListPushBack(
            input_handle=R.TensorListPushBack(
                input_handle=R.EmptyTensorList(element_shape=[2], max_num_elements=-1, element_dtype=f32),
                tensor=x,
            ),
            tensor=x * 2.0,
        ),
        element_shape=[2],
        element_dtype=f32,
    ),
    F(2),
)
case(
    "TensorListPopBack",
    lambda x: R.TensorListPopBack(
        input_handle=R.TensorListFromTensor(tensor=x, element_shape=[2]), element_shape=[2], element_dtype=f32
    )[1],
    F(3, 2),
)
case(
    "TensorListLength",
    lambda x: R.TensorListLength(
        input_handle=R.TensorListResize(
            input_handle=R.TensorListFromTensor(tensor=x, element_shape=[2]), size=5
        )
    ),
    F(3, 2),
)
case(
    "TensorListSetItem",
    lambda x: R.TensorListStack(
        input_handle=R.TensorListSetItem(
            input_handle=R.TensorListReserve(element_shape=[2], num_elements=3, element_dtype=f32),
            index=1,
            item=x,
        ),
        element_shape=[2],
        element_dtype=f32,
    ),
    F(2),
)
case(
    "TensorListGetItem/data",
    lambda x, i: R.TensorListGetItem(
        input_handle=R.TensorListFromTensor(tensor=x, element_shape=[2]),
        index=i,
        element_shape=[2],
        element_dtype=f32,
    ),
    F(3, 2),
    np.int32(2),
)


def scan_rnn(x):
    w = tf.constant(F(3, 3))
    out = tf.TensorArray(f32, 20)
    seq = tf.TensorArray(f32, 20).unstack(x)

    def body(t, h, out):
        h = tf.tanh(tf.matmul(h, w) + seq.read(t))
        return t + 1, h, out.write(t, h)

    _, h, out = tf.while_loop(lambda t, *_: t < 20, body, [0, tf.zeros([2, 3]), out])
    return h, out.stack()


case("StatelessWhile/rnn", scan_rnn, F(20, 2, 3))


def v1(name):
    return lambda build: V1.append((name, build))


V1 = []


@v1("v1/while")
def _():
    p = tf.compat.v1.placeholder
    x, n = p(f32, [3], "x"), p(i32, [], "n")
    r = tf.compat.v1.while_loop(lambda i, v: i < n, lambda i, v: (i + 1, v * 2.0 + x), [0, x])
    return [(x, F(3)), (n, np.int32(3))], [r[1]]


@v1("v1/nested")
def _():
    x = tf.compat.v1.placeholder(f32, [3], "x")

    def inner(j, v):
        return j + 1, v + tf.cast(j, f32)

    def outer(i, v):
        _, v = tf.compat.v1.while_loop(lambda j, _: j < i, inner, [0, v])
        return i + 1, v * 1.5

    return [(x, F(3))], [tf.compat.v1.while_loop(lambda i, _: i < 4, outer, [0, x])[1]]


@v1("v1/cond")
def _():
    x = tf.compat.v1.placeholder(f32, [3], "x")
    y = tf.compat.v1.cond(tf.reduce_sum(x) > 0, lambda: x * 2.0, lambda: x - 1.0)
    z = tf.compat.v1.cond(tf.reduce_sum(x) > 0, lambda: tf.constant(1.0), lambda: tf.constant(2.0))
    return [(x, F(3))], [y, z]


@v1("v1/cond_shapes")
def _():
    x = tf.compat.v1.placeholder(f32, [3], "x")
    return [(x, F(3))], [tf.compat.v1.cond(tf.reduce_sum(x) > 0, lambda: x[:1], lambda: x[:2])]


@v1("v1/cond_in_while")
def _():
    x = tf.compat.v1.placeholder(f32, [3], "x")

    def body(i, v):
        return i + 1, tf.compat.v1.cond(tf.reduce_sum(v) > 1.0, lambda: v * 0.5, lambda: v + 1.0)

    return [(x, F(3))], [tf.compat.v1.while_loop(lambda i, _: i < 5, body, [0, x])[1]]


@v1("v1/tensor_array")
def _():
    x = tf.compat.v1.placeholder(f32, [6, 2], "x")
    TA = tf.TensorArray
    a, b = TA(f32, 6), TA(f32, 6, clear_after_read=False)
    a = a.unstack(x)

    def body(t, h, b):
        h = h + a.read(t)
        return t + 1, h, b.write(t, h)

    _, h, b = tf.compat.v1.while_loop(lambda t, *_: t < 6, body, [0, tf.zeros([2]), b])
    s = TA(f32, 2, infer_shape=False).split(x, [2, 4])
    return [(x, F(6, 2))], [h, b.stack(), b.gather([1, 3]), s.concat(), tf.cast(b.size(), f32)], b.close()


@v1("v1/hash_table")
def _():
    p = tf.compat.v1.placeholder
    keys = p(tf.string, [4], "keys")
    init = tf.lookup.KeyValueTensorInitializer(
        tf.constant(["a", "b", "c"]), tf.constant([10, 20, 30], tf.int32)
    )
    table = tf.lookup.StaticHashTable(init, -1)
    return (
        [(keys, S("b", "x", "a", "c"))],
        [table.lookup(keys), tf.cast(table.size(), i32)],
        tf.compat.v1.tables_initializer(),
    )


# nodes that only the converter's passes or old graphs have: built by hand, what they mean computed by TensorFlow


def node(op, name, inputs, **attrs):
    return {"name": name, "op": op, "input": inputs, "attr": attrs}


def const(name, value):
    dtype = {"float32": "DT_FLOAT", "int32": "DT_INT32", "string": "DT_STRING"}[dtype_name(value)]
    return {"name": name, "op": "Const", "attr": {"dtype": {"type": dtype}}, "value": tensor(value)}


def word(text):
    return {"s": base64.b64encode(text.encode()).decode()}


def words(*texts):
    return {"list": {"s": [word(text)["s"] for text in texts]}}


def whole(*numbers):
    return {"list": {"i": [str(n) for n in numbers]}}


BUILT = []


def built(name, nodes, outputs, function, *inputs):
    BUILT.append((name, nodes, outputs, function, inputs))


def record_built(name, nodes, outputs, function, inputs):
    graph, weights = [], {}
    for i, x in enumerate(inputs):
        dims = {"dim": [{"size": str(d)} for d in np.asarray(x).shape]}
        dtype = {"float32": "DT_FLOAT", "int32": "DT_INT32", "string": "DT_STRING"}[dtype_name(x)]
        graph.append(node("Placeholder", f"in{i}", [], dtype={"type": dtype}, shape={"shape": dims}))
    for each in nodes:
        each = dict(each)
        if "value" in each:
            weights[each["name"]] = each.pop("value")
        graph.append(each)
    results = [np.asarray(r) for r in tf.nest.flatten(function(*[tf.constant(x) for x in inputs]))]
    return {"name": name, "graph": {"node": graph}, "weights": weights,
            "inputs": {f"in{i}": tensor(x) for i, x in enumerate(inputs)},
            "outputs": [{"name": n, **tensor(a)} for n, a in zip(outputs, results)]}  # fmt: skip


SAME1 = {"strides": whole(1, 1, 1, 1), "padding": word("SAME"), "data_format": word("NHWC")}
WC1 = F(3, 4, 5)
W33, B4 = F(3, 3, 3, 4), F(4)
built(
    "Prelu",
    [node("Prelu", "y", ["in0", "in1"])],
    ["y"],
    lambda x, a: tf.where(x > 0, x, a * x),
    F(2, 3, 4),
    F(4),
)
built(
    "Conv1D",
    [const("w", WC1), node("Conv1D", "y", ["in0", "w"], stride={"i": "2"}, padding=word("SAME"), dilation={"i": "1"})],
    ["y"], lambda x: tf.nn.conv1d(x, WC1, 2, "SAME"), F(2, 9, 4),
)  # fmt: skip
for fused, given, meant in (
    (("BiasAdd",), B4, lambda y: y), (("BiasAdd", "Relu"), B4, tf.nn.relu), (("BiasAdd", "Elu"), B4, tf.nn.elu),
    (("BiasAdd", "Relu6"), F(2, 6, 7, 4), tf.nn.relu6), (("BiasAdd", "LeakyRelu"), B4, lambda y: tf.nn.leaky_relu(y, 0.3)),
):  # fmt: skip
    built(
        f"_FusedConv2D/{'+'.join(fused)}",
        [const("w", W33), const("b", given),
         node("_FusedConv2D", "y", ["in0", "w", "b"], fused_ops=words(*fused), num_args={"i": "1"}, leakyrelu_alpha={"f": 0.3}, **SAME1)],
        ["y"], lambda x, given=given, meant=meant: meant(tf.nn.conv2d(x, W33, 1, "SAME") + given), F(2, 6, 7, 3),
    )  # fmt: skip
M45 = F(4, 5)
for fused, given, meant in (
    (("BiasAdd", "Tanh"), F(5), tf.tanh), (("BiasAdd", "Sigmoid"), F(5), tf.sigmoid), (("BiasAdd", "Relu"), F(3, 5), tf.nn.relu),
):  # fmt: skip
    built(
        f"_FusedMatMul/{'+'.join(fused)}",
        [const("w", M45), const("b", given), node("_FusedMatMul", "y", ["in0", "w", "b"], fused_ops=words(*fused))],
        ["y"], lambda x, given=given, meant=meant: meant(x @ M45 + given), F(3, 4),
    )  # fmt: skip
D6 = F(6)
D332 = F(3, 3, 3, 2)
built(
    "FusedDepthwiseConv2dNative",
    [const("w", D332), const("b", D6),
     node("FusedDepthwiseConv2dNative", "y", ["in0", "w", "b"], fused_ops=words("BiasAdd", "Relu6"), **SAME1)],
    ["y"], lambda x: tf.nn.relu6(tf.nn.depthwise_conv2d(x, D332, [1, 1, 1, 1], "SAME") + D6), F(2, 6, 7, 3),
)  # fmt: skip
built(
    "FusedDepthwiseConv2dNative/NoOp",
    [const("w", D332), node("FusedDepthwiseConv2dNative", "y", ["in0", "w"], fused_ops=words("NoOp", "Relu"), **SAME1)],
    ["y"], lambda x: tf.nn.relu(tf.nn.depthwise_conv2d(x, D332, [1, 1, 1, 1], "SAME")), F(2, 6, 7, 3),
)  # fmt: skip
built("DepthwiseConv2d", [const("w", D332), node("DepthwiseConv2d", "y", ["in0", "w"], **SAME1)], ["y"],
      lambda x: tf.nn.depthwise_conv2d(x, D332, [1, 1, 1, 1], "SAME"), F(2, 6, 7, 3))  # fmt: skip
for op, meant in (("Ones", tf.ones), ("Zeros", tf.zeros)):
    built(op, [const("s", np.array([2, 3], "int32")), node(op, "f", ["s"], T={"type": "DT_FLOAT"}), node("AddV2", "y", ["f", "in0"])],
          ["y"], lambda x, meant=meant: meant([2, 3]) + x, F(2, 3))  # fmt: skip
TABLE_KEYS, TABLE_VALUES = np.array([1, 2, 5], "int32"), np.array([10.0, 20.0, 50.0], "float32")


def looked_up(x):
    keys, values = tf.constant(TABLE_KEYS), tf.constant(TABLE_VALUES)
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), -1.0)
    return table.lookup(x), tf.cast(table.size(), tf.int32)


for suffix in ("", "V2"):
    kinds = {"key_dtype": {"type": "DT_INT32"}, "value_dtype": {"type": "DT_FLOAT"}, "shared_name": word("t")}
    for fill in ("LookupTableImport", "InitializeTable"):
        built(
            f"{fill}{suffix}",
            [const("k", TABLE_KEYS), const("v", TABLE_VALUES), const("d", np.float32(-1)),
             node(f"HashTable{suffix}", "t", [], **kinds), node(f"{fill}{suffix}", "fill", ["t", "k", "v"]),
             node(f"LookupTableFind{suffix}", "y", ["t", "in0", "d"]), node(f"LookupTableSize{suffix}", "n", ["t"])],
            ["y", "n"], looked_up, np.array([5, 7, 1, 1], "int32"),
        )  # fmt: skip


# random draws: recorded to compare the distribution, not the values

DRAWN = {
    "RandomUniform": lambda: R.RandomUniform(shape=[1000], dtype=f32, seed=1, seed2=2),
    "RandomStandardNormal": lambda: R.RandomStandardNormal(shape=[10, 100], dtype=f32, seed=1, seed2=2),
    "TruncatedNormal": lambda: R.TruncatedNormal(shape=[1000], dtype=f32, seed=1, seed2=2),
    "RandomUniformInt": lambda: R.RandomUniformInt(shape=[1000], minval=-3, maxval=9, seed=1, seed2=2),
    "Multinomial": lambda: R.Multinomial(logits=tf.math.log([[0.1, 0.2, 0.7]]), num_samples=1000, seed=1, seed2=2),
}  # fmt: skip


# the stateful twins of stateless control flow: TensorFlow writes them where a branch or body has state


def with_ops_renamed(line, name, old, new):
    for each in line["graph"]["node"]:
        each["op"] = new if each["op"] == old else each["op"]
    return {**line, "name": name}


if __name__ == "__main__":
    lines = []
    for name, function, inputs in CASES:
        try:
            lines.append(record(name, function, inputs))
        except Exception as error:
            print("SKIP", name, type(error).__name__, str(error)[:150])
    for name, build in V1:
        try:
            lines.append(record_v1(name, build))
        except Exception as error:
            print("SKIP", name, type(error).__name__, str(error)[:150])
    lines += [record_built(*each) for each in BUILT]
    lines += [{**record(name, draw, ()), "drawn": True} for name, draw in DRAWN.items()]
    by_name = {line["name"]: json.dumps(line) for line in lines}
    for name, of in (("While", "StatelessWhile"), ("If", "StatelessIf")):
        lines.append(with_ops_renamed(json.loads(by_name[of]), name, of, name))
    with gzip.GzipFile(sys.argv[1], "w", mtime=0) as file:
        file.write("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode())
    print(len(lines), "cases")
