"""Running a TensorFlow graph symbolically: each node adds core ops to one growing graph, or acts at once.

Numbers are value ids of the builder. Lists of tensors, tables and complex numbers are Python values around ids. What
depends on data (a count, a branch, a string) is an Event: the value is computed so far, and lowering goes on with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from py_edge.errors import GraphError, UnsupportedError
from py_edge.graph import Builder, Spec
from py_edge.tensor import Tensor
from py_edge.tfjs.static_values import Flat, StaticValues
from py_edge.tfjs.tf_graph import Function
from py_edge.tfjs.weights import Complex, Strings, Weight


@dataclass(frozen=True, slots=True)
class Cplx:
    """Ids of real and imaginary part."""

    real: int
    imag: int


@dataclass(frozen=True, slots=True)
class TensorList:
    """A TensorList or the flow of a TensorArray. items: ids, rows of a stack (control_flow.Row), None where nothing
    was written; shape: that of an element, as far as known."""

    items: tuple[object, ...]
    shape: tuple[int | None, ...] | None
    dtype: str


@dataclass(slots=True)
class Table:
    """A hash table: filled once by the initialiser, then only read."""

    entries: dict[Any, Any] = field(default_factory=dict)


class Dead:
    """The side of a conditional that is not taken."""


DEAD = Dead()
Value = int | Cplx | TensorList | Table | Dead


def ids_of(value: Value) -> list[int]:
    """The ids within a value."""
    if isinstance(value, int):
        return [value]
    return [value.real, value.imag] if isinstance(value, Cplx) else []


Host = Callable[[list[Any]], list[Any]]
"""Python work on concrete values: Tensors or Strings in, the same out."""


class Events(Protocol):
    """What a trace asks of the world when data decides. See recorder.py; a purely static lowering refuses both."""

    def value(self, trace: Trace, id_: int) -> Flat:
        """The elements of a value that depends on inputs."""
        ...

    def host(self, trace: Trace, name: str, function: Host, inputs: list[int]) -> list[int]:
        """Run `function` on concrete inputs; its results as new values whose shapes are now known."""
        ...


class Pulling(Protocol):
    """A graph that is being pulled, see call.Run."""

    def waited_for(self) -> list[Value]:
        """Values at hand that a node still to come, or the caller, reads."""
        ...


class NoEvents:
    """Inside bodies of loops, and where one static graph is wanted."""

    def value(self, trace: Trace, id_: int) -> Flat:
        raise DataDependent("the graph depends on data here", where=trace.b.where)

    def host(self, trace: Trace, name: str, function: Host, inputs: list[int]) -> list[int]:
        raise DataDependent(f"{name} depends on data", where=trace.b.where)


class DataDependent(UnsupportedError):
    """A static graph cannot say this; run the model with a session."""


@dataclass(slots=True)
class Shared:
    """What all traces of one model share: functions, weights, tables by resource name, the seed of random ops."""

    functions: Mapping[str, Function]
    weights: Mapping[str, Weight]
    tables: dict[Any, Table] = field(default_factory=dict)
    concrete: set[str] = field(default_factory=set)
    draws: int = 0


class Trace:
    """One builder and everything known about its values."""

    def __init__(self, b: Builder, shared: Shared, events: Events) -> None:
        self.b, self.shared, self.events = b, shared, events
        self.static_values = StaticValues(b.graph)
        self.runs: list[Pulling] = []

    # constants and what is known

    def ints(self, id_: int) -> list[int]:
        """The elements as whole numbers; data decides where they are not static."""
        return [int(v) for v in self.known(id_)]

    def known(self, id_: int) -> Flat:
        found = self.static(id_)
        return self.events.value(self, id_) if found is None else found

    def static(self, id_: int) -> Flat | None:
        return self.static_values.of(id_)

    def weight(self, name: str, where: str) -> Value:
        """A Const node's value."""
        weight = self.shared.weights.get(name)
        if weight is None:
            raise GraphError("a constant has no weight", where=where, got=name)
        if isinstance(weight, Strings):
            return self.text(weight)
        if isinstance(weight, Complex):
            return Cplx(self.b.constant(weight.real), self.b.constant(weight.imag))
        if weight.dtype == "float32" and weight.shape and weight.size > 1:
            return self.b.variable(name, weight)
        return self.b.constant(weight)

    def text(self, strings: Strings) -> int:
        """Strings as a value that is known."""
        id_ = self.host_value(Spec(strings.shape, "string"))
        self.static_values.known[id_] = list(strings.values)
        return id_

    def host_value(self, spec: Spec) -> int:
        self.b.graph.specs.append(spec)
        return len(self.b.graph.specs) - 1

    def constant(
        self, values: Sequence[float], shape: Sequence[int] | None = None, dtype: str = "int32"
    ) -> int:
        if shape is None:
            shape = (len(values),)
        if dtype == "string":
            return self.text(Strings(tuple(values), tuple(shape)))  # type: ignore[arg-type]
        return self.b.constant(Tensor.from_flat(values, tuple(shape), dtype))

    def host(self, name: str, function: Host, inputs: Sequence[int]) -> list[int]:
        """A host step: at once when all inputs are static, else an event."""
        flats = [self.static(i) for i in inputs]
        if all(flat is not None for flat in flats):
            values = [
                self._concrete(i, flat) for i, flat in zip(inputs, flats, strict=True) if flat is not None
            ]
            return [self.adopt(result) for result in function(values)]
        return self.events.host(self, name, function, list(inputs))

    def _concrete(self, id_: int, flat: Flat) -> Tensor | Strings:
        spec = self.b.spec(id_)
        if spec.dtype == "string":
            return Strings(tuple(flat), spec.shape)
        return Tensor.from_flat(flat, spec.shape, spec.dtype)

    def adopt(self, result: Any) -> int:
        """A concrete result as a constant."""
        return self.text(result) if isinstance(result, Strings) else self.b.constant(result)

    def live(self) -> set[int]:
        """Ids that nodes not yet lowered are going to read, as far as it can be told: worth keeping at an event."""
        return {i for run in self.runs for value in run.waited_for() for i in ids_of(value)}

    def child(self, events: Events | None = None) -> Trace:
        """A trace into another builder: a body."""
        return Trace(Builder(), self.shared, events or NoEvents())
