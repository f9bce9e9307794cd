"""Activation functions by every name that Keras 2, Keras 3 and TF.js write, and the layers that are only an activation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from py_edge.errors import PolicyError, UnsupportedError
from py_edge.graph import Builder
from py_edge.tfjs.idioms import arithmetic, axes
from py_edge.tfjs.initializers import plain_name
from py_edge.tfjs.layers.call import Call, Lower

Activation = Callable[..., int]


def _unary(op: str, **attrs: float) -> Activation:
    return lambda b, x: b.op(op, x, **attrs)


def _softmax(b: Builder, x: int, axis: int | list[int] = -1) -> int:
    return arithmetic.softmax(b, x, axis if isinstance(axis, list) else [axis])


def _relu(b: Builder, x: int, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0,
          alpha: float = 0.0) -> int:  # fmt: skip
    return relu(b, x, negative_slope or alpha, max_value, threshold)


def _gelu(b: Builder, x: int, approximate: bool = False) -> int:
    return b.op("gelu_tanh" if approximate else "gelu", x)


def _elu(b: Builder, x: int, alpha: float = 1.0) -> int:
    return b.op("elu", x, alpha=float(alpha))


def _leaky(b: Builder, x: int, negative_slope: float = 0.2, alpha: float | None = None) -> int:
    return b.op("leaky_relu", x, alpha=float(negative_slope if alpha is None else alpha))


def _hard_sigmoid3(b: Builder, x: int) -> int:
    """Keras 3: relu6(x + 3) / 6."""
    return b.op("mul", b.op("relu6", b.op("add", x, 3.0)), 1 / 6)


def _log_sigmoid(b: Builder, x: int) -> int:
    return b.op("neg", b.op("softplus", b.op("neg", x)))


def _celu(b: Builder, x: int, alpha: float = 1.0) -> int:
    """max(0, x) + min(0, alpha * (exp(x / alpha) - 1))."""
    low = b.op("mul", b.op("expm1", b.op("div", b.op("minimum", x, 0.0), float(alpha))), float(alpha))
    return b.op("add", b.op("relu", x), low)


def _glu(b: Builder, x: int, axis: int = -1) -> int:
    half = b.shape(x)[axis] // 2
    left, right = axes.split(b, x, axis, [half, half])
    return b.op("mul", left, b.op("sigmoid", right))


def _hard_tanh(b: Builder, x: int) -> int:
    return arithmetic.clip(b, x, -1.0, 1.0)


def _shrink(b: Builder, x: int, keep: int) -> int:
    return b.op("select", keep, x, b.op("mul", x, 0.0))


def _hard_shrink(b: Builder, x: int, threshold: float = 0.5) -> int:
    return _shrink(b, x, b.op("greater", b.op("abs", x), float(threshold)))


def _soft_shrink(b: Builder, x: int, threshold: float = 0.5) -> int:
    return b.op("mul", b.op("sign", x), b.op("relu", b.op("sub", b.op("abs", x), float(threshold))))


def _tanh_shrink(b: Builder, x: int) -> int:
    return b.op("sub", x, b.op("tanh", x))


def _threshold(b: Builder, x: int, threshold: float = 0.0, default_value: float = 0.0) -> int:
    kept = b.op("greater", x, float(threshold))
    return b.op("select", kept, x, axes.full(b, b.shape(x), default_value))


def _squareplus(builder: Builder, x: int, b: float = 4.0) -> int:
    root = builder.op("sqrt", builder.op("add", builder.op("square", x), float(b)))
    return builder.op("mul", builder.op("add", x, root), 0.5)


def _sparse_plus(b: Builder, x: int) -> int:
    """0 below -1, x above 1, (x + 1)^2 / 4 between."""
    middle = b.op("mul", b.op("square", b.op("add", x, 1.0)), 0.25)
    upper = b.op("select", b.op("less", x, 1.0), middle, x)
    return b.op("select", b.op("less_equal", x, -1.0), b.op("mul", x, 0.0), upper)


def _sparse_sigmoid(b: Builder, x: int) -> int:
    return arithmetic.clip(b, b.op("mul", b.op("add", x, 1.0), 0.5), 0.0, 1.0)


def _sparsemax(b: Builder, x: int, axis: int = -1) -> int:
    """Keras 3's version of Martins and Astudillo 2016: it adds up the running sums of the support, not its values."""

    def along_last(z: int) -> int:
        n = b.shape(z)[-1]
        ordered, _ = b.ops("top_k", z, k=n)
        sums = b.op("cumulate", ordered, kind="sum", axis=b.rank(z) - 1, exclusive=False, reverse=False)
        ranks = axes.cast(b, axes.iota(b, n), "float32")
        ranks = b.op("add", ranks, 1.0)
        inside = b.op("greater", b.op("add", b.op("mul", ordered, ranks), 1.0), sums)
        k = axes.reduce(b, "sum", axes.cast(b, inside, "float32"), [-1], keepdims=True)
        support = axes.reduce(
            b, "sum", b.op("mul", sums, axes.cast(b, inside, "float32")), [-1], keepdims=True
        )
        return b.op("relu", b.op("sub", z, b.op("div", b.op("sub", support, 1.0), k)))

    return axes.on_last(b, x, axis, along_last)


ACTIVATIONS: dict[str, Activation] = {
    "linear": lambda b, x: x, "relu": _relu, "relu6": _unary("relu6"), "elu": _elu, "selu": _unary("selu"),
    "sigmoid": _unary("sigmoid"), "hard_sigmoid": _unary("hard_sigmoid"), "softplus": _unary("softplus"),
    "softsign": _unary("softsign"), "tanh": _unary("tanh"), "softmax": _softmax, "exponential": _unary("exp"),
    "log_softmax": lambda b, x, axis=-1: arithmetic.softmax(b, x, [axis], log=True), "gelu": _gelu,
    "gelu_new": _unary("gelu_tanh"), "mish": _unary("mish"), "swish": _unary("swish"), "silu": _unary("swish"),
    "leaky_relu": _leaky, "hard_swish": _unary("hard_swish"), "hard_silu": _unary("hard_swish"), "celu": _celu,
    "log_sigmoid": _log_sigmoid, "glu": _glu, "hard_tanh": _hard_tanh, "hard_shrink": _hard_shrink,
    "soft_shrink": _soft_shrink, "tanh_shrink": _tanh_shrink, "threshold": _threshold, "squareplus": _squareplus,
    "sparse_plus": _sparse_plus, "sparse_sigmoid": _sparse_sigmoid, "sparsemax": _sparsemax,
}  # fmt: skip
_BY_KEY = {name.replace("_", ""): function for name, function in ACTIVATIONS.items()}


def activation_of(raw: Any, where: str, keras3: bool = False) -> Activation:
    """The function that a config's `activation` names; None is linear. Raises UnsupportedError, PolicyError."""
    if raw is None:
        return ACTIVATIONS["linear"]
    name, config = plain_name(raw, where, "activation")
    if name == "function" and isinstance(raw, dict) and isinstance(raw.get("config"), str):
        name, config = raw["config"], {}
    if "." in name or "/" in name:
        raise PolicyError("an activation is named by its plain name", where=where, got=name)
    key = name.replace("_", "").lower()
    if key == "hardsigmoid" and keras3:
        return _hard_sigmoid3
    if key not in _BY_KEY:
        raise UnsupportedError("unknown activation", where=where, got=name, want=sorted(ACTIVATIONS))
    function = _BY_KEY[key]
    known = {
        k: v
        for k, v in config.items()
        if k
        in ("axis", "alpha", "negative_slope", "max_value", "threshold", "default_value", "approximate", "b")
    }
    return (lambda b, x: function(b, x, **known)) if known else function


def activate(c: Call, x: int, key: str = "activation", default: str | None = None) -> int:
    """The activation of a layer's config applied to x."""
    return activation_of(c.get(key, default=default), c.where, c.keras3)(c.b, x)


def relu(b: Builder, x: int, slope: float, ceiling: float | None, threshold: float) -> int:
    """Keras' general ReLU: slope (x - threshold) below the threshold, x above, at most `ceiling`."""
    if threshold == 0.0:
        if slope:
            y = b.op("leaky_relu", x, alpha=float(slope))
        else:
            return (
                b.op("relu", x)
                if ceiling is None
                else b.op("relu6", x)
                if ceiling == 6
                else arithmetic.clip(b, x, 0.0, ceiling)
            )
    else:
        below = b.op("mul", b.op("sub", x, float(threshold)), float(slope))
        y = b.op("select", b.op("greater_equal", x, float(threshold)), x, below)
    return y if ceiling is None else b.op("minimum", y, float(ceiling))


def _layer_relu(c: Call) -> int:
    ceiling = c.get("max_value")
    top = None if ceiling is None else c.number("max_value")
    return relu(c.b, c.x, c.number("negative_slope"), top, c.number("threshold"))


def _layer_leaky(c: Call) -> int:
    return c.b.op("leaky_relu", c.x, alpha=c.number("alpha", "negative_slope", default=0.3))


def _layer_prelu(c: Call) -> int:
    shared = {axis if axis >= 0 else axis + c.rank for axis in c.get("shared_axes", default=[])}
    shape = [1 if axis in shared else size for axis, size in enumerate(c.shape)][1:]
    return c.b.op("prelu", c.x, c.weight("alpha", shape, default="zeros"))


def _layer_elu(c: Call) -> int:
    return c.b.op("elu", c.x, alpha=c.number("alpha", default=1.0))


def _layer_thresholded(c: Call) -> int:
    theta = c.number("theta", default=1.0)
    above = axes.cast(c.b, c.b.op("greater", c.x, theta), "float32")
    return c.b.op("mul", c.x, above)


def _layer_softmax(c: Call) -> int:
    """With a mask, masked places get -1e9 first."""
    b, x, axis = c.b, c.x, c.get("axis", default=-1)
    mask = c.argument("mask", 1)
    if hasattr(mask, "id") and c.keras3:
        x = b.op("select", axes.cast(b, mask.id, "bool"), x, -1e9)
    elif hasattr(mask, "id"):
        off = b.op("sub", 1.0, axes.cast(b, mask.id, "float32"))
        x = b.op("add", x, b.op("mul", off, -1e9))
    return arithmetic.softmax(b, x, list(axis) if isinstance(axis, (list, tuple)) else [axis])


def _layer_activation(c: Call) -> int:
    return activate(c, c.x)


ROWS: dict[str, Lower] = {
    "Activation": _layer_activation, "ReLU": _layer_relu, "LeakyReLU": _layer_leaky, "PReLU": _layer_prelu,
    "ELU": _layer_elu, "ThresholdedReLU": _layer_thresholded, "Softmax": _layer_softmax,
}  # fmt: skip
