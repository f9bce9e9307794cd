"""Random elementwise chains and single functions over their whole range."""

from __future__ import annotations

from typing import Any

import numpy as np

from py_edge.kernels import reference_elementwise as reference
from tests.kernels.cases import Array, Case, Rng, padded, quiet

UNARY = [
    "copy",
    "neg",
    "abs",
    "sign",
    "floor",
    "ceil",
    "round",
    "sqrt",
    "rsqrt",
    "reciprocal",
    "square",
    "exp",
    "expm1",
    "log",
    "log1p",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "erf",
    "sigmoid",
    "softplus",
    "softsign",
    "relu",
    "relu6",
    "elu",
    "selu",
    "leaky_relu",
    "hard_sigmoid",
    "hard_swish",
    "swish",
    "gelu",
    "gelu_tanh",
    "mish",
    "step",
]
FLOAT = [
    "add",
    "sub",
    "mul",
    "div",
    "floor_div",
    "mod",
    "truncated_mod",
    "maximum",
    "minimum",
    "pow",
    "atan2",
    "squared_difference",
    "div_no_nan",
    "prelu",
    "equal",
    "not_equal",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "is_nan",
    "is_inf",
    "is_finite",
]
INTEGER = [
    "add",
    "sub",
    "mul",
    "div",
    "floor_div",
    "mod",
    "truncated_mod",
    "maximum",
    "minimum",
    "pow",
    "squared_difference",
    "bit_and",
    "bit_or",
    "bit_xor",
    "shift_left",
    "shift_right",
    "neg",
    "abs",
    "sign",
    "square",
    "equal",
    "not_equal",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "logical_not",
]
SELECT, CONST, F2I, I2F, F2B, I2B = range(124, 130)
TYPES = {"float32": (0, np.float32), "int32": (1, np.int32), "bool": (2, np.uint8)}
COMPARE = [
    "equal",
    "not_equal",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "is_nan",
    "is_inf",
    "is_finite",
    "logical_not",
]


def special(rng: Rng, shape: tuple[int, ...], scale: float = 3.0) -> Array:
    """Normal numbers with some that are zero, whole, huge, infinite or no numbers."""
    x = rng.normal(0, scale, shape).astype(np.float32)
    odd = np.array(
        [0, -0.0, 1, -1, 0.5, 2, -2, 30, -30, 100, -100, 1e30, -1e30, np.inf, -np.inf, np.nan, 1e-30],
        np.float32,
    )
    return np.where(rng.random(shape) < 0.2, rng.choice(odd, shape), x).astype(np.float32)


def strides_of(shape: tuple[int, ...], full: tuple[int, ...]) -> list[int]:
    """Element strides of a contiguous `shape` broadcast to `full`."""
    own = [1] * (len(full) - len(shape)) + list(shape)
    steps: Any = np.cumprod([1, *own[:0:-1]])[::-1] if own else []
    return [0 if d == 1 else int(s) for d, s in zip(own, steps, strict=True)]


def random_broadcast(rng: Rng, shape: tuple[int, ...]) -> tuple[int, ...]:
    cut = int(rng.integers(0, len(shape) + 1)) if rng.random() < 0.3 else 0
    return tuple(1 if rng.random() < 0.25 else d for d in shape[cut:])


def random_shape(rng: Rng) -> tuple[int, ...]:
    rank = int(rng.integers(0, 5))
    return tuple(int(rng.integers(1, 70 if rank < 3 else 9)) for _ in range(rank))


def _input(case: Case, x: Array, kind: str, full: tuple[int, ...]) -> list[Any]:
    number, dtype = TYPES[kind]
    return [case.put(x, dtype), number, padded(strides_of(x.shape, full))]


def unary(rng: Rng, panel: int, name: str) -> Case:
    """One function over special and plain numbers, away from where float32 itself is hopeless."""
    x = special(rng, random_shape(rng))
    if name in ("sin", "cos", "tan"):
        x = np.where(np.abs(x) > 1e6, np.float32(1), x).astype(np.float32)
    alpha = float(np.float32(rng.uniform(0, 1)))
    case = Case(f"unary {name}", panel)
    with quiet():
        wide = x.astype(np.float64)
        want = wide if name == "copy" else np.asarray(reference.elementwise(name, [wide], {"alpha": alpha}))
        dst = case.result(want, relative=2e-6, name=name)
    code = [UNARY.index(name), 1, 0, alpha, -1]
    case.step(
        "elementwise",
        x.ndim,
        padded(x.shape),
        1,
        1,
        1,
        2,
        _input(case, x, "float32", x.shape),
        [dst, 0, 1],
        code,
    )
    return case


def _binary(rng: Rng, panel: int, name: str, kind: str, x: Array, y: Array, opcode: int) -> Case:
    full = np.broadcast_shapes(x.shape, y.shape)
    case = Case(f"binary {kind} {name}", panel)
    wide = np.float64 if kind == "float32" else np.bool_ if name == "logical_not" else np.int32
    operands: list[Any] = [x.astype(wide), y.astype(wide)]
    one = name in ("is_nan", "is_inf", "is_finite", "neg", "abs", "sign", "square", "logical_not")
    with quiet():
        want = np.broadcast_to(reference.elementwise(name, operands[:1] if one else operands, {}), full)
    out = "bool" if name in COMPARE else kind
    dst = case.result(want, TYPES[out][1], 2e-6, name=name)
    case.step(
        "elementwise", len(full), padded(full), 2, 1, 1, 3,
        _input(case, x, kind, full), _input(case, y, kind, full), [dst, TYPES[out][0], 2], [opcode, 2, 0, 1, -1],
    )  # fmt: skip
    return case


def float_binary(rng: Rng, panel: int, name: str) -> Case:
    full = random_shape(rng)
    x, y = special(rng, random_broadcast(rng, full)), special(rng, random_broadcast(rng, full))
    if name in ("mod", "truncated_mod"):
        # Only where the quotient is below 2^29 (functions.h); and a zero result has no sign to speak of.
        with quiet():
            full = np.broadcast_shapes(x.shape, y.shape)
            bad = np.abs(np.broadcast_to(x / y, full)) > 2**28
        if bad.any():
            x, y = np.clip(np.nan_to_num(x), -1e3, 1e3), np.where(np.abs(y) < 1e-3, np.float32(1), y)
    if name == "floor_div":
        x, y = np.round(np.clip(np.nan_to_num(x), -100, 100)), np.where(rng.random(y.shape) < 0.5, 2.0, 0.25)
    if name == "pow":
        x, y = np.clip(x, -50, 50), np.clip(y, -9, 9)
    return _binary(rng, panel, name, "float32", x, y, 64 + FLOAT.index(name))


def int_binary(rng: Rng, panel: int, name: str) -> Case:
    full = random_shape(rng)
    odd = np.array([0, 1, -1, 2, -2, 31, 2**31 - 1, -(2**31)])
    x, y = (
        np.where(rng.random(s) < 0.3, rng.choice(odd, s), rng.integers(-100, 100, s)).astype(np.int32)
        for s in (random_broadcast(rng, full), random_broadcast(rng, full))
    )
    if name == "logical_not":
        x = (x > 0).astype(np.int32)
    if name == "pow":
        y = np.clip(y, -3, 40)
    return _binary(rng, panel, name, "int32", x, y, 96 + INTEGER.index(name))


def cast(rng: Rng, panel: int) -> Case:
    x = special(rng, random_shape(rng), 1000)
    case = Case("casts", panel)
    whole = reference.cast(x.astype(np.float64), "int32")
    back, truth = whole.astype(np.float32), x != 0
    results = [
        [case.result(whole, np.int32), 1, 1], [case.result(back), 0, 2],
        [case.result(truth, np.uint8), 2, 3], [case.result(whole != 0, np.uint8), 2, 4],
    ]  # fmt: skip
    code = [[F2I, 1, 0, -1, -1], [I2F, 2, 1, -1, -1], [F2B, 3, 0, -1, -1], [I2B, 4, 1, -1, -1]]
    case.step(
        "elementwise", x.ndim, padded(x.shape), 1, 4, 4, 5, _input(case, x, "float32", x.shape), results, code
    )
    return case


def select(rng: Rng, panel: int) -> Case:
    full = random_shape(rng)
    c = (rng.random(random_broadcast(rng, full)) < 0.5).astype(np.uint8)
    a, b = special(rng, random_broadcast(rng, full)), special(rng, random_broadcast(rng, full))
    full = np.broadcast_shapes(a.shape, b.shape, c.shape)
    case = Case("select", panel)
    dst = case.result(np.broadcast_to(np.where(c != 0, a, b), full))
    inputs = [
        _input(case, a, "float32", full),
        _input(case, b, "float32", full),
        _input(case, c, "bool", full),
    ]
    case.step("elementwise", len(full), padded(full), 3, 1, 1, 4, inputs, [dst, 0, 3], [SELECT, 3, 0, 1, 2])
    return case


def chain(rng: Rng, panel: int) -> Case:
    """A random chain with several inputs, constants and outputs, one of them perhaps in place."""
    full = random_shape(rng)
    n_in = int(rng.integers(1, 4))
    inputs = [rng.normal(size=full if i == 0 else random_broadcast(rng, full)) for i in range(n_in)]
    inputs = [x.astype(np.float32) for x in inputs]
    case = Case("chain", panel)
    values: list[Array] = [np.broadcast_to(x, full).astype(np.float64) for x in inputs]
    code: list[Any] = []
    names = ["add", "sub", "mul", "maximum", "minimum", "tanh", "sigmoid", "relu", "abs", "const"]
    registers = int(rng.integers(n_in + 1, 9))
    held: dict[int, int] = {i: i for i in range(n_in)}
    for _ in range(int(rng.integers(1, 9))):
        name = str(rng.choice(names))
        reg, a, b = int(rng.integers(0, registers)), int(rng.choice(list(held))), int(rng.choice(list(held)))
        if name == "const":
            number = np.float32(rng.normal())
            values.append(np.full(full, float(number)))
            code.append([CONST, reg, float(number), -1, -1])
        elif name in UNARY:
            values.append(np.asarray(reference.elementwise(name, [values[held[a]]], {})))
            code.append([UNARY.index(name), reg, a, 0.0, -1])
        else:
            values.append(np.asarray(reference.elementwise(name, [values[held[a]], values[held[b]]], {})))
            code.append([64 + FLOAT.index(name), reg, a, b, -1])
        held[reg] = len(values) - 1
    places = [_input(case, x, "float32", full) for x in inputs]
    outputs = []
    for reg in list(held)[: int(rng.integers(1, 3))]:
        outputs.append([case.result(values[held[reg]]), 0, reg])
    last = code[-1][1]
    case.expect(places[0][0], values[held[last]].astype(np.float32), name="in place")
    outputs.append([places[0][0], 0, last])
    case.step(
        "elementwise",
        len(full),
        padded(full),
        n_in,
        len(outputs),
        len(code),
        registers,
        places,
        outputs,
        code,
    )
    return case
