"""Small values computed while lowering: shapes, indices, loop counters, strings. Core ops on flat Python lists.

A value is static when it depends on constants only. Nothing here is fast; nothing here is large.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from typing import Any

from py_edge.errors import UnsupportedError
from py_edge.graph import Graph, Node, Spec
from py_edge.graph.shapes import axis_of
from py_edge.tensor import Tensor, count

LARGEST = 1 << 14
Flat = list[Any]


def _wrap(value: int) -> int:
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


def _f32(value: float) -> float:
    return array("f", [value])[0]


def _divide(a: float, b: float) -> float:
    if b == 0:
        return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1, b)
    return a / b


def _mod(a: Any, b: Any) -> Any:
    return (0 if isinstance(b, int) else math.nan) if b == 0 else a % b


def _truncated(a: Any, b: Any) -> Any:
    if b == 0:
        return 0 if isinstance(b, int) else math.nan
    return math.fmod(a, b) if isinstance(a, float) else a - b * int(a / b)


def _integer_divide(a: int, b: int) -> int:
    return 0 if b == 0 else -(-a // b) if (a < 0) != (b < 0) else a // b


_UNARY: dict[str, Callable[[Any], Any]] = {
    "neg": lambda x: -x, "abs": abs, "sign": lambda x: (x > 0) - (x < 0), "floor": math.floor, "ceil": math.ceil,
    "round": round, "sqrt": lambda x: math.sqrt(x) if x >= 0 else math.nan, "square": lambda x: x * x,
    "exp": lambda x: math.exp(x) if x < 700 else math.inf, "log": lambda x: math.log(x) if x > 0 else -math.inf,
    "reciprocal": lambda x: _divide(1.0, x), "rsqrt": lambda x: _divide(1.0, math.sqrt(x)) if x >= 0 else math.nan,
    "logical_not": lambda x: not x, "relu": lambda x: max(x, 0), "sin": math.sin, "cos": math.cos,
    "is_nan": math.isnan, "is_inf": math.isinf, "is_finite": math.isfinite, "tanh": math.tanh,
}  # fmt: skip
_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "maximum": max, "minimum": min,
    "mod": _mod, "truncated_mod": _truncated, "pow": lambda a, b: a**b, "squared_difference": lambda a, b: (a - b) ** 2,
    "equal": lambda a, b: a == b, "not_equal": lambda a, b: a != b, "less": lambda a, b: a < b,
    "less_equal": lambda a, b: a <= b, "greater": lambda a, b: a > b, "greater_equal": lambda a, b: a >= b,
    "logical_and": lambda a, b: bool(a and b), "logical_or": lambda a, b: bool(a or b),
    "logical_xor": lambda a, b: bool(a) != bool(b), "bit_and": lambda a, b: a & b, "bit_or": lambda a, b: a | b,
    "bit_xor": lambda a, b: a ^ b, "shift_left": lambda a, b: a << (b & 31), "shift_right": lambda a, b: a >> (b & 31),
}  # fmt: skip


def _div(a: Any, b: Any) -> Any:
    return _integer_divide(a, b) if isinstance(a, int) else _divide(a, b)


def _floor_div(a: Any, b: Any) -> Any:
    return (0 if b == 0 else a // b) if isinstance(a, int) else math.floor(_divide(a, b))


_BINARY |= {"div": _div, "floor_div": _floor_div}
_REDUCE: dict[str, Callable[[Flat], Any]] = {
    "sum": sum, "prod": math.prod, "max": max, "min": min, "any": any, "all": all,
    "mean": lambda v: sum(v) / len(v) if v else math.nan,
}  # fmt: skip


def places(shape: Sequence[int]) -> list[int]:
    """Row-major strides."""
    steps, step = [], 1
    for size in reversed(shape):
        steps.append(step)
        step *= size
    return steps[::-1]


def walk(shape: Sequence[int], steps: Sequence[int], start: int = 0) -> list[int]:
    """Flat offsets of every element of a strided view, row-major."""
    offsets = [start]
    for size, step in zip(shape, steps, strict=True):
        offsets = [o + i * step for o in offsets for i in range(size)]
    return offsets


def _spread(values: Flat, shape: tuple[int, ...], out: tuple[int, ...]) -> Flat:
    if shape == out:
        return values
    steps = [0] * (len(out) - len(shape)) + [
        0 if d == 1 else s for d, s in zip(shape, places(shape), strict=True)
    ]
    return [values[o] for o in walk(out, steps)]


def _elementwise(node: Node, args: list[Flat], specs: list[Spec], out: Spec) -> Flat | None:
    if node.op not in ("cast", "select", *_UNARY, *_BINARY):
        return None
    spread = [_spread(v, s.shape, out.shape) for v, s in zip(args, specs, strict=True)]
    if node.op == "cast":
        return [
            bool(v) if out.dtype == "bool" else int(v) if out.dtype == "int32" else float(v)
            for v in spread[0]
        ]
    if node.op == "select":
        return [a if c else b for c, a, b in zip(*spread, strict=True)]
    if node.op in _UNARY and not node.attrs.get("alpha"):
        return [_UNARY[node.op](v) for v in spread[0]]
    if node.op in _BINARY:
        return [_BINARY[node.op](a, b) for a, b in zip(*spread, strict=True)]
    return None


def _moved(node: Node, args: list[Flat], specs: list[Spec], out: Spec) -> Flat | None:
    attrs, x, shape = node.attrs, args[0], specs[0].shape
    if node.op == "reshape":
        return x
    if node.op == "broadcast_to":
        return _spread(x, shape, out.shape)
    if node.op == "transpose":
        steps = places(shape)
        return [x[o] for o in walk(out.shape, [steps[i] for i in attrs["perm"]])]
    if node.op == "slice":
        steps = places(shape)
        start = sum(b * s for b, s in zip(attrs["begin"], steps, strict=True))
        strides = attrs.get("strides") or (1,) * len(shape)
        return [x[o] for o in walk(out.shape, [k * s for k, s in zip(strides, steps, strict=True)], start)]
    if node.op == "pad":
        result = [attrs.get("value", 0)] * out.size
        steps = places(out.shape)
        start = sum(before * s for (before, _), s in zip(attrs["paddings"], steps, strict=True))
        for value, offset in zip(x, walk(shape, steps, start), strict=True):
            result[offset] = value
        return result
    if node.op == "concat":
        axis = axis_of(attrs["axis"], len(shape))
        rows = count(shape[:axis])
        widths = [s.size // rows if rows else 0 for s in specs]
        return [
            v
            for r in range(rows)
            for part, w in zip(args, widths, strict=True)
            for v in part[r * w : (r + 1) * w]
        ]
    if node.op == "gather" and not attrs.get("batch_dims"):
        axis = axis_of(attrs["axis"], len(shape))
        inner, n = count(shape[axis + 1 :]), shape[axis]
        fill: Any = b"" if specs[0].dtype == "string" else 0
        return [
            x[(o * n + i) * inner + k] if 0 <= i < n else fill
            for o in range(count(shape[:axis])) for i in args[1] for k in range(inner)
        ]  # fmt: skip
    return None


def _reduced(node: Node, args: list[Flat], specs: list[Spec]) -> Flat | None:
    x, shape = args[0], specs[0].shape
    steps = places(shape)
    if node.op == "reduce":
        over = {axis_of(a, len(shape)) for a in node.attrs["axes"]}
        kept = [i for i in range(len(shape)) if i not in over]
        inside = walk([shape[i] for i in sorted(over)], [steps[i] for i in sorted(over)])
        if not inside and node.attrs["kind"] in ("max", "min"):
            return None
        return [
            _REDUCE[node.attrs["kind"]]([x[o + i] for i in inside])
            for o in walk([shape[i] for i in kept], [steps[i] for i in kept])
        ]
    if node.op == "cumulate" and node.attrs.get("kind") in ("sum", "prod"):
        axis = axis_of(node.attrs["axis"], len(shape))
        result = list(x)
        order = range(shape[axis])[::-1] if node.attrs.get("reverse") else range(shape[axis])
        others = [i for i in range(len(shape)) if i != axis]
        for start in walk([shape[i] for i in others], [steps[i] for i in others]):
            total: Any = 0 if node.attrs["kind"] == "sum" else 1
            for i in order:
                here = x[start + i * steps[axis]]
                after = total + here if node.attrs["kind"] == "sum" else total * here
                result[start + i * steps[axis]] = total if node.attrs.get("exclusive") else after
                total = after
        return result
    return None


def compute(node: Node, args: list[Flat], specs: list[Spec], out: Spec) -> Flat | None:
    """The first output of a node on flat lists, or None where this file does not know the op."""
    result = _elementwise(node, args, specs, out)
    result = _moved(node, args, specs, out) if result is None else result
    result = _reduced(node, args, specs) if result is None else result
    if result is None:
        return None
    if out.dtype == "int32":
        return [_wrap(int(v)) for v in result]
    return [_f32(v) for v in result] if out.dtype == "float32" else result


class StaticValues:
    """Static values of one growing graph, each computed once.

    known: also takes values that are known otherwise, like strings.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.known: dict[int, Flat] = {}
        self._makers: dict[int, Node] = {}
        self._seen = 0

    def of(self, value: int) -> Flat | None:
        """The elements of a value, row-major; None when it depends on inputs or is too large."""
        waiting = [value]
        while waiting:
            at = waiting[-1]
            if at in self.known or self._leaf(at):
                waiting.pop()
                continue
            node = self._maker(at)
            if node is None or self.graph.specs[at].size > LARGEST or len(node.outputs) > 1:
                return None
            missing = [v for v in node.inputs if v not in self.known and not self._leaf(v)]
            if missing:
                if any(self._maker(v) is None for v in missing):
                    return None
                waiting += missing
                continue
            args = [self.known[v] for v in node.inputs]
            try:
                result = compute(node, args, [self.graph.specs[v] for v in node.inputs], self.graph.specs[at])
            except (ValueError, OverflowError, ArithmeticError) as error:
                raise UnsupportedError(
                    "a shape cannot be computed", where=node.where, got=str(error)
                ) from error
            if result is None:
                return None
            self.known[at] = result
            waiting.pop()
        return self.known[value]

    def _leaf(self, value: int) -> bool:
        tensor = self.graph.constants.get(value)
        if tensor is None or tensor.size > LARGEST:
            return False
        self.known[value] = [bool(v) for v in tensor.flat] if tensor.dtype == "bool" else list(tensor.flat)
        return True

    def _maker(self, value: int) -> Node | None:
        for node in self.graph.nodes[self._seen :]:
            self._makers.update(dict.fromkeys(node.outputs, node))
        self._seen = len(self.graph.nodes)
        return self._makers.get(value)


def to_tensor(values: Flat, spec: Spec) -> Tensor:
    return Tensor.from_flat(values, spec.shape, spec.dtype)
