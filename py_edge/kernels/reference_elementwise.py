"""The slow truth of what computes each element alone, and of fused chains of it; numpy, float64 for float32."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Attrs = Mapping[str, Any]
Function = Callable[..., Array]

TYPES: dict[str, Any] = {"float32": np.float64, "int32": np.int32, "bool": np.bool_, "uint8": np.uint8}

_erf: Function = np.vectorize(math.erf, otypes=[np.float64])


def _sigmoid(x: Array) -> Array:
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1 / (1 + small), small / (1 + small)))


def _softplus(x: Array) -> Array:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _elu(x: Array, alpha: float) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _swish(x: Array) -> Array:
    return x * _sigmoid(x)


def _gelu_tanh(x: Array) -> Array:
    return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))


_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
UNARY: dict[str, Function] = {
    "neg": np.negative, "abs": np.abs, "sign": np.sign, "floor": np.floor, "ceil": np.ceil, "round": np.rint,
    "sqrt": np.sqrt, "rsqrt": lambda x: 1 / np.sqrt(x), "reciprocal": lambda x: 1 / x, "square": np.square,
    "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "sin": np.sin, "cos": np.cos, "tan": np.tan,
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
    "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh, "erf": _erf, "sigmoid": _sigmoid,
    "softplus": _softplus, "softsign": lambda x: x / (1 + np.abs(x)), "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.minimum(np.maximum(x, 0), 6), "selu": lambda x: _SELU_SCALE * _elu(x, _SELU_ALPHA),
    "hard_sigmoid": lambda x: np.clip(x / 5 + 0.5, 0, 1), "hard_swish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "swish": _swish, "gelu": lambda x: 0.5 * x * (1 + _erf(x / math.sqrt(2))), "gelu_tanh": _gelu_tanh,
    "mish": lambda x: x * np.tanh(_softplus(x)),
}  # fmt: skip
UNARY_ALPHA: dict[str, tuple[float, Callable[[Array, float], Array]]] = {
    "elu": (1.0, _elu),
    "leaky_relu": (0.2, lambda x, alpha: np.where(x > 0, x, alpha * x)),
    "step": (0.0, lambda x, alpha: np.where(np.isnan(x), x, np.where(x > 0, 1.0, alpha))),
}


def zero_safe(function: Function) -> Function:
    """Integer division and remainder: by zero gives 0, smallest by -1 wraps."""

    def safe(a: Array, b: Array) -> Array:
        wide_a, wide_b = np.broadcast_arrays(np.asarray(a, np.int64), np.asarray(b, np.int64))
        return np.where(wide_b == 0, 0, function(wide_a, np.where(wide_b == 0, 1, wide_b))).astype(np.int32)

    return safe


def truncated_div(a: Array, b: Array) -> Array:
    return np.asarray(np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b)))


def _pow_int(a: Array, b: Array) -> Array:
    """a ** b wrapping; a negative exponent gives the truncated reciprocal: 0 but for a = 1 and a = -1."""
    wide_a, wide_b = np.broadcast_arrays(np.asarray(a), np.asarray(b))
    flat = [_one_pow(int(x), int(y)) for x, y in zip(wide_a.ravel(), wide_b.ravel(), strict=True)]
    return np.array(flat, np.uint32).view(np.int32).reshape(wide_a.shape)


def _one_pow(a: int, b: int) -> int:
    if b < 0:
        return (1 if a == 1 else (-1 if b % 2 else 1) if a == -1 else 0) & 0xFFFFFFFF
    return pow(a, b, 1 << 32)


BINARY: dict[str, Function] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide,
    "floor_div": lambda a, b: np.floor(a / b), "mod": np.mod, "truncated_mod": np.fmod, "maximum": np.maximum,
    "minimum": np.minimum, "pow": np.power, "atan2": np.arctan2, "squared_difference": lambda a, b: (a - b) * (a - b),
    "div_no_nan": lambda a, b: np.where(b == 0, 0.0, a / np.where(b == 0, 1.0, b)),
    "prelu": lambda a, b: np.where(a > 0, a, a * b), "bit_and": np.bitwise_and, "bit_or": np.bitwise_or,
    "bit_xor": np.bitwise_xor, "shift_left": lambda a, b: np.left_shift(a, b & 31),
    "shift_right": lambda a, b: np.right_shift(a, b & 31), "equal": np.equal, "not_equal": np.not_equal,
    "less": np.less, "less_equal": np.less_equal, "greater": np.greater, "greater_equal": np.greater_equal,
    "logical_and": np.logical_and, "logical_or": np.logical_or, "logical_xor": np.logical_xor,
}  # fmt: skip
BINARY_INTEGER: dict[str, Function] = {
    "div": zero_safe(truncated_div), "floor_div": zero_safe(np.floor_divide), "mod": zero_safe(np.mod),
    "truncated_mod": zero_safe(np.fmod), "pow": _pow_int,
}  # fmt: skip


def cast(x: Array, dtype: str) -> Array:
    """To int32: towards zero, saturating, NaN is 0."""
    if dtype == "int32" and np.issubdtype(x.dtype, np.floating):
        return np.asarray(
            np.trunc(np.clip(np.nan_to_num(x, nan=0.0), -(2.0**31), 2.0**31 - 1)).astype(np.int32)
        )
    result: Array = (x != 0) if dtype == "bool" else x.astype(TYPES[dtype])
    return result


def elementwise(name: str, inputs: Sequence[Array], attrs: Attrs) -> Array:
    """One elementwise op by name; integers stay integers and wrap."""
    if name in UNARY:
        return UNARY[name](*inputs)
    if name in UNARY_ALPHA:
        default, function = UNARY_ALPHA[name]
        return function(inputs[0], attrs.get("alpha", default))
    if name in BINARY:
        table = BINARY_INTEGER if inputs[0].dtype == np.int32 and name in BINARY_INTEGER else BINARY
        return table[name](*inputs)
    if name == "select":
        return np.where(inputs[0], inputs[1], inputs[2])
    if name == "cast":
        return cast(inputs[0], attrs["dtype"])
    return {"is_nan": np.isnan, "is_inf": np.isinf, "is_finite": np.isfinite, "logical_not": np.logical_not}[
        name
    ](inputs[0])


def chain(inputs: Sequence[Array], attrs: Attrs) -> list[Array]:
    """attrs code: (op, dtype, operands, attrs) each; results: operand numbers; outputs: Spec each."""
    values = list(inputs)
    for name, dtype, operands, own in attrs["code"]:
        result = np.asarray(elementwise(name, [values[i] for i in operands], {"dtype": dtype, **own}))
        own_type = result.dtype == np.bool_ or name == "cast"
        values.append(result if own_type else result.astype(TYPES[dtype]))
    pairs = zip(attrs["results"], attrs["outputs"], strict=True)
    return [np.broadcast_to(values[i], spec.shape) for i, spec in pairs]


def adam(inputs: Sequence[Array], attrs: Attrs) -> list[Array]:
    """weight, gradient, m, v, step_size, epsilon -> weight, m, v after one step."""
    weight, gradient, m, v, step_size, epsilon = inputs
    m = m + (gradient - m) * (1 - attrs["beta_1"])
    v = v + (gradient**2 - v) * (1 - attrs["beta_2"])
    return [weight - m * step_size / (np.sqrt(v) + epsilon), m, v]
