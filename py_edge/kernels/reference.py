"""The slow truth: every row of the op table in numpy, float64 where the engine computes in float32.

`evaluate(graph, inputs)` runs a graph; `OPS[name](inputs, attrs)` one op. The C kernels, the gradients and the passes
are measured against this. Not loaded in the browser. Windowed ops are in reference_windows.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from py_edge.errors import GraphError, KernelError
from py_edge.graph.graph import Graph, Node
from py_edge.kernels import reference_windows as windows

Array = np.ndarray[Any, np.dtype[Any]]
Attrs = Mapping[str, Any]
Function = Callable[..., Array]
Host = Callable[[Attrs, list[Array]], list[Array]]

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


def _integer(function: Function) -> Function:
    """Integer division and remainder: by zero gives 0, smallest by -1 wraps."""

    def safe(a: Array, b: Array) -> Array:
        wide_a, wide_b = np.broadcast_arrays(np.asarray(a, np.int64), np.asarray(b, np.int64))
        return np.where(wide_b == 0, 0, function(wide_a, np.where(wide_b == 0, 1, wide_b))).astype(np.int32)

    return safe


def _truncated_div(a: Array, b: Array) -> Array:
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
    "div": _integer(_truncated_div), "floor_div": _integer(np.floor_divide), "mod": _integer(np.mod),
    "truncated_mod": _integer(np.fmod), "pow": _pow_int,
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


def _finish(y: Array, rest: Sequence[Array], attrs: Attrs) -> Array:
    """The fused tail of a product: bias, residual, activation."""
    extra = list(rest)
    y = y + extra.pop(0) if attrs.get("bias") else y
    early = attrs.get("residual_before_act")
    y = y + extra[0] if attrs.get("residual") and early else y
    if attrs.get("activation"):
        y = elementwise(attrs["activation"], [y], attrs if attrs.get("alpha") is not None else {})
    return y + extra[0] if attrs.get("residual") and not early else y


def matmul(inputs: Sequence[Array], attrs: Attrs) -> Array:
    a = np.swapaxes(inputs[0], -1, -2) if attrs.get("transpose_a") else inputs[0]
    b = np.swapaxes(inputs[1], -1, -2) if attrs.get("transpose_b") else inputs[1]
    return _finish(np.matmul(a, b), inputs[2:], attrs)


_REDUCE: dict[str, Callable[..., Any]] = {
    "sum": np.sum, "prod": np.prod, "any": np.any, "all": np.all,
}  # fmt: skip


def reduce(x: Array, attrs: Attrs) -> Array:
    """Sums of int32 wrap; max of nothing is the smallest number, min the largest."""
    kind, axes, keep = attrs["kind"], tuple(attrs["axes"]), bool(attrs.get("keepdims"))
    integer = x.dtype == np.int32
    if kind in ("max", "min"):
        worst = (np.iinfo(np.int32).min, np.iinfo(np.int32).max) if integer else (-np.inf, np.inf)
        function: Any = np.max if kind == "max" else np.min
        return np.asarray(function(x, axis=axes, keepdims=keep, initial=worst[kind == "min"]))
    if kind == "mean":
        size = np.asarray(math.prod(x.shape[i] for i in axes))
        total = np.sum(x, axis=axes, keepdims=keep, dtype=x.dtype)
        return _integer(_truncated_div)(total, size) if integer else np.asarray(total / size)
    options: dict[str, Any] = {"dtype": np.int32} if integer and kind in ("sum", "prod") else {}
    return np.asarray(_REDUCE[kind](x, axis=axes, keepdims=keep, **options))


def arg_reduce(x: Array, attrs: Attrs) -> Array:
    """First of equals; NaN never wins; 0 for nothing."""
    signed = x.astype(np.float64) * (1 if attrs["kind"] == "max" else -1)
    axis = attrs["axis"] % x.ndim
    if x.shape[axis] == 0:
        return np.zeros(x.shape[:axis] + x.shape[axis + 1 :], np.int32)
    return np.asarray(np.argmax(np.where(np.isnan(signed), -np.inf, signed), axis=axis).astype(np.int32))


def cumulate(x: Array, attrs: Attrs) -> Array:
    """attrs kind sum|prod, axis, exclusive, reverse."""
    axis, product = attrs["axis"] % x.ndim, attrs.get("kind", "sum") == "prod"
    x = np.flip(x, axis) if attrs.get("reverse") else x
    y = np.asarray((np.cumprod if product else np.cumsum)(x, axis=axis, dtype=x.dtype))
    if attrs.get("exclusive"):
        first = np.full_like(np.take(x, [0] if x.shape[axis] else [], axis), 1 if product else 0)
        y = np.concatenate([first, np.take(y, range(x.shape[axis] - 1), axis)], axis)
    return np.flip(y, axis) if attrs.get("reverse") else y


def softmax(x: Array, log: bool) -> Array:
    shifted = x - np.max(x, -1, keepdims=True, initial=-np.inf)
    total = np.sum(np.exp(shifted), -1, keepdims=True)
    return np.asarray(shifted - np.log(total) if log else np.exp(shifted) / total)


def normalize(inputs: Sequence[Array], attrs: Attrs) -> Array:
    """Layer norm over the last axis; attrs epsilon, rms, and whether scale and offset follow x."""
    x, extra = inputs[0], list(inputs[1:])
    centred = x if attrs.get("rms") else x - x.mean(-1, keepdims=True)
    y = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + attrs["epsilon"])
    y = y * extra.pop(0) if attrs.get("scale") else y
    return np.asarray(y + extra.pop(0) if attrs.get("offset") else y)


def top_k(x: Array, attrs: Attrs) -> list[Array]:
    order = np.argsort(-x.astype(np.float64), axis=-1, kind="stable")[..., : attrs["k"]]
    return [np.take_along_axis(x, order, -1), order.astype(np.int32)]


def slice_(x: Array, attrs: Attrs) -> Array:
    strides = attrs.get("strides") or (1,) * x.ndim
    for axis, (begin, size, stride) in enumerate(zip(attrs["begin"], attrs["size"], strides, strict=True)):
        x = np.take(x, begin + stride * np.arange(size, dtype=int), axis)
    return x


def gather(x: Array, indices: Array, attrs: Attrs) -> Array:
    """attrs axis, batch_dims, clip: an index outside gives zeros instead of an error."""
    batch, axis = attrs.get("batch_dims", 0), attrs["axis"] % x.ndim
    if batch:
        own = {**attrs, "batch_dims": batch - 1, "axis": axis - 1}
        return np.stack([gather(x[i], indices[i], own) for i in range(x.shape[0])])
    outside = (indices < 0) | (indices >= x.shape[axis])
    if outside.any() and not attrs.get("clip"):
        raise KernelError("an index is outside of its axis", where="gather", want=f"0..{x.shape[axis] - 1}")
    y = (
        np.take(x, np.where(outside, 0, indices), axis)
        if x.shape[axis]
        else np.zeros(x.shape[:axis] + indices.shape + x.shape[axis + 1 :], x.dtype)
    )
    mask = outside.reshape((1,) * axis + indices.shape + (1,) * (x.ndim - axis - 1))
    return np.where(mask, np.zeros((), x.dtype), y)


def scatter_add(u: Array, indices: Array, attrs: Attrs) -> Array:
    """The transpose of gather: zeros of attrs shape, rows of u added at indices along axis."""
    shape, batch = tuple(attrs["shape"]), attrs.get("batch_dims", 0)
    axis = attrs["axis"] % len(shape)
    y = np.zeros(shape, u.dtype)
    if batch:
        own = {**attrs, "batch_dims": batch - 1, "axis": axis - 1, "shape": shape[1:]}
        for i in range(shape[0]):
            y[i] = scatter_add(u[i], indices[i], own)
        return y
    inside = (indices >= 0) & (indices < shape[axis])
    if not inside.all() and not attrs.get("clip"):
        raise KernelError(
            "an index is outside of its axis", where="scatter_add", want=f"0..{shape[axis] - 1}"
        )
    rows = np.moveaxis(u.reshape(*shape[:axis], indices.size, *shape[axis + 1 :]), axis, 0)
    np.add.at(np.moveaxis(y, axis, 0), indices.ravel()[inside.ravel()], rows[inside.ravel()])
    return y


def squares(counter: int, seed: int, n: int) -> Array:
    """n uint32: Widynski 2020, Squares: A Fast Counter-Based RNG; the key is splitmix64 of the seed, made odd."""
    mask = (1 << 64) - 1
    key = ((seed & 0xFFFFFFFF) + 0x9E3779B97F4A7C15) & mask
    key = ((key ^ (key >> 30)) * 0xBF58476D1CE4E5B9) & mask
    key = ((key ^ (key >> 27)) * 0x94D049BB133111EB) & mask
    odd = np.uint64((key ^ (key >> 31)) | 1)
    with np.errstate(over="ignore"):
        x = (np.uint64((counter & 0xFFFFFFFF) << 32) + np.arange(n, dtype=np.uint64)) * odd
        y, z, half = x, x + odd, np.uint64(32)
        for step in (y, z, y):
            x = x * x + step
            x = (x >> half) | (x << half)
        return np.asarray(((x * x + z) >> half).astype(np.uint32))


def random(counter: Array, attrs: Attrs) -> Array:
    """attrs shape, kind uniform|normal|bernoulli, seed, alpha (chance of 1); draws 2i and 2i + 1 make element i."""
    shape = tuple(attrs["shape"])
    bits = squares(int(counter), int(attrs.get("seed", 0)), 2 * math.prod(shape))
    uniform = (bits >> np.uint32(8)).astype(np.float64) * 2.0**-24
    first, second = uniform[0::2].reshape(shape), uniform[1::2].reshape(shape)
    if attrs["kind"] == "normal":
        return np.asarray(np.sqrt(-2 * np.log(1 - first)) * np.cos(2 * np.pi * second))
    return first if attrs["kind"] == "uniform" else (first < np.float32(attrs["alpha"])).astype(np.float64)


def adam(inputs: Sequence[Array], attrs: Attrs) -> list[Array]:
    """weight, gradient, m, v, step_size, epsilon -> weight, m, v after one step."""
    weight, gradient, m, v, step_size, epsilon = inputs
    m = m + (gradient - m) * (1 - attrs["beta_1"])
    v = v + (gradient**2 - v) * (1 - attrs["beta_2"])
    return [weight - m * step_size / (np.sqrt(v) + epsilon), m, v]


def _one(function: Callable[..., Array]) -> Callable[[Sequence[Array], Attrs], list[Array]]:
    return lambda inputs, attrs: [function(*inputs, attrs)]


OPS: dict[str, Callable[[Sequence[Array], Attrs], list[Array]]] = {
    "elementwise": chain,
    "matmul": lambda i, a: [matmul(i, a)],
    "conv2d": lambda i, a: [_finish(windows.conv2d(i[0], i[1], a), i[2:], a)],
    "depthwise_conv2d": lambda i, a: [_finish(windows.depthwise_conv2d(i[0], i[1], a), i[2:], a)],
    "conv2d_input_grad": _one(windows.conv2d_input_grad),
    "conv2d_filter_grad": _one(windows.conv2d_filter_grad),
    "depthwise_conv2d_input_grad": _one(windows.depthwise_conv2d_input_grad),
    "depthwise_conv2d_filter_grad": _one(windows.depthwise_conv2d_filter_grad),
    "pool2d": _one(windows.pool2d),
    "pool2d_grad": _one(windows.pool2d_grad),
    "reduce": _one(reduce),
    "arg_reduce": _one(arg_reduce),
    "cumulate": _one(cumulate),
    "softmax": lambda i, a: [softmax(i[0], False)],
    "log_softmax": lambda i, a: [softmax(i[0], True)],
    "normalize": lambda i, a: [normalize(i, a)],
    "top_k": lambda i, a: top_k(i[0], a),
    "reshape": lambda i, a: [i[0].reshape(a["shape"])],
    "transpose": lambda i, a: [np.transpose(i[0], a["perm"])],
    "slice": _one(slice_),
    "pad": lambda i, a: [np.pad(i[0], a["paddings"], constant_values=a.get("value", 0))],
    "concat": lambda i, a: [np.concatenate(list(i), a["axis"])],
    "broadcast_to": lambda i, a: [np.broadcast_to(i[0], a["shape"])],
    "gather": _one(gather),
    "scatter_add": _one(scatter_add),
    "resize": _one(windows.resize),
    "resize_grad": _one(windows.resize_grad),
    "random": _one(random),
    "adam": lambda i, a: adam(i, a),
    "scan": lambda i, a: scan(i, a),
    "cond": lambda i, a: _call(a["then_branch"] if bool(i[0]) else a["else_branch"], list(i[1:])),
    "while": lambda i, a: loop(i, a),
}


def _call(body: Graph, arguments: Sequence[Array]) -> list[Array]:
    """Run a subgraph, inputs and outputs in dict order."""
    outputs = evaluate(body, dict(zip(body.inputs, arguments, strict=True)))
    return list(outputs.values())


def scan(inputs: Sequence[Array], attrs: Attrs) -> list[Array]:
    """Last carries, then the rows stacked; see graph/shapes.scan."""
    n_scan, n_carry, length = attrs["n_scan"], attrs["n_carry"], attrs["length"]
    carries, fixed = list(inputs[n_scan : n_scan + n_carry]), list(inputs[n_scan + n_carry :])
    specs = [attrs["body"].specs[value] for value in list(attrs["body"].outputs.values())[n_carry:]]
    rows = [np.zeros((length, *spec.shape), TYPES[spec.dtype]) for spec in specs]
    for t in reversed(range(length)) if attrs.get("reverse") else range(length):
        results = _call(attrs["body"], [*(x[t] for x in inputs[:n_scan]), *carries, *fixed])
        carries = results[:n_carry]
        for row, result in zip(rows, results[n_carry:], strict=True):
            row[t] = result
    return [*carries, *rows]


def loop(inputs: Sequence[Array], attrs: Attrs, max_steps: int = 1_000_000) -> list[Array]:
    """while: carries, changed by body as long as cond says so."""
    carries, fixed = list(inputs[: attrs["n_carry"]]), list(inputs[attrs["n_carry"] :])
    for _ in range(max_steps):
        if not bool(_call(attrs["cond"], [*carries, *fixed])[0]):
            return carries
        carries = _call(attrs["body"], [*carries, *fixed])
    raise KernelError("a loop does not end", where="while", got=max_steps)


def apply(op: str, inputs: Sequence[Array], attrs: Attrs, host: Host | None = None) -> list[Array]:
    """One op. inputs: float64, int32 or bool arrays. `host(attrs, inputs)` runs host steps."""
    with np.errstate(all="ignore"):
        if op in OPS:
            return OPS[op](inputs, attrs)
        if op != "host":
            return [np.asarray(elementwise(op, inputs, attrs))]
    if host is None:
        raise GraphError("host steps need a host function", where="reference", got=attrs.get("function"))
    return host(attrs, list(inputs))


def evaluate_values(
    graph: Graph,
    inputs: Mapping[str, Any],
    variables: Mapping[str, Any] | None = None,
    host: Host | None = None,
) -> dict[int, Array]:
    """Every value of the graph by id; variables: weight name -> array, instead of the graph's own."""
    values: dict[int, Array] = {}
    for value, tensor in graph.constants.items():
        data = (variables or {}).get(graph.variables.get(value, ""), np.asarray(tensor))
        values[value] = np.asarray(data).astype(TYPES[tensor.dtype]).reshape(tensor.shape)
    for name, value in graph.inputs.items():
        spec = graph.specs[value]
        values[value] = np.asarray(inputs[name]).astype(TYPES[spec.dtype]).reshape(spec.shape)
    for node in graph.nodes:
        values.update(_evaluate_node(graph, node, values, host))
    return values


def _evaluate_node(
    graph: Graph, node: Node, values: Mapping[int, Array], host: Host | None
) -> dict[int, Array]:
    results = apply(node.op, [values[i] for i in node.inputs], node.attrs, host)
    typed = {}
    for value, result in zip(node.outputs, results, strict=True):
        spec = graph.specs[value]
        if node.op != "host" and result.shape != spec.shape:
            raise GraphError(
                "the truth has another shape", where=node.where or node.op, got=result.shape, want=spec.shape
            )
        typed[value] = result.astype(TYPES[spec.dtype])
    return typed


def evaluate(
    graph: Graph,
    inputs: Mapping[str, Any],
    variables: Mapping[str, Any] | None = None,
    host: Host | None = None,
) -> dict[str, Array]:
    """name -> output array; float32 values come back as float64, so finite differences are possible."""
    values = evaluate_values(graph, inputs, variables, host)
    return {name: values[value] for name, value in graph.outputs.items()}
