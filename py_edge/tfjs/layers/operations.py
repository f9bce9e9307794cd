"""Tensor arithmetic inside a Keras model: Keras 2's TFOpLambda and SlicingOpLambda, Keras 3's operations.

`x * 2` is TFOpLambda "math.multiply" in Keras 2 and class Multiply with args [x, 2.0] in Keras 3; both end here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from py_edge.errors import PolicyError, UnsupportedError
from py_edge.graph.shapes import axis_of
from py_edge.tensor import Tensor
from py_edge.tfjs.idioms import arithmetic, axes, resampling
from py_edge.tfjs.layers.activations import activation_of
from py_edge.tfjs.layers.call import Call, Sym
from py_edge.tfjs.layers.operation_args import Args, plain
from py_edge.tfjs.layers.operations_more import MORE, tensordot
from py_edge.tfjs.naming import snake_case

Operation = Callable[["Args"], "int | list[int]"]
_LAMBDAS = frozenset({"TFOpLambda", "SlicingOpLambda"})
_OPERATION_HOMES = ("keras.src.ops", "keras.ops", "keras.src.operations")
_ALSO_LAYERS = frozenset(
    {"Add", "Multiply", "Subtract", "Maximum", "Minimum", "Average", "Concatenate", "Dot", "Reshape"}
)
_PLAIN = {"float16": "float32", "float64": "float32", "int64": "int32", "int8": "int32", "int16": "int32",
          "uint8": "int32", "uint16": "int32", "uint32": "int32"}  # fmt: skip


def is_operation(kind: str, module: str, config: Mapping[str, Any], args: Sequence[Any]) -> bool:
    """Whether a class of the topology is an operation. The .keras route strips `module`: then a non-tensor argument,
    two tensors side by side, or a config without `trainable` tell it from the layer of the same name."""
    if kind in _LAMBDAS or module.startswith(_OPERATION_HOMES):
        return True
    if kind == "Reshape":
        return "target_shape" not in config
    if kind in _ALSO_LAYERS:
        return len(args) > 1 and not isinstance(args[0], list) and "trainable" not in config
    return "trainable" not in config and snake_case(kind) in OPERATIONS


def _binary(op: str) -> Operation:
    return lambda a: a.b.op(op, *a.pair())


def _logical(op: str) -> Operation:
    return lambda a: a.b.op(op, *(axes.cast(a.b, x, "bool") for x in a.pair()))


def _atan2(a: Args) -> int:
    """TensorFlow calls the operands y and x, Keras 3 x1 and x2."""
    like = next((s.id for s in (a.raw(0, "y", "x1"), a.raw(1, "x", "x2")) if isinstance(s, Sym)), None)
    return a.b.op("atan2", a.value(0, "y", "x1", like=like), a.value(1, "x", "x2", like=like))


def _unary(op: str, **attrs: Any) -> Operation:
    return lambda a: a.b.op(op, a.x, **attrs)


def _activation(name: str, place_1: str = "", *others: str) -> Operation:
    """An activation; place_1, others: its parameters, the first of them also by place."""

    def lower(a: Args) -> int:
        given = {key: a.raw(1 if key == place_1 else 99, key) for key in (place_1, *others) if key}
        config = {key: value for key, value in given.items() if value is not None}
        return activation_of({"class_name": name, "config": config}, a.c.where, a.c.keras3)(a.b, a.x)

    return lower


def _reduce(kind: str) -> Operation:
    def lower(a: Args) -> int:
        keep = bool(a.raw(2, "keepdims", "keep_dims", default=False))
        return axes.reduce(a.b, kind, a.x, a.axis(1), keep)

    return lower


def _arg(kind: str) -> Operation:
    def lower(a: Args) -> int:
        where = a.axis(1, 0)
        return a.b.op("arg_reduce", a.x, kind=kind, axis=(where or [0])[0])

    return lower


def _variance(a: Args, root: bool = False) -> int:
    keep = bool(a.raw(2, "keepdims", default=False))
    over = a.axis(1) or list(range(a.b.rank(a.x)))
    variance = arithmetic.moments(a.b, a.x, over)[1]
    y = variance if keep else axes.squeeze(a.b, variance, over)
    return a.b.op("sqrt", y) if root else y


def _divide(a: Args) -> int:
    left, right = a.pair()
    return a.b.op("div", axes.cast(a.b, left, "float32"), axes.cast(a.b, right, "float32"))


def _cast(a: Args) -> int:
    dtype = str(a.raw(1, "dtype", default="float32")).removeprefix("tf.")
    return axes.cast(a.b, a.x, _PLAIN.get(dtype, dtype))


def _matmul(a: Args) -> int:
    left, right = a.pair()
    flags = {f"transpose_{s}": bool(a.raw(9, f"transpose_{s}", default=False)) for s in "ab"}
    if a.b.rank(left) == 1 or a.b.rank(right) == 1:
        return tensordot(a.b, left, right, [a.b.rank(left) - 1], [max(a.b.rank(right) - 2, 0)])
    return a.b.op("matmul", left, right, **flags)


def _reshape(a: Args) -> int:
    shape = a.dims(1, "shape", "newshape", "target_shape")
    known = [a.b.shape(a.x)[i] if d is None else d for i, d in enumerate(shape)]
    return a.b.op("reshape", a.x, shape=tuple(known))


def _transpose(a: Args) -> int:
    perm = a.axis(1) or a.raw(1, "perm")
    return axes.transpose(a.b, a.x, perm if perm else range(a.b.rank(a.x))[::-1])


def _concat(a: Args) -> int:
    items = a.raw(0, "values", "xs", "arrays")
    return axes.concat(a.b, [s.id for s in items if isinstance(s, Sym)], (a.axis(1, 0) or [0])[0])


def _stack(a: Args) -> int:
    items = a.raw(0, "values", "x", "arrays")
    return axes.stack(a.b, [s.id for s in items if isinstance(s, Sym)], (a.axis(1, 0) or [0])[0])


def _unstack(a: Args) -> list[int]:
    axis = int(a.raw(2, "axis", default=0))
    return [axes.pick(a.b, a.x, axis, i) for i in range(a.b.shape(a.x)[axis_of(axis, a.b.rank(a.x))])]


def _split(a: Args) -> list[int]:
    parts, axis = a.raw(1, "num_or_size_splits", "indices_or_sections"), int(a.raw(2, "axis", default=0))
    size = a.b.shape(a.x)[axis_of(axis, a.b.rank(a.x))]
    if isinstance(parts, int):
        return axes.split(a.b, a.x, axis, [size // parts] * parts)
    if a.raw(9, "indices_or_sections") is not None:
        bounds = [0, *parts, size]
        parts = [hi - lo for lo, hi in pairwise(bounds)]
    return axes.split(a.b, a.x, axis, parts)


def _expand(a: Args) -> int:
    return axes.expand(a.b, a.x, *(a.axis(1, 0) or [0]))


def _squeeze(a: Args) -> int:
    return axes.squeeze(a.b, a.x, a.axis(1) or [])


def _softmax(a: Args) -> int:
    return arithmetic.softmax(a.b, a.x, a.axis(1, -1) or [-1])


def _clip(a: Args) -> int:
    low = a.raw(1, "clip_value_min", "x_min", "min")
    high = a.raw(2, "clip_value_max", "x_max", "max")
    return arithmetic.clip(a.b, a.x, float(low), float(high))


def _pad(a: Args) -> int:
    raw = a.raw(1, "paddings", "pad_width")
    mode, value = str(a.raw(2, "mode", default="constant")).lower(), a.raw(3, "constant_values", default=0)
    pairs = [(int(p[0]), int(p[1])) for p in plain(raw)]
    if mode == "constant":
        return axes.pad(a.b, a.x, pairs, float(value or 0))
    return axes.mirror_pad(a.b, a.x, pairs, mode == "symmetric")


def _tile(a: Args) -> int:
    return axes.tile(a.b, a.x, a.dims(1, "multiples", "repeats"))


def _repeat(a: Args) -> int:
    return axes.repeat(a.b, a.x, int(a.raw(2, "axis", default=0)), int(a.raw(1, "repeats")))


def _gather(a: Args) -> int:
    axis = (a.axis(2, 0) or [0])[0]
    indices = axes.cast(a.b, a.value(1, "indices", like=a.b.scalar(0, "int32")), "int32")
    return a.b.op("gather", a.x, indices, axis=axis_of(axis, a.b.rank(a.x)), batch_dims=0)


def _where(a: Args) -> int:
    keep = axes.cast(a.b, a.value(0, "condition"), "bool")
    left, right = a.raw(1, "x", "x1"), a.raw(2, "y", "x2")
    if left is None or right is None:
        raise UnsupportedError("where with one argument depends on data", where=a.c.where)
    like = next((s.id for s in (left, right) if isinstance(s, Sym)), None)
    return a.b.op("select", keep, a.value(1, "x", "x1", like=like), a.value(2, "y", "x2", like=like))


def _one_hot(a: Args) -> int:
    depth = int(a.raw(1, "depth", "num_classes"))
    hot = axes.one_hot(a.b, axes.cast(a.b, a.x, "int32"), depth, int(a.raw(4, "axis", default=-1)))
    return axes.cast(a.b, hot, "float32")


def _einsum(a: Args) -> int:
    written = a.raw(99, "subscripts")
    equation = written or a.raw(0, "equation")
    return arithmetic.einsum(a.b, str(equation), a.operands(0 if written else 1, "inputs", "operands"))


def _shape(a: Args) -> int:
    return a.b.constant(Tensor.from_flat(a.b.shape(a.x), (a.b.rank(a.x),), "int32"))


def _l2(a: Args) -> int:
    return arithmetic.l2_normalize(a.b, a.x, a.axis(1) or list(range(a.b.rank(a.x))))


def _resize(a: Args) -> int:
    method = str(a.raw(2, "method", "interpolation", default="bilinear"))
    return resampling.resize(a.b, a.x, a.dims(1, "size"), method)


def _cumulate(kind: str) -> Operation:
    def lower(a: Args) -> int:
        axis = axis_of((a.axis(1, 0) or [0])[0], a.b.rank(a.x))
        flags = {name: bool(a.raw(9, name, default=False)) for name in ("exclusive", "reverse")}
        return a.b.op("cumulate", a.x, kind=kind, axis=axis, **flags)

    return lower


def _flip(a: Args) -> int:
    over = a.axis(1)
    return axes.flip(
        a.b, a.x, [axis_of(i, a.b.rank(a.x)) for i in (range(a.b.rank(a.x)) if over is None else over)]
    )


def _like(value: float) -> Operation:
    return lambda a: axes.full(a.b, a.b.shape(a.x), value, a.b.dtype(a.x))


def _norm(a: Args) -> int:
    order, keep = a.raw(1, "ord", default="euclidean"), bool(a.raw(3, "keepdims", default=False))
    if order not in ("euclidean", "fro", 2, 1):
        raise UnsupportedError("a norm of this order", where=a.c.where, got=order, want="1 or 2")
    if order == 1:
        return axes.reduce(a.b, "sum", a.b.op("abs", a.x), a.axis(2), keep)
    return a.b.op("sqrt", axes.reduce(a.b, "sum", a.b.op("square", a.x), a.axis(2), keep))


def _slice_spec(item: Any) -> Any:
    if isinstance(item, Mapping):
        if item.get("class_name") == "__ellipsis__" or item.get("value") == "...":
            return Ellipsis
        config = item.get("config", item) if item.get("class_name") == "__slice__" else item
        return slice(*(plain(config.get(k)) for k in ("start", "stop", "step")))
    return item


def _getitem(a: Args) -> int:
    """x[...] with slices, numbers, new axes and an ellipsis."""
    raw = a.raw(1, "slice_spec", "key")
    items = [_slice_spec(item) for item in (raw if isinstance(raw, (list, tuple)) else [raw])]
    return index(a, a.x, items)


def index(a: Args, x: int, items: list[Any]) -> int:
    """numpy's basic indexing."""
    used = sum(item is not None and item is not Ellipsis for item in items)
    if Ellipsis in items:
        at = items.index(Ellipsis)
        items = [*items[:at], *[slice(None)] * (a.b.rank(x) - used), *items[at + 1 :]]
    axis = 0
    for item in items:
        if item is None:
            x, axis = axes.expand(a.b, x, axis), axis + 1
        elif isinstance(item, slice):
            begin, stop, step = item.indices(a.b.shape(x)[axis])
            x = axes.cut(a.b, x, axis, begin, len(range(begin, stop, step)), step)
            axis += 1
        elif isinstance(item, int):
            size = a.b.shape(x)[axis]
            x = axes.pick(a.b, x, axis, item + size if item < 0 else item)
        else:
            raise UnsupportedError("an index that depends on data", where=a.c.where, got=type(item).__name__)
    return x


_UNARIES = (
    "neg abs sign floor ceil round sqrt rsqrt reciprocal square exp expm1 log log1p sin cos tan asin acos atan sinh "
    "cosh tanh asinh acosh atanh erf sigmoid softplus softsign relu relu6 selu is_nan is_inf is_finite"
)
OPERATIONS: dict[str, Operation] = {
    **{name: _unary(name) for name in _UNARIES.split()},
    "elu": lambda a: a.b.op("elu", a.x, alpha=float(a.raw(1, "alpha", default=1.0))),
    "logical_not": lambda a: a.b.op("logical_not", axes.cast(a.b, a.x, "bool")), "negative": _unary("neg"), "absolute": _unary("abs"), "arcsin": _unary("asin"), "arccos": _unary("acos"),
    "arctan": _unary("atan"), "arccosh": _unary("acosh"), "arcsinh": _unary("asinh"), "arctanh": _unary("atanh"), "isnan": _unary("is_nan"), "isinf": _unary("is_inf"), "isfinite": _unary("is_finite"),
    "reciprocal_no_nan": lambda a: a.b.op("div_no_nan", a.b.scalar(1.0), a.x), "pow": _binary("pow"), "power": _binary("pow"),
    "add": _binary("add"), "subtract": _binary("sub"), "sub": _binary("sub"), "multiply": _binary("mul"), "mul": _binary("mul"),
    "divide": _divide, "truediv": _divide, "true_divide": _divide, "realdiv": _divide, "div": _divide,
    "floordiv": _binary("floor_div"), "floor_div": _binary("floor_div"), "floor_divide": _binary("floor_div"), "mod": _binary("mod"), "floormod": _binary("mod"),
    "maximum": _binary("maximum"), "minimum": _binary("minimum"), "divide_no_nan": _binary("div_no_nan"),
    "squared_difference": _binary("squared_difference"), "atan2": _atan2, "arctan2": _atan2,
    "equal": _binary("equal"), "eq": _binary("equal"), "not_equal": _binary("not_equal"), "ne": _binary("not_equal"),
    "less": _binary("less"), "lt": _binary("less"), "less_equal": _binary("less_equal"), "le": _binary("less_equal"),
    "greater": _binary("greater"), "gt": _binary("greater"), "greater_equal": _binary("greater_equal"),
    "ge": _binary("greater_equal"), "logical_and": _logical("logical_and"), "logical_or": _logical("logical_or"),
    "logical_xor": _logical("logical_xor"), "matmul": _matmul, "linalg_matmul": _matmul, "cast": _cast,
    "to_float": lambda a: axes.cast(a.b, a.x, "float32"), "reshape": _reshape, "transpose": _transpose, "concat": _concat,
    "concatenate": _concat, "stack": _stack, "unstack": _unstack, "split": _split, "expand_dims": _expand,
    "squeeze": _squeeze, "softmax": _softmax, "clip_by_value": _clip, "clip": _clip, "pad": _pad, "tile": _tile,
    "repeat": _repeat, "gather": _gather, "take": _gather, "where": _where, "one_hot": _one_hot, "einsum": _einsum,
    "shape": _shape, "l2_normalize": _l2, "normalize": _l2, "resize": _resize, "cumsum": _cumulate("sum"),
    "cumprod": _cumulate("prod"), "flip": _flip, "reverse": _flip, "zeros_like": _like(0), "ones_like": _like(1), "full_like": lambda a: axes.broadcast(a.b, a.value(1, "fill_value", like=a.x), a.b.shape(a.x)),
    "norm": _norm, "getitem": _getitem, "get_item": _getitem, "identity": lambda a: a.x, "stop_gradient": lambda a: a.x,
    "reduce_sum": _reduce("sum"), "sum": _reduce("sum"), "reduce_mean": _reduce("mean"), "mean": _reduce("mean"),
    "reduce_max": _reduce("max"), "max": _reduce("max"), "amax": _reduce("max"), "reduce_min": _reduce("min"),
    "min": _reduce("min"), "amin": _reduce("min"), "reduce_prod": _reduce("prod"), "prod": _reduce("prod"),
    "reduce_any": _reduce("any"), "any": _reduce("any"), "reduce_all": _reduce("all"), "all": _reduce("all"),
    "argmax": _arg("max"), "argmin": _arg("min"), "reduce_variance": _variance, "var": _variance,
    "reduce_std": lambda a: _variance(a, True), "std": lambda a: _variance(a, True),
    "leaky_relu": _activation("leaky_relu", "alpha", "negative_slope"), "gelu": _activation("gelu", "approximate"),
    "celu": _activation("celu", "alpha"), "glu": _activation("glu", "axis"), "threshold": _activation("threshold", "threshold", "default_value"),
    "log_softmax": _activation("log_softmax", "axis"), "hard_shrink": _activation("hard_shrink", "threshold"),
    "soft_shrink": _activation("soft_shrink", "threshold"), "squareplus": _activation("squareplus", "b"), **MORE,
    **{name: _activation(name) for name in (
        "silu", "swish", "mish", "hard_sigmoid", "hard_swish", "hard_silu",
        "log_sigmoid", "hard_tanh", "tanh_shrink", "sparse_plus", "sparse_sigmoid", "sparsemax")},
}  # fmt: skip


def operation_of(kind: str, config: Mapping[str, Any]) -> Operation:
    """Raises PolicyError for a function that is not in the table: a file never chooses what code runs."""
    if kind in _LAMBDAS:
        function = config.get("function")
        name = str(function).rpartition(".")[2]
    else:
        function, name = kind, snake_case(kind)
    if name not in OPERATIONS:
        want = f"one of {len(OPERATIONS)} operations"
        raise PolicyError("a function outside of the table", got=function, want=want)
    return OPERATIONS[name]


def lower_operation(c: Call) -> int | list[int]:
    """Raises PolicyError as operation_of does, and what the operation raises."""
    return operation_of(c.kind, c.config)(Args(c))
