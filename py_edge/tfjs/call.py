"""Pulling a TensorFlow graph from its outputs, node after node: each becomes a Call that its row of the op table lowers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from py_edge.errors import GraphError, LimitError, PyEdgeError, ShapeError, UnsupportedError
from py_edge.tensor import count
from py_edge.tfjs.limits import DEFAULT, FOREIGN
from py_edge.tfjs.tf_graph import Source, TfNode, output_offset
from py_edge.tfjs.trace import DEAD, Dead, Host, Trace, Value

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
