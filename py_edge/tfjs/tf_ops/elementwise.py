"""Arithmetic, basic math and logic: one core op each, broadcasting as TensorFlow does; complex numbers in pairs."""

from __future__ import annotations

from collections.abc import Callable

from py_edge.errors import UnsupportedError
from py_edge.graph import Builder
from py_edge.tfjs.call import Call, Lower
from py_edge.tfjs.idioms import arithmetic, axes, windows
from py_edge.tfjs.trace import Cplx, Value

_ROUNDING = frozenset({"floor", "ceil", "round"})
_INTEGER = frozenset({"neg", "abs", "sign", "square"})


def _binary(op: str) -> Lower:
    def lower(c: Call) -> Value:
        a, z = c.id(0), c.id(1)
        if c.b.dtype(a) == "bool" and op in ("add", "mul", "maximum", "minimum"):
            return c.b.op("logical_or" if op in ("add", "maximum") else "logical_and", a, z)
        return c.b.op(op, a, z)

    return lower


def unary(b: Builder, op: str, x: int) -> int:
    """One function of one tensor; whole numbers stay whole where that means something."""
    if b.dtype(x) == "int32":
        if op in _ROUNDING:
            return x
        if op in ("relu", "relu6"):
            y = b.op("maximum", x, b.scalar(0, "int32"))
            return b.op("minimum", y, b.scalar(6, "int32")) if op == "relu6" else y
        if op not in _INTEGER:
            x = axes.cast(b, x, "float32")
    return b.op(op, x, alpha=1.0) if op == "elu" else b.op(op, x)


def _unary(op: str) -> Lower:
    return lambda c: unary(c.b, op, c.x)


def _pair(c: Call, place: int) -> Cplx:
    value = c.values[place]
    if isinstance(value, Cplx):
        return value
    real = c.id(place)
    return Cplx(real, c.b.op("mul", real, 0.0))


def _complex(own: Callable[[Builder, Cplx, Cplx], Cplx], plain: Lower) -> Lower:
    """Two operands, complex when one of them is."""

    def lower(c: Call) -> Value | list[Value]:
        return own(c.b, _pair(c, 0), _pair(c, 1)) if any(isinstance(v, Cplx) for v in c.values) else plain(c)

    return lower


def _both(op: str) -> Callable[[Builder, Cplx, Cplx], Cplx]:
    return lambda b, p, q: Cplx(b.op(op, p.real, q.real), b.op(op, p.imag, q.imag))


def times(b: Builder, p: Cplx, q: Cplx) -> Cplx:
    real = b.op("sub", b.op("mul", p.real, q.real), b.op("mul", p.imag, q.imag))
    return Cplx(real, b.op("add", b.op("mul", p.real, q.imag), b.op("mul", p.imag, q.real)))


def over(b: Builder, p: Cplx, q: Cplx) -> Cplx:
    size = b.op("add", b.op("square", q.real), b.op("square", q.imag))
    y = times(b, p, Cplx(q.real, b.op("neg", q.imag)))
    return Cplx(b.op("div", y.real, size), b.op("div", y.imag, size))


def _neg(c: Call) -> Value:
    value = c.values[0]
    if isinstance(value, Cplx):
        return Cplx(c.b.op("neg", value.real), c.b.op("neg", value.imag))
    return unary(c.b, "neg", c.x)


def _magnitude(c: Call) -> Value:
    value = c.values[0]
    if not isinstance(value, Cplx):
        return unary(c.b, "abs", c.x)
    return c.b.op("sqrt", c.b.op("add", c.b.op("square", value.real), c.b.op("square", value.imag)))


def _square(c: Call) -> Value:
    value = c.values[0]
    return times(c.b, value, value) if isinstance(value, Cplx) else unary(c.b, "square", c.x)


def _real(c: Call) -> Value:
    value = c.values[0]
    return value.real if isinstance(value, Cplx) else c.x


def _imag(c: Call) -> Value:
    return _pair(c, 0).imag


def _make_complex(c: Call) -> Value:
    shape = c.b.shape(c.b.op("add", c.id(0), c.id(1)))
    return Cplx(axes.broadcast(c.b, c.id(0), shape), axes.broadcast(c.b, c.id(1), shape))


def _add_n(c: Call) -> Value:
    if all(isinstance(v, Cplx) for v in c.values) and c.values:
        pairs = [v for v in c.values if isinstance(v, Cplx)]
        return Cplx(
            windows.add_all(c.b, [p.real for p in pairs]), windows.add_all(c.b, [p.imag for p in pairs])
        )
    return windows.add_all(c.b, c.ids())


def _bias_add(c: Call) -> Value:
    return add_bias(c, c.id(0), c.id(1))


def add_bias(c: Call, x: int, bias: int) -> int:
    """Along the channels; the converter makes any addition a BiasAdd, so other shapes just broadcast."""
    if c.first and c.b.rank(bias) == 1 and c.b.rank(x) > 2:
        bias = arithmetic.along(c.b, bias, 1, c.b.rank(x))
    return c.b.op("add", x, bias)


def _clip(c: Call) -> Value:
    return c.b.op("minimum", c.b.op("maximum", c.id(0), c.id(1)), c.id(2))


def _leaky(c: Call) -> Value:
    return c.b.op("leaky_relu", c.x, alpha=c.number("alpha", 0.2))


def _prelu(c: Call) -> Value:
    return c.b.op("prelu", c.id(0), c.id(1))


def _erfc(c: Call) -> Value:
    return c.b.op("sub", 1.0, c.b.op("erf", c.x))


def _equal(op: str) -> Lower:
    def lower(c: Call) -> Value:
        if any(isinstance(v, Cplx) for v in c.values):
            p, q = _pair(c, 0), _pair(c, 1)
            join = "logical_and" if op == "equal" else "logical_or"
            return c.b.op(join, c.b.op(op, p.real, q.real), c.b.op(op, p.imag, q.imag))
        return c.b.op(op, c.id(0), c.id(1))

    return lower


def _select(c: Call) -> Value:
    """Version 1: a condition of rank 1 chooses whole rows."""
    b, pred, left = c.b, c.id(0), c.id(1)
    if b.rank(pred) == 1 and b.rank(left) > 1:
        pred = axes.expand(b, pred, *range(1, b.rank(left)))
    return b.op("select", pred, left, c.id(2))


def _select_v2(c: Call) -> Value:
    if any(isinstance(v, Cplx) for v in c.values[1:]):
        p, q = _pair(c, 1), _pair(c, 2)
        return Cplx(c.b.op("select", c.id(0), p.real, q.real), c.b.op("select", c.id(0), p.imag, q.imag))
    return c.b.op("select", c.id(0), c.id(1), c.id(2))


def _real_div(c: Call) -> Value:
    return c.b.op("div", *(axes.cast(c.b, c.id(i), "float32") for i in (0, 1)))


def _xdivy(c: Call) -> Value:
    """0 where x is 0."""
    b = c.b
    zero = b.op("equal", c.id(0), 0.0)
    return b.op("select", zero, b.op("mul", c.id(0), 0.0), b.op("div", c.id(0), c.id(1)))


def _exp(c: Call) -> Value:
    value = c.values[0]
    if not isinstance(value, Cplx):
        return unary(c.b, "exp", c.x)
    size = c.b.op("exp", value.real)
    return Cplx(
        c.b.op("mul", size, c.b.op("cos", value.imag)), c.b.op("mul", size, c.b.op("sin", value.imag))
    )


def _invert(c: Call) -> Value:
    if c.dtype() != "int32":
        raise UnsupportedError("Invert of this dtype", where=c.node.where, got=c.dtype())
    return c.b.op("bit_xor", c.x, c.b.scalar(-1, "int32"))


_UNARY = {
    "Acos": "acos", "Asin": "asin", "Atan": "atan", "Ceil": "ceil", "Cos": "cos", "Cosh": "cosh", "Elu": "elu",
    "Floor": "floor", "Log": "log", "Relu": "relu", "Relu6": "relu6", "Selu": "selu", "Sigmoid": "sigmoid", "Sin": "sin",
    "Sinh": "sinh", "Sqrt": "sqrt", "Rsqrt": "rsqrt", "Tan": "tan", "Tanh": "tanh", "Sign": "sign", "Round": "round",
    "Rint": "round", "Expm1": "expm1", "Log1p": "log1p", "Reciprocal": "reciprocal", "Inv": "reciprocal",
    "Softplus": "softplus", "Softsign": "softsign", "Asinh": "asinh", "Acosh": "acosh", "Atanh": "atanh", "Erf": "erf",
    "IsNan": "is_nan", "IsFinite": "is_finite", "IsInf": "is_inf", "LogicalNot": "logical_not",
}  # fmt: skip
_BINARY = {
    "DivNoNan": "div_no_nan", "FloorDiv": "floor_div", "Maximum": "maximum", "Minimum": "minimum", "Pow": "pow",
    "SquaredDifference": "squared_difference", "Mod": "truncated_mod", "TruncateMod": "truncated_mod",
    "FloorMod": "mod", "Atan2": "atan2", "TruncateDiv": "div", "Greater": "greater", "GreaterEqual": "greater_equal",
    "Less": "less", "LessEqual": "less_equal", "LogicalAnd": "logical_and", "LogicalOr": "logical_or",
    "LogicalXor": "logical_xor", "BitwiseAnd": "bit_and", "BitwiseOr": "bit_or", "BitwiseXor": "bit_xor",
    "LeftShift": "shift_left", "RightShift": "shift_right",
}  # fmt: skip
_ADD, _SUB = _complex(_both("add"), _binary("add")), _complex(_both("sub"), _binary("sub"))
ROWS: dict[str, Lower] = {
    **{name: _unary(op) for name, op in _UNARY.items()}, **{name: _binary(op) for name, op in _BINARY.items()},
    "Add": _ADD, "AddV2": _ADD, "Sub": _SUB, "Mul": _complex(times, _binary("mul")), "AddN": _add_n, "BiasAdd": _bias_add,
    "RealDiv": _complex(over, _real_div), "Div": _complex(over, _binary("div")), "Xdivy": _xdivy, "Neg": _neg, "Abs": _magnitude,
    "ComplexAbs": _magnitude, "Square": _square, "Exp": _exp, "Real": _real, "Imag": _imag, "Complex": _make_complex,
    "ClipByValue": _clip, "Prelu": _prelu, "LeakyRelu": _leaky, "Erfc": _erfc, "Equal": _equal("equal"),
    "NotEqual": _equal("not_equal"), "Select": _select, "SelectV2": _select_v2, "Invert": _invert,
}  # fmt: skip
