"""One recorded call of a TF.js kernel while it is lowered: its inputs and attributes, and graph ops on values at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from py_edge.errors import UnsupportedError
from py_edge.graph import Builder
from py_edge.tfjs.call import Call, Run
from py_edge.tfjs.idioms import axes
from py_edge.tfjs.tf_graph import TfNode
from py_edge.tfjs.tf_ops.table import OPS
from py_edge.tfjs.trace import Trace, Value

FlowBack = Callable[[Builder, dict[int, int], Iterable[int]], dict[int, int]]
Result = Value | list[Value]


@dataclass(slots=True)
class Kernel:
    """One recorded call while it is lowered. inputs: values by TF.js's names, in its order; lists and None as they are."""

    name: str
    trace: Trace
    inputs: dict[str, Any]
    attrs: dict[str, Any]
    flow: FlowBack | None = None

    @property
    def b(self) -> Builder:
        return self.trace.b

    @property
    def all(self) -> list[Any]:
        return list(self.inputs.values())

    @property
    def x(self) -> int:
        return int(self.all[0])

    def op(self, op: str, *values: Value, **attrs: Any) -> Result:
        """Lower one graph op on values that are there."""
        if op not in OPS:
            raise UnsupportedError("no row for this kernel", where=self.name)
        node = TfNode("kernel", op, [], [], {k: v for k, v in attrs.items() if v is not None}, self.name)
        return OPS[op](Call(Run(self.trace, {}, {}, OPS), node, list(values)))

    def one(self, op: str, *values: Value, **attrs: Any) -> int:
        result = self.op(op, *values, **attrs)
        result = result[0] if isinstance(result, list) else result
        assert isinstance(result, int)
        return result

    def whole(self, value: Any) -> int:
        """An attribute as an int32 input: a number or a list of any depth, flattened."""
        if isinstance(value, int):
            return self.trace.constant([value], ())
        flat = [v for item in value for v in (item if isinstance(item, list) else [item])]
        return self.trace.constant(flat)

    def number(self, value: float, dtype: str = "float32") -> int:
        return self.trace.constant([value], (), dtype)

    def zeros(self, shape: Sequence[int]) -> int:
        return axes.full(self.b, shape, 0.0)

    def back(self, y: int, of: int, dy: int) -> int:
        """What flows back to `of` when dy flows into y."""
        if self.flow is None:
            raise UnsupportedError("gradients are not handed in", where=self.name)
        found = self.flow(self.b, {y: dy}, [of])
        return found.get(of, self.zeros(self.b.shape(of)))


Row = Callable[[Kernel], Result]


def same(op: str) -> Row:
    return lambda k: k.op(op, *k.all)


def with_ints(op: str, *names: str) -> Row:
    """Attributes that the graph op takes as further inputs."""
    return lambda k: k.op(op, *k.all, *(k.whole(k.attrs[name]) for name in names))


def with_attrs(op: str, **names: str) -> Row:
    """Attributes under another spelling."""
    return lambda k: k.op(op, *k.all, **{name: k.attrs.get(spelt) for name, spelt in names.items()})


def plain_id(k: Kernel) -> int:
    """The first input's id, the real part's where it is complex."""
    value = k.all[0]
    return value if isinstance(value, int) else value.real
