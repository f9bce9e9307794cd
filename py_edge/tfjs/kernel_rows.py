"""TF.js's kernels in words of our lowering: one row per kernel, from its attributes' spelling to that of the graph op.

Kernels of the same name, inputs and no attributes need no row. Gradient kernels flow back through the forward op; who
calls hands the flow in, since this room does not know training.
"""

from __future__ import annotations

from py_edge.tfjs.idioms import axes
from py_edge.tfjs.kernel_call import Kernel, Result, Row, plain_id, same, with_attrs
from py_edge.tfjs.kernel_images import IMAGES
from py_edge.tfjs.kernel_movement import MOVEMENT
from py_edge.tfjs.kernel_products import PRODUCTS
from py_edge.tfjs.trace import Value


def _reduce(k: Kernel) -> Result:
    axis = k.attrs.get("axis", k.attrs.get("reductionIndices"))
    axis = list(range(k.b.rank(plain_id(k)))) if axis is None else axis
    return k.op(k.name, k.all[0], k.whole(axis), keep_dims=k.attrs.get("keepDims"))


def _along(k: Kernel) -> Result:
    flags = {name: k.attrs.get(name) for name in ("exclusive", "reverse")}
    return k.op(k.name, k.x, k.whole(k.attrs["axis"]), **flags)


def _step(k: Kernel) -> Result:
    """1 above 0, alpha below; TF.js's own, a float op of ours."""
    y = k.b.op("step", axes.cast(k.b, k.x, "float32"), alpha=float(k.attrs["alpha"]))
    return axes.cast(k.b, y, k.b.dtype(k.x))


def _clip(k: Kernel) -> Result:
    bounds = (k.number(k.attrs[name], k.b.dtype(k.x)) for name in ("clipValueMin", "clipValueMax"))
    return k.op("ClipByValue", k.x, *bounds)


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


def _elu_back(k: Kernel) -> Result:
    b, dy, y = k.b, k.inputs["dy"], k.inputs["y"]
    return b.op("select", b.op("greater_equal", y, 0.0), dy, b.op("mul", dy, b.op("add", y, 1.0)))


def _response(k: Kernel, x: int) -> int:
    names = (("depth_radius", "depthRadius"), ("bias", "bias"), ("alpha", "alpha"), ("beta", "beta"))
    return k.one("LRN", x, **{name: k.attrs[spelt] for name, spelt in names})


def _softmax(k: Kernel) -> Result:
    return axes.on_last(k.b, k.x, k.attrs.get("dim", -1), lambda v: k.b.op("softmax", v))


ROWS: dict[str, Row] = {
    **PRODUCTS,
    **IMAGES,
    **MOVEMENT,
    **dict.fromkeys(("Sum", "Mean", "Prod", "Max", "Min", "All", "Any"), _reduce),
    **dict.fromkeys(("ArgMax", "ArgMin", "Cumsum", "Cumprod"), _along),
    "Multiply": same("Mul"), "Mod": same("FloorMod"), "SearchSorted": lambda k: k.op(
        "UpperBound" if k.attrs["side"] == "right" else "LowerBound", *k.all),
    "Step": _step,
    "LeakyRelu": with_attrs("LeakyRelu", alpha="alpha"), "Softmax": _softmax,
    "Cast": with_attrs("Cast", DstT="dtype"),
    "ClipByValue": _clip,
    "BatchMatMul": with_attrs("BatchMatMulV2", adj_x="transposeA", adj_y="transposeB"),
    "Einsum": with_attrs("Einsum", equation="equation"), "FusedBatchNorm": _batch_norm,
    "Bincount": lambda k: k.op("Bincount", k.x, k.whole(k.attrs["size"]), k.inputs["weights"]),
    "DenseBincount": lambda k: k.op("DenseBincount", k.x, k.whole(k.attrs["size"]), k.inputs["weights"],
                                    binary_output=k.attrs["binaryOutput"]),
    "LRN": lambda k: _response(k, k.x),
    "LRNGrad": lambda k: k.back(_response(k, k.inputs["x"]), k.inputs["x"], k.inputs["dy"]),
    "EluGrad": _elu_back,
}  # fmt: skip


def lower(k: Kernel) -> list[Value]:
    """The kernel's results as values. Raises UnsupportedError where no row knows it."""
    row = ROWS.get(k.name) or same(k.name)
    result = row(k)
    return result if isinstance(result, list) else [result]
