"""Gradients of the elementwise ops. Unary: (b, x, y, dy, alpha) -> dx. Binary: (b, x, z, y, dy) -> thunks for dx, dz.

Where the output tells enough (relu, sigmoid, tanh, elu, ...) the input is not read, so it need not be kept.
At ties and corners TensorFlow's choices hold: maximum gives the tie to its first input, relu and abs are flat at 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from py_edge.graph import Builder
from py_edge.train.gradient_row import Call, Gradient, Row, sum_to, widen

Unary = Callable[[Builder, int, int, int, float], Gradient]
Binary = Callable[[Builder, int, int, int, int], tuple[Callable[[], int], Callable[[], int]]]

SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def _flat(b: Builder, x: int, y: int, dy: int, alpha: float) -> None:
    return None


def _one_minus_square(b: Builder, v: int) -> int:
    return b.sub(1.0, b.square(v))


def _inside(b: Builder, y: int, low: float, high: float, dy: int) -> int:
    """dy where low < y < high."""
    return b.mul(dy, b.mul(b.step(y if low == 0.0 else b.sub(y, low)), b.step(b.sub(high, y))))


def _elu(b: Builder, x: int, y: int, dy: int, alpha: float) -> int:
    return b.mul(dy, b.select(b.greater(y, 0.0), 1.0, b.add(y, alpha)))


def _selu(b: Builder, x: int, y: int, dy: int, alpha: float) -> int:
    return b.mul(dy, b.select(b.greater(y, 0.0), SELU_SCALE, b.add(y, SELU_SCALE * SELU_ALPHA)))


def _hard_swish(b: Builder, x: int, y: int, dy: int, alpha: float) -> int:
    middle = b.mul(b.add(b.mul(x, 2.0), 3.0), 1 / 6)
    return b.mul(dy, b.select(b.less_equal(x, -3.0), 0.0, b.select(b.greater_equal(x, 3.0), 1.0, middle)))


def _swish(b: Builder, x: int, y: int, dy: int, alpha: float) -> int:
    s = b.sigmoid(x)
    return b.mul(dy, b.add(s, b.mul(y, b.sub(1.0, s))))


def _gelu(b: Builder, x: int, y: int, dy: int, alpha: float) -> int:
    density = b.mul(b.exp(b.mul(b.square(x), -0.5)), 1 / math.sqrt(2 * math.pi))
    cumulative = b.mul(b.add(b.erf(b.mul(x, math.sqrt(0.5))), 1.0), 0.5)
    return b.mul(dy, b.add(cumulative, b.mul(x, density)))


def _gelu_tanh(b: Builder, x: int, y: int, dy: int, alpha: float) -> int:
    c, square = math.sqrt(2 / math.pi), b.square(x)
    t = b.tanh(b.mul(b.mul(x, c), b.add(b.mul(square, 0.044715), 1.0)))
    slope = b.mul(b.add(b.mul(square, 3 * 0.044715), 1.0), c)
    inner = b.mul(b.mul(x, _one_minus_square(b, t)), slope)
    return b.mul(dy, b.mul(b.add(b.add(t, 1.0), inner), 0.5))


def _mish(b: Builder, x: int, y: int, dy: int, alpha: float) -> int:
    t = b.tanh(b.softplus(x))
    return b.mul(dy, b.add(t, b.mul(b.mul(x, b.sigmoid(x)), _one_minus_square(b, t))))


UNARY: dict[str, Unary] = {
    "neg": lambda b, x, y, dy, alpha: b.neg(dy),
    "abs": lambda b, x, y, dy, alpha: b.mul(dy, b.sign(x)),
    "sign": _flat, "floor": _flat, "ceil": _flat, "round": _flat, "step": _flat,
    "sqrt": lambda b, x, y, dy, alpha: b.div(b.mul(dy, 0.5), y),
    "rsqrt": lambda b, x, y, dy, alpha: b.mul(b.mul(dy, -0.5), b.mul(y, b.square(y))),
    "reciprocal": lambda b, x, y, dy, alpha: b.neg(b.mul(dy, b.square(y))),
    "square": lambda b, x, y, dy, alpha: b.mul(dy, b.mul(x, 2.0)),
    "exp": lambda b, x, y, dy, alpha: b.mul(dy, y),
    "expm1": lambda b, x, y, dy, alpha: b.mul(dy, b.add(y, 1.0)),
    "log": lambda b, x, y, dy, alpha: b.div(dy, x),
    "log1p": lambda b, x, y, dy, alpha: b.div(dy, b.add(x, 1.0)),
    "sin": lambda b, x, y, dy, alpha: b.mul(dy, b.cos(x)),
    "cos": lambda b, x, y, dy, alpha: b.neg(b.mul(dy, b.sin(x))),
    "tan": lambda b, x, y, dy, alpha: b.mul(dy, b.add(b.square(y), 1.0)),
    "asin": lambda b, x, y, dy, alpha: b.mul(dy, b.rsqrt(_one_minus_square(b, x))),
    "acos": lambda b, x, y, dy, alpha: b.neg(b.mul(dy, b.rsqrt(_one_minus_square(b, x)))),
    "atan": lambda b, x, y, dy, alpha: b.div(dy, b.add(b.square(x), 1.0)),
    "sinh": lambda b, x, y, dy, alpha: b.mul(dy, b.cosh(x)),
    "cosh": lambda b, x, y, dy, alpha: b.mul(dy, b.sinh(x)),
    "tanh": lambda b, x, y, dy, alpha: b.mul(dy, _one_minus_square(b, y)),
    "asinh": lambda b, x, y, dy, alpha: b.mul(dy, b.rsqrt(b.add(b.square(x), 1.0))),
    "acosh": lambda b, x, y, dy, alpha: b.div(dy, b.sinh(y)),
    "atanh": lambda b, x, y, dy, alpha: b.div(dy, _one_minus_square(b, x)),
    "erf": lambda b, x, y, dy, alpha: b.mul(dy, b.mul(b.exp(b.neg(b.square(x))), 2 / math.sqrt(math.pi))),
    "sigmoid": lambda b, x, y, dy, alpha: b.mul(dy, b.mul(y, b.sub(1.0, y))),
    "softplus": lambda b, x, y, dy, alpha: b.mul(dy, b.sigmoid(x)),
    "softsign": lambda b, x, y, dy, alpha: b.div(dy, b.square(b.add(b.abs(x), 1.0))),
    "relu": lambda b, x, y, dy, alpha: b.mul(dy, b.step(y)),
    "relu6": lambda b, x, y, dy, alpha: _inside(b, y, 0.0, 6.0, dy),
    "elu": _elu,
    "selu": _selu,
    "leaky_relu": lambda b, x, y, dy, alpha: b.mul(dy, b.op("step", y if alpha >= 0 else x, alpha=alpha)),
    "hard_sigmoid": lambda b, x, y, dy, alpha: b.mul(_inside(b, y, 0.0, 1.0, dy), 0.2),
    "hard_swish": _hard_swish,
    "swish": _swish,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "mish": _mish,
}  # fmt: skip


def _truncate(b: Builder, v: int) -> int:
    return b.mul(b.sign(v), b.floor(b.abs(v)))


def _choose(b: Builder, mask: int, dy: int) -> tuple[Callable[[], int], Callable[[], int]]:
    """dy to the first where mask, else to the second."""
    return lambda: b.select(mask, dy, 0.0), lambda: b.select(mask, 0.0, dy)


def _log_of_positive(b: Builder, x: int) -> int:
    safe = b.greater(x, 0.0)
    return b.select(safe, b.log(b.select(safe, x, 1.0)), 0.0)


def _flat_binary(b: Builder, x: int, z: int, y: int, dy: int) -> tuple[Callable[[], int], Callable[[], int]]:
    return lambda: b.mul(dy, 0.0), lambda: b.mul(dy, 0.0)


BINARY: dict[str, Binary] = {
    "add": lambda b, x, z, y, dy: (lambda: dy, lambda: dy),
    "sub": lambda b, x, z, y, dy: (lambda: dy, lambda: b.neg(dy)),
    "mul": lambda b, x, z, y, dy: (lambda: b.mul(dy, z), lambda: b.mul(dy, x)),
    "div": lambda b, x, z, y, dy: (lambda: b.div(dy, z), lambda: b.neg(b.mul(dy, b.div(y, z)))),
    "floor_div": _flat_binary,
    "mod": lambda b, x, z, y, dy: (lambda: dy, lambda: b.neg(b.mul(dy, b.floor(b.div(x, z))))),
    "truncated_mod": lambda b, x, z, y, dy: (lambda: dy, lambda: b.neg(b.mul(dy, _truncate(b, b.div(x, z))))),
    "maximum": lambda b, x, z, y, dy: _choose(b, b.greater_equal(x, z), dy),
    "minimum": lambda b, x, z, y, dy: _choose(b, b.less_equal(x, z), dy),
    "pow": lambda b, x, z, y, dy: (
        lambda: b.mul(dy, b.mul(z, b.pow(x, b.sub(z, 1.0)))),
        lambda: b.mul(dy, b.mul(y, _log_of_positive(b, x))),
    ),
    "atan2": lambda b, x, z, y, dy: (
        lambda: b.mul(dy, b.div(z, b.add(b.square(x), b.square(z)))),
        lambda: b.neg(b.mul(dy, b.div(x, b.add(b.square(x), b.square(z))))),
    ),
    "squared_difference": lambda b, x, z, y, dy: (
        lambda: b.mul(dy, b.mul(b.sub(x, z), 2.0)),
        lambda: b.mul(dy, b.mul(b.sub(z, x), 2.0)),
    ),
    "div_no_nan": lambda b, x, z, y, dy: (
        lambda: b.div_no_nan(dy, z),
        lambda: b.neg(b.mul(dy, b.div_no_nan(y, z))),
    ),
    "prelu": lambda b, x, z, y, dy: (
        lambda: b.mul(dy, b.select(b.greater(x, 0.0), 1.0, z)),
        lambda: b.mul(dy, b.select(b.greater(x, 0.0), 0.0, x)),
    ),
}


def unary_row(rule: Unary) -> Row:
    def row(call: Call) -> Sequence[Gradient]:
        return (
            rule(
                call.b, call.inputs[0], call.y, call.dy, float(call.attrs.get("alpha", _default_alpha(call)))
            ),
        )

    return row


def _default_alpha(call: Call) -> float:
    return {"elu": 1.0, "leaky_relu": 0.2}.get(call.node.op, 0.0)


def _narrowed(call: Call, gradient: int, index: int) -> int:
    """Summed over the axes along which input `index` was broadcast; a thin gradient of an input as large as y stays thin."""
    b, shape = call.b, call.shape(index)
    if shape == b.shape(call.y):
        return gradient
    return sum_to(b, widen(b, gradient, b.shape(call.y)), shape)


def binary_row(rule: Binary) -> Row:
    def row(call: Call) -> Sequence[Gradient]:
        x, z = call.inputs
        thunks = rule(call.b, x, z, call.y, call.thin)
        return [_narrowed(call, thunk(), i) if call.needs[i] else None for i, thunk in enumerate(thunks)]

    return row


def select_row(call: Call) -> Sequence[Gradient]:
    """c ? x : z."""
    b, mask = call.b, call.inputs[0]
    parts = _choose(b, mask, call.thin)
    return [
        None,
        *(_narrowed(call, part(), i + 1) if call.needs[i + 1] else None for i, part in enumerate(parts)),
    ]


def cast_row(call: Call) -> Sequence[Gradient]:
    return (call.thin if call.b.dtype(call.inputs[0]) == "float32" else None,)
