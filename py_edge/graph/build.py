"""The builder: lowering code calls it op by op; each call checks and infers the shape at once.

`b.add(x, y)` and `b.op("matmul", a, w, transpose_b=True)` return value ids; every row of the op table is a method.
Numbers may stand where a value is expected and become float32 (or, beside an int32 value, int32) constants.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from py_edge.errors import GraphError, PyEdgeError
from py_edge.graph.graph import Graph, Node, Spec
from py_edge.graph.ops import OPS
from py_edge.tensor import Tensor


class _Call(Protocol):
    def __call__(self, *inputs: int | float, **attrs: Any) -> int: ...


class Builder:
    """Grows one Graph. `where` names the layer or node that is being lowered, for errors."""

    def __init__(self, graph: Graph | None = None) -> None:
        self.graph = graph or Graph()
        self.where = ""
        self._scalars: dict[tuple[float, str], int] = {}
        self._variables = {name: value for value, name in self.graph.variables.items()}

    def _value(self, spec: Spec) -> int:
        self.graph.specs.append(spec)
        return len(self.graph.specs) - 1

    def input(self, name: str, shape: Sequence[int], dtype: str = "float32") -> int:
        if name in self.graph.inputs:
            raise GraphError("two inputs of one name", where=self.where, got=name)
        value = self._value(Spec(tuple(shape), dtype))
        self.graph.inputs[name] = value
        return value

    def output(self, name: str, value: int) -> None:
        if name in self.graph.outputs:
            raise GraphError("two outputs of one name", where=self.where, got=name)
        self.graph.outputs[name] = value

    def constant(self, tensor: Any, dtype: str | None = None) -> int:
        """A constant from a Tensor, an array or nested lists."""
        tensor = Tensor.of(tensor, dtype)
        value = self._value(Spec(tensor.shape, tensor.dtype))
        self.graph.constants[value] = tensor
        return value

    def scalar(self, number: float, dtype: str = "float32") -> int:
        """A shape () constant; equal ones are shared."""
        key = (float(number), dtype)
        if key not in self._scalars:
            self._scalars[key] = self.constant(Tensor.from_flat([number], (), dtype))
        return self._scalars[key]

    def variable(self, name: str, tensor: Tensor) -> int:
        """A weight; the same name gives the same value, so shared layers share it."""
        if name not in self._variables:
            value = self.constant(tensor)
            self.graph.variables[value] = name
            self._variables[name] = value
        return self._variables[name]

    def spec(self, value: int) -> Spec:
        return self.graph.specs[value]

    def shape(self, value: int) -> tuple[int, ...]:
        return self.graph.specs[value].shape

    def dtype(self, value: int) -> str:
        return self.graph.specs[value].dtype

    def rank(self, value: int) -> int:
        return len(self.graph.specs[value].shape)

    def ops(self, name: str, *inputs: int | float, **attrs: Any) -> tuple[int, ...]:
        """Add a node of core op `name`; returns all its output ids.

        Python floats among inputs become scalar constants (ints are value ids).
        """
        if name not in OPS:
            raise GraphError("unknown core op", where=self.where, got=name)
        dtype = next((self.dtype(v) for v in inputs if isinstance(v, int)), "float32")
        ids = tuple(
            v if isinstance(v, int) else self.scalar(v, "int32" if dtype == "int32" else "float32")
            for v in inputs
        )
        try:
            specs = OPS[name].shape([self.graph.specs[value] for value in ids], attrs)
        except PyEdgeError as error:
            error.where = error.where or self.where or name
            raise
        outputs = tuple(self._value(spec) for spec in specs)
        self.graph.nodes.append(Node(name, ids, outputs, attrs, self.where))
        return outputs

    def op(self, name: str, *inputs: int | float, **attrs: Any) -> int:
        """Add a node with one output and return its id."""
        return self.ops(name, *inputs, **attrs)[0]

    def __getattr__(self, name: str) -> _Call:
        if name.startswith("_") or name not in OPS:
            raise AttributeError(name)
        return lambda *inputs, **attrs: self.op(name, *inputs, **attrs)
