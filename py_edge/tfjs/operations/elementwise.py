"""Operations that compute each element alone: arithmetic, comparison, activations, casts, and tensors filled with a number."""

from __future__ import annotations

from typing import Any

from py_edge.errors import UnsupportedError
from py_edge.tfjs.idioms import arithmetic, axes
from py_edge.tfjs.layers.activations import activation_of
from py_edge.tfjs.layers.call import Sym
from py_edge.tfjs.operations.args import Args, Operation

_PLAIN = {"float16": "float32", "float64": "float32", "int64": "int32", "int8": "int32", "int16": "int32",
          "uint8": "int32", "uint16": "int32", "uint32": "int32"}  # fmt: skip


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


def _divide(a: Args) -> int:
    left, right = a.pair()
    return a.b.op("div", axes.cast(a.b, left, "float32"), axes.cast(a.b, right, "float32"))


def _cast(a: Args) -> int:
    dtype = str(a.raw(1, "dtype", default="float32")).removeprefix("tf.")
    return axes.cast(a.b, a.x, _PLAIN.get(dtype, dtype))


def _clip(a: Args) -> int:
    low = a.raw(1, "clip_value_min", "x_min", "min")
    high = a.raw(2, "clip_value_max", "x_max", "max")
    return arithmetic.clip(a.b, a.x, float(low), float(high))


def _where(a: Args) -> int:
    keep = axes.cast(a.b, a.value(0, "condition"), "bool")
    left, right = a.raw(1, "x", "x1"), a.raw(2, "y", "x2")
    if left is None or right is None:
        raise UnsupportedError("where with one argument depends on data", where=a.c.where)
    like = next((s.id for s in (left, right) if isinstance(s, Sym)), None)
    return a.b.op("select", keep, a.value(1, "x", "x1", like=like), a.value(2, "y", "x2", like=like))


def _like(value: float) -> Operation:
    return lambda a: axes.full(a.b, a.b.shape(a.x), value, a.b.dtype(a.x))


def _filled(value: float | None, place: int = 0) -> Operation:
    """zeros(shape), ones(shape), fill(dims, value)."""

    def lower(a: Args) -> int:
        number = a.raw(1, "value", "fill_value") if value is None else value
        if not isinstance(number, (int, float)):
            raise UnsupportedError("a fill value that is a tensor", where=a.c.where)
        whole = str(a.raw(9, "dtype", default="float32")).removeprefix("tf.").startswith(("int", "uint"))
        return axes.full(a.b, a.dims(place, "shape", "dims"), number, "int32" if whole else "float32")

    return lower


_UNARIES = (
    "neg abs sign floor ceil round sqrt rsqrt reciprocal square exp expm1 log log1p sin cos tan asin acos atan sinh "
    "cosh tanh asinh acosh atanh erf sigmoid softplus softsign relu relu6 selu is_nan is_inf is_finite"
)
ROWS: dict[str, Operation] = {
    **{name: _unary(name) for name in _UNARIES.split()},
    "elu": lambda a: a.b.op("elu", a.x, alpha=float(a.raw(1, "alpha", default=1.0))),
    "logical_not": lambda a: a.b.op("logical_not", axes.cast(a.b, a.x, "bool")), "negative": _unary("neg"),
    "absolute": _unary("abs"), "arcsin": _unary("asin"), "arccos": _unary("acos"), "arctan": _unary("atan"),
    "arccosh": _unary("acosh"), "arcsinh": _unary("asinh"), "arctanh": _unary("atanh"), "isnan": _unary("is_nan"),
    "isinf": _unary("is_inf"), "isfinite": _unary("is_finite"),
    "reciprocal_no_nan": lambda a: a.b.op("div_no_nan", a.b.scalar(1.0), a.x), "pow": _binary("pow"), "power": _binary("pow"),
    "add": _binary("add"), "subtract": _binary("sub"), "sub": _binary("sub"), "multiply": _binary("mul"), "mul": _binary("mul"),
    "divide": _divide, "truediv": _divide, "true_divide": _divide, "realdiv": _divide, "div": _divide,
    "floordiv": _binary("floor_div"), "floor_div": _binary("floor_div"), "floor_divide": _binary("floor_div"),
    "mod": _binary("mod"), "floormod": _binary("mod"), "maximum": _binary("maximum"), "minimum": _binary("minimum"),
    "divide_no_nan": _binary("div_no_nan"), "squared_difference": _binary("squared_difference"), "atan2": _atan2,
    "arctan2": _atan2, "equal": _binary("equal"), "eq": _binary("equal"), "not_equal": _binary("not_equal"),
    "ne": _binary("not_equal"), "less": _binary("less"), "lt": _binary("less"), "less_equal": _binary("less_equal"),
    "le": _binary("less_equal"), "greater": _binary("greater"), "gt": _binary("greater"),
    "greater_equal": _binary("greater_equal"), "ge": _binary("greater_equal"), "logical_and": _logical("logical_and"),
    "logical_or": _logical("logical_or"), "logical_xor": _logical("logical_xor"), "cast": _cast,
    "to_float": lambda a: axes.cast(a.b, a.x, "float32"), "clip_by_value": _clip, "clip": _clip, "where": _where,
    "identity": lambda a: a.x, "stop_gradient": lambda a: a.x, "zeros": _filled(0), "ones": _filled(1),
    "fill": _filled(None), "full": _filled(None), "zeros_like": _like(0), "ones_like": _like(1),
    "full_like": lambda a: axes.broadcast(a.b, a.value(1, "fill_value", like=a.x), a.b.shape(a.x)),
    "leaky_relu": _activation("leaky_relu", "alpha", "negative_slope"), "gelu": _activation("gelu", "approximate"),
    "celu": _activation("celu", "alpha"), "glu": _activation("glu", "axis"),
    "threshold": _activation("threshold", "threshold", "default_value"), "log_softmax": _activation("log_softmax", "axis"),
    "hard_shrink": _activation("hard_shrink", "threshold"), "soft_shrink": _activation("soft_shrink", "threshold"),
    "squareplus": _activation("squareplus", "b"),
    **{name: _activation(name) for name in (
        "silu", "swish", "mish", "hard_sigmoid", "hard_swish", "hard_silu",
        "log_sigmoid", "hard_tanh", "tanh_shrink", "sparse_plus", "sparse_sigmoid", "sparsemax")},
}  # fmt: skip
