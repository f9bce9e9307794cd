"""Running a TensorFlow graph symbolically: each node adds core ops to one growing graph, or acts at once.

Numbers are value ids of the builder. Lists of tensors, tables and complex numbers are Python values around ids. What
depends on data (a count, a branch, a string) is an Event: the value is computed so far, and lowering goes on with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from py_edge.errors import GraphError, LimitError, PyEdgeError, ShapeError, UnsupportedError
from py_edge.graph import Builder, Spec
from py_edge.tensor import Tensor, count
from py_edge.tfjs.limits import DEFAULT, FOREIGN
from py_edge.tfjs.static_values import Flat, StaticValues
from py_edge.tfjs.tf_graph import Function, Source, TfNode
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

    key_dtype: str
    value_dtype: str
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
    loop_steps: int = 1_000_000
    concrete: set[str] = field(default_factory=set)
    draws: int = 0


class Trace:
    """One builder and everything known about its values."""

    def __init__(self, b: Builder, shared: Shared, events: Events) -> None:
        self.b, self.shared, self.events = b, shared, events
        self.static_values = StaticValues(b.graph)
        self.runs: list[Run] = []

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


Lower = Callable[["Call"], "Value | list[Value]"]


class Call:
    """One node while it is lowered: typed access to inputs and attributes."""

    __slots__ = ("b", "node", "run", "trace", "values")

    def __init__(self, run: Run, node: TfNode, values: list[Value]) -> None:
        self.run, self.trace, self.b, self.node, self.values = run, run.trace, run.trace.b, node, values

    @property
    def n(self) -> int:
        return len(self.values)

    def id(self, place: int) -> int:
        """Input `place` as a plain tensor."""
        if not -len(self.values) <= place < len(self.values):
            raise GraphError(
                "an input is missing", where=self.node.where, got=len(self.values), want=place + 1
            )
        value = self.values[place]
        if not isinstance(value, int):
            raise UnsupportedError(f"{self.node.op} of {type(value).__name__}", where=self.node.where)
        return value

    def ids(self, begin: int = 0, end: int | None = None) -> list[int]:
        return [self.id(i) for i in range(*slice(begin, end).indices(len(self.values)))]

    @property
    def x(self) -> int:
        return self.id(0)

    def shape(self, place: int = 0) -> tuple[int, ...]:
        return self.b.shape(self.id(place))

    def dtype(self, place: int = 0) -> str:
        return self.b.dtype(self.id(place))

    def ints(self, place: int) -> list[int]:
        """An input whose values must be known: axes, shapes."""
        return self.trace.ints(self.id(place))

    def whole(self, place: int) -> int:
        values = self.ints(place)
        if len(values) != 1:
            raise ShapeError("one number is wanted", where=self.node.where, got=values)
        return values[0]

    def real(self, place: int) -> float:
        return float(self.trace.known(self.id(place))[0])

    def axis(self, place: int, rank: int) -> int:
        axis = self.whole(place)
        if not -rank <= axis < max(rank, 1):
            raise ShapeError(
                "axis out of range", where=self.node.where, got=axis, want=f"-{rank}..{rank - 1}"
            )
        return axis % rank if rank else 0

    def attr(self, name: str, default: Any = None) -> Any:
        value = self.node.attrs.get(name)
        return default if value is None else value

    def typed(self, name: str, kind: type, default: Any = None) -> Any:
        """An attribute of one Python type. Raises GraphError for another."""
        value = self.attr(name, default)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if value is not None and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
            raise GraphError(f"attribute `{name}`", where=self.node.where, got=value, want=kind.__name__)
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        return bool(self.typed(name, bool, default))

    def number(self, name: str, default: float) -> float:
        return float(self.typed(name, float, default))

    def word(self, name: str, default: str = "") -> str:
        return str(self.typed(name, str, default))

    def row(self, name: str, default: Sequence[Any] = ()) -> list[Any]:
        return list(self.typed(name, list, list(default)))

    def bounded(self, *sizes: int) -> None:
        """Raises LimitError where a constant of these sizes is too large to be made in Python."""
        if min(sizes) < 0 or count(sizes) > DEFAULT.made:
            raise LimitError(
                "a size out of bounds", where=self.node.where, got=sizes, want=f"<= {DEFAULT.made}"
            )

    @property
    def first(self) -> bool:
        """NCHW."""
        return self.word("data_format", "NHWC").startswith("NC")

    def host(self, function: Host, inputs: Sequence[int]) -> list[int]:
        return self.trace.host(self.node.op, function, inputs)


class Run:
    """One graph or function pulled from its outputs: each node once, only what is needed, no recursion over nodes."""

    def __init__(
        self, trace: Trace, nodes: Mapping[str, TfNode], args: Mapping[str, Value], table: Mapping[str, Lower]
    ) -> None:
        self.trace, self.nodes, self.args, self.table = trace, nodes, args, table
        self.done: dict[str, list[Value]] = {}
        self.guards: dict[str, dict[int, bool]] = {}
        self.wanted: list[Source] = []

    def waited_for(self) -> list[Value]:
        """Values at hand that a node still to come, or the caller, reads."""
        ahead = [s for node in self.nodes.values() if node.name not in self.done for s in node.inputs]
        found = [s for s in [*ahead, *self.wanted] if s.name in self.done or s.name in self.args]
        return [self.value(s) for s in set(found)]

    def pull(self, sources: Sequence[Source]) -> list[Value]:
        """The values of these outputs."""
        self.trace.runs.append(self)
        self.wanted = list(sources)
        try:
            return self._pull(sources)
        finally:
            self.trace.runs.pop()

    def _pull(self, sources: Sequence[Source]) -> list[Value]:
        waiting = [source.name for source in reversed(sources)]
        while waiting:
            name = waiting[-1]
            if name in self.done or name in self.args:
                waiting.pop()
                continue
            node = self.nodes.get(name)
            if node is None:
                raise GraphError("there is no such node", where=name)
            needed = [s.name for s in node.inputs] + [c for c in node.controls if self._steers(c)]
            missing = [n for n in needed if n not in self.done and n not in self.args]
            if missing:
                waiting += reversed(missing)
                continue
            self._do(node)
            waiting.pop()
        return [self.value(source) for source in sources]

    def run_node(self, name: str) -> None:
        """Run one node for its effect; its inputs are there already."""
        self._do(self.nodes[name])

    def _steers(self, name: str) -> bool:
        """Control edges matter only where they tell the branch of a conditional."""
        node = self.nodes.get(name)
        if node is None or node.op != "Identity" or not node.inputs:
            return False
        return getattr(self.nodes.get(node.inputs[0].name), "op", "") in ("Switch", "RefSwitch")

    def value(self, source: Source) -> Value:
        if source.name in self.args:
            if source.index:
                raise GraphError("an argument has one output", where=source.name, got=source.index)
            return self.args[source.name]
        outputs = self.done[source.name]
        index = source.index
        if source.arg:
            index += output_offset(self.nodes[source.name], source.arg)
        if index >= len(outputs):
            raise GraphError(
                "the node has fewer outputs", where=source.name, got=source.index, want=f"< {len(outputs)}"
            )
        return outputs[index]

    def _do(self, node: TfNode) -> None:
        values = [self.value(source) for source in node.inputs]
        guard: dict[int, bool] = {}
        controls = [c for c in node.controls if self._steers(c)]
        if node.op not in ("Merge", "RefMerge"):
            for source in node.inputs:
                guard |= self.guards.get(source.name, {})
                guard |= self.guards.get(f"{source.name}:{source.index}", {})
            for control in controls:
                guard |= self.guards.get(control, {})
            if any(isinstance(v, Dead) for v in values) or any(
                isinstance(self.done[c][0], Dead) for c in controls
            ):
                self.done[node.name] = [DEAD] * 16
                return
        self.guards[node.name] = guard
        before = self.trace.b.where
        self.trace.b.where = node.name
        lower = self.table.get(node.op)
        if lower is None:
            raise UnsupportedError("unknown op", where=f"{node.where} node '{node.name}'", got=node.op)
        try:
            result = lower(Call(self, node, values))
        except PyEdgeError as error:
            if not error.where.startswith("/"):
                error.where = f"{node.where} node '{node.name}' ({node.op})"
            raise
        except FOREIGN as error:
            where = f"{node.where} node '{node.name}' ({node.op})"
            raise GraphError("inputs or attributes do not fit the op", where=where, got=str(error)) from error
        self.trace.b.where = before
        self.done[node.name] = result if isinstance(result, list) else [result]


_OFFSETS = {
    ("TopKV2", "indices"): 1, ("Unique", "idx"): 1, ("UniqueV2", "idx"): 1, ("Switch", "output_true"): 1,
    ("Merge", "value_index"): 1, ("MaxPoolWithArgmax", "argmax"): 1, ("TensorArrayV3", "flow"): 1,
    ("ListDiff", "idx"): 1, ("TensorListPopBack", "tensor"): 1, ("TensorListConcat", "lengths"): 1,
    ("TensorListConcatV2", "lengths"): 1, ("TensorArrayConcatV3", "lengths"): 1, ("SparseReshape", "output_shape"): 1,
    ("StringSplit", "values"): 1, ("StringSplit", "shape"): 2, ("StringNGrams", "ngrams_splits"): 1,
    ("RaggedRange", "rt_dense_values"): 1, ("SparseFillEmptyRows", "output_values"): 1,
    ("SparseFillEmptyRows", "empty_row_indicator"): 2, ("SparseFillEmptyRows", "reverse_index_map"): 3,
    ("NonMaxSuppressionV4", "valid_outputs"): 1, ("NonMaxSuppressionV5", "selected_scores"): 1,
    ("NonMaxSuppressionV5", "valid_outputs"): 2, ("FusedBatchNorm", "batch_mean"): 1,
    ("FusedBatchNorm", "batch_variance"): 2,
}  # fmt: skip


def output_offset(node: TfNode, arg: str) -> int:
    """The place of the first output of an output argument; 0 for all ops with only one."""
    op = node.op
    if op.startswith("FusedBatchNorm"):
        op = "FusedBatchNorm"
    if op == "RaggedGather" and arg == "output_dense_values":
        nested = node.attrs.get("OUTPUT_RAGGED_RANK") or node.attrs.get("PARAMS_RAGGED_RANK") or 1
        return int(nested)
    return _OFFSETS.get((op, arg), 0)
