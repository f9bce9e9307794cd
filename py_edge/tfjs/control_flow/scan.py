"""A loop of known length as one core scan: what is read by a counter comes in as slices, what is written goes out as rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

from py_edge.errors import PyEdgeError
from py_edge.tensor import Tensor
from py_edge.tfjs.call import Call, Lower, Run
from py_edge.tfjs.control_flow.calls import run_function
from py_edge.tfjs.control_flow.lists import Row, stack_items
from py_edge.tfjs.static_values import Flat
from py_edge.tfjs.tf_graph import Function
from py_edge.tfjs.trace import DEAD, Cplx, TensorList, Trace, Value


@dataclass(frozen=True, slots=True)
class Loop:
    cond: Function
    body: Function


def returned(function: Function, place: int) -> bool:
    """Whether an argument comes back as it went in."""
    source = function.outputs[place]
    while source.name in function.nodes and function.nodes[source.name].op == "Identity":
        source = function.nodes[source.name].inputs[0]
    return source.name == function.args[place]


class _Reading:
    """A list seen from inside a scan: reading element `counter` of it becomes a scanned input."""

    def __init__(self, outer: TensorList, place: int) -> None:
        self.outer, self.place = outer, place
        self.read: dict[int, int] = {}
        self.written: tuple[int, int] | None = None


def as_scan(c: Call, loop: Loop, args: list[Value], steps: list[dict[int, Flat]]) -> list[Value] | None:
    """One core scan. Counters become scanned constants, lists that are read by a counter scanned stacks, lists that
    are written by a counter rows. None when the body does something else; it is unrolled then."""
    child = c.trace.child()
    b = child.b
    length, counters = len(steps), sorted(steps[0])
    varying = [i for i in counters if any(row[i] != steps[0][i] for row in steps)]
    carried = [i for i, a in enumerate(args) if isinstance(a, int) and i not in counters
               and not returned(loop.body, i)]  # fmt: skip
    fixed = [i for i, a in enumerate(args) if isinstance(a, int) and i not in counters and i not in carried]
    lists = {i: _Reading(a, i) for i, a in enumerate(args) if isinstance(a, TensorList)}
    if any(isinstance(a, Cplx) or (isinstance(a, int) and c.b.dtype(a) == "string") for a in args):
        return None
    inner: list[Value] = [DEAD] * len(args)
    scalar: dict[int, int] = {}
    for i in counters:
        value = args[i]
        assert isinstance(value, int)
        if i in varying:
            spec = c.b.spec(value)
            inner[i] = counter = b.input(f"c{i}", spec.shape, spec.dtype)
            scalar[counter] = i
        else:
            inner[i] = child.constant(steps[0][i], c.b.shape(value), c.b.dtype(value))
    body = _ScanBody(c, child, lists, steps, scalar)
    for i in (*carried, *fixed):
        spec = c.b.spec(args[i])  # type: ignore[arg-type]
        inner[i] = b.input(f"{'s' if i in carried else 'i'}{i}", spec.shape, spec.dtype)
    for i, reading in lists.items():
        inner[i] = TensorList((reading,) * len(reading.outer.items), reading.outer.shape, reading.outer.dtype)
    try:
        run = Run(
            child, loop.body.nodes, dict(zip(loop.body.args, inner, strict=False)), body.table(c.run.table)
        )
        results = run.pull(loop.body.outputs)
    except (PyEdgeError, _NotScan):
        return None
    return body.finish(args, results, carried, fixed, varying, length)


class _NotScan(Exception):
    """The body uses a list in a way that is no scan."""


class _ScanBody:
    """Reads and writes of lists inside the body, turned into scanned inputs and rows."""

    def __init__(
        self,
        c: Call,
        child: Trace,
        lists: dict[int, _Reading],
        steps: list[dict[int, Flat]],
        scalar: dict[int, int],
    ) -> None:
        self.c, self.child, self.lists, self.steps, self.scalar = c, child, lists, steps, scalar
        self.rows: dict[int, tuple[int, int]] = {}
        self.reads: dict[tuple[int, int], int] = {}
        self.stacks: dict[tuple[int, int], int] = {}

    def table(self, base: object) -> dict[str, Lower]:
        assert isinstance(base, dict)
        get, put = self.get, self.put
        own: dict[str, Lower] = {
            "TensorListGetItem": lambda c: get(c, c.values[0], c.id(1)),
            "TensorListSetItem": lambda c: put(c, c.values[0], c.id(1), c.id(2)),
            "TensorArrayReadV3": lambda c: get(c, c.values[2], c.id(1)),
            "TensorArrayWriteV3": lambda c: put(c, c.values[3], c.id(1), c.id(2)),
        }
        return {**base, **own}

    def _place(self, value: Value) -> int:
        if isinstance(value, TensorList) and value.items and isinstance(value.items[0], _Reading):
            return value.items[0].place
        raise _NotScan

    def _counter(self, index: int) -> int:
        if index in self.scalar:
            return self.scalar[index]
        raise _NotScan

    def get(self, c: Call, value: Value, index: int) -> Value:
        place, counter = self._place(value), self._counter(index)
        if place in self.rows:
            raise _NotScan
        if (place, counter) not in self.reads:
            items = self.lists[place].outer.items
            order = [int(row[counter][0]) for row in self.steps]
            if any(not 0 <= i < len(items) or not isinstance(items[i], (int, Row)) for i in order):
                raise _NotScan
            stack = stack_items(self.c, [items[i] for i in order])
            self.stacks[place, counter] = stack
            spec = self.c.b.spec(stack)
            self.reads[place, counter] = self.child.b.input(f"l{place}_{counter}", spec.shape[1:], spec.dtype)
        return self.reads[place, counter]

    def put(self, c: Call, value: Value, index: int, item: int) -> Value:
        place, counter = self._place(value), self._counter(index)
        if place in self.rows or any(p == place for p, _ in self.reads):
            raise _NotScan
        self.rows[place] = (counter, item)
        return value

    def finish(
        self, args: list[Value], results: list[Value], carried: list[int], fixed: list[int], varying: list[int],
        length: int,
    ) -> list[Value] | None:  # fmt: skip
        """The scan node in the outer graph, and what each loop variable is after it."""
        outer, inner = self.c.b, self.child.b
        for i in carried:
            value = results[i]
            if not isinstance(value, int) or inner.spec(value) != outer.spec(args[i]):  # type: ignore[arg-type]
                return None
            inner.output(f"s{i}", value)
        if any(self._other_list(results[i], i) for i in self.lists):
            return None
        for place, (_, item) in self.rows.items():
            inner.output(f"row{place}", item)
        order = [*(f"c{i}" for i in varying), *(f"l{p}_{q}" for p, q in self.reads), *(f"s{i}" for i in carried),
                 *(f"i{i}" for i in fixed)]  # fmt: skip
        inner.graph.inputs = {name: inner.graph.inputs[name] for name in order}
        sequences = []
        for i in varying:
            value = args[i]
            assert isinstance(value, int)
            spec = outer.spec(value)
            flat = [number for row in self.steps for number in row[i]]
            sequences.append(outer.constant(Tensor.from_flat(flat, (length, *spec.shape), spec.dtype)))
        inputs = [*sequences, *self.stacks.values(), *(args[i] for i in (*carried, *fixed))]
        ids = [v for v in inputs if isinstance(v, int)]
        n_scan = len(sequences) + len(self.stacks)
        outputs = outer.ops(
            "scan", *ids, body=inner.graph, n_scan=n_scan, n_carry=len(carried), length=length, reverse=False
        )
        final: list[Value] = list(args)
        for i, id_ in zip(carried, outputs, strict=False):
            final[i] = id_
        for (place, (counter, _)), stack in zip(self.rows.items(), outputs[len(carried) :], strict=True):
            final[place] = self._filled(place, counter, stack)
        return self._last_counters(final)

    @staticmethod
    def _other_list(value: Value, place: int) -> bool:
        """Whether the body gives back something else than this very list."""
        items = value.items if isinstance(value, TensorList) else ()
        return any(not isinstance(item, _Reading) or item.place != place for item in items)

    def _filled(self, place: int, counter: int, stack: int) -> TensorList:
        """The list after the loop: row t at the counter's value of step t."""
        old = self.lists[place].outer
        items = list(old.items)
        for t, row in enumerate(self.steps):
            at = int(row[counter][0])
            items += [None] * (at + 1 - len(items))
            items[at] = Row(stack, t)
        return replace(old, items=tuple(items))

    def _last_counters(self, final: list[Value]) -> list[Value] | None:
        """Counters once more, by one step outside: their values after the last step."""
        last = self.steps[-1]
        trace = self.c.trace
        loop = self.c.node.body or trace.shared.functions[self.c.attr("body")]
        inner: list[Value] = [DEAD] * len(final)
        for i, flat in last.items():
            value = final[i]
            assert isinstance(value, int)
            inner[i] = trace.constant(flat, self.c.b.shape(value), self.c.b.dtype(value))
        wanted = sorted(last)
        after = run_function(trace, self.c.run, loop, inner).pull([loop.outputs[i] for i in wanted])
        for i, value in zip(wanted, after, strict=True):
            final[i] = value
        return final
