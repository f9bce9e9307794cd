"""Loops and branches of a TensorFlow graph: unrolled where they are short, a scan where the count is known, a core
`while` or `cond` where data decides and shapes stay, and step by step with events otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from py_edge.errors import GraphError, LimitError, PyEdgeError
from py_edge.graph import Spec
from py_edge.tensor import Tensor
from py_edge.tfjs.idioms import axes
from py_edge.tfjs.static_values import Flat
from py_edge.tfjs.tf_graph import Function, Source
from py_edge.tfjs.trace import DEAD, Call, Cplx, Dead, Lower, Run, TensorList, Trace, Value

_UNROLLED = 400
_SMALL = 64
_COUNTED = 10_000
"""Steps that are counted, or made one by one, before lowering gives up; a core `while` may make a million."""


def call_function(c: Call, function: Function, args: Sequence[Value]) -> list[Value]:
    """Inline."""
    return _run(c.trace, c.run, function, args).pull(function.outputs)


def _run(trace: Trace, outer: Run, function: Function, args: Sequence[Value]) -> Run:
    if len(args) < len(function.args):
        raise GraphError(
            "a function wants more arguments", where=function.name, got=len(args), want=len(function.args)
        )
    return Run(trace, function.nodes, dict(zip(function.args, args, strict=False)), outer.table)


def _function(c: Call, key: str) -> Function:
    name = c.attr(key)
    function = c.trace.shared.functions.get(name) if isinstance(name, str) else None
    if function is None:
        raise GraphError("there is no such function", where=c.node.where, got=name)
    return function


def partitioned_call(c: Call) -> list[Value]:
    return call_function(c, _function(c, "f"), c.values)


# conditionals


def if_(c: Call) -> list[Value]:
    """then_branch where the predicate holds."""
    pred, args = c.id(0), c.values[1:]
    branches = [_function(c, "else_branch"), _function(c, "then_branch")]
    flat = c.trace.static(_truth(c, pred))
    if flat is None:
        both = _both(c, _truth(c, pred), branches, args)
        if both is not None:
            return both
        flat = c.trace.known(_truth(c, pred))
    return call_function(c, branches[bool(flat[0])], args)


def _truth(c: Call, pred: int) -> int:
    """A predicate as one bool."""
    b = c.b
    if b.dtype(pred) != "bool":
        pred = b.op("not_equal", pred, b.scalar(0, b.dtype(pred)))
    return axes.reshape(b, pred, ())


def _both(c: Call, pred: int, branches: list[Function], args: Sequence[Value]) -> list[Value] | None:
    """A core cond, when both branches give tensors of the same shapes and need no event."""
    if not all(isinstance(a, int) and c.b.dtype(a) != "string" for a in args):
        return None
    traces = []
    try:
        for function in branches:
            trace, inner = _body(c.trace, [a for a in args if isinstance(a, int)])
            values = _run(trace, c.run, function, list(inner)).pull(function.outputs)
            if not all(isinstance(v, int) for v in values):
                return None
            _outputs(trace, [v for v in values if isinstance(v, int)])
            traces.append(trace)
    except PyEdgeError:
        return None
    specs = [[t.b.graph.specs[v] for v in t.b.graph.outputs.values()] for t in traces]
    if specs[0] != specs[1] or any(s.dtype == "string" for s in specs[0]):
        return None
    ids = [a for a in args if isinstance(a, int)]
    graphs = [t.b.graph for t in traces]
    return list(c.b.ops("cond", pred, *ids, then_branch=graphs[1], else_branch=graphs[0]))


def _body(trace: Trace, args: Sequence[int]) -> tuple[Trace, list[int]]:
    """A child trace with an input per argument; small constants are constants inside as well."""
    child, inner = trace.child(), []
    for index, arg in enumerate(args):
        spec = trace.b.spec(arg)
        id_ = child.b.input(f"a{index}", spec.shape, spec.dtype)
        flat = trace.static(arg) if spec.size <= _SMALL else None
        if flat is not None:
            id_ = child.b.constant(Tensor.from_flat(flat, spec.shape, spec.dtype))
        inner.append(id_)
    return child, inner


def _outputs(trace: Trace, values: Sequence[int]) -> None:
    for index, value in enumerate(values):
        trace.b.output(f"r{index}", value)


def switch(c: Call) -> list[Value]:
    """(false side, true side): with a static predicate one is dead, else both live and carry the predicate along."""
    data, pred = c.values[0], _truth(c, c.id(1))
    flat = c.trace.static(pred)
    if flat is None and (c.node.inputs[1].name in c.trace.shared.concrete or not isinstance(data, int)):
        flat = c.trace.known(pred)
    if flat is not None:
        return [DEAD, data] if flat[0] else [data, DEAD]
    for side in (0, 1):
        c.run.guards[f"{c.node.name}:{side}"] = {pred: bool(side)}
    return [data, data]


class Restart(Exception):
    """Lower again, with this predicate known: its two sides have different shapes."""

    def __init__(self, name: str) -> None:
        self.name = name


def merge(c: Call) -> list[Value]:
    """The side that is alive; where both are, select by the predicate in which they differ."""
    alive = [(i, v) for i, v in enumerate(c.values) if not isinstance(v, Dead)]
    if not alive:
        return [DEAD, DEAD]
    if len(alive) == 1:
        return [alive[0][1], c.trace.constant([alive[0][0]], ())]
    guards = [
        c.run.guards.get(s.name, {}) | c.run.guards.get(f"{s.name}:{s.index}", {}) for s in c.node.inputs[:2]
    ]
    pred = next((p for p in guards[0] if p in guards[1] and guards[0][p] != guards[1][p]), None)
    if pred is None:
        raise GraphError("a Merge without a Switch", where=c.node.where)
    yes, no = (0, 1) if guards[0][pred] else (1, 0)
    left, right = c.values[yes], c.values[no]
    if not isinstance(left, int) or not isinstance(right, int) or c.b.spec(left) != c.b.spec(right):
        raise Restart(_switch_of(c, pred))
    c.run.guards[c.node.name] = {p: side for p, side in (guards[0] | guards[1]).items() if p != pred}
    index = c.b.op("select", pred, c.b.scalar(yes, "int32"), c.b.scalar(no, "int32"))
    return [c.b.op("select", pred, left, right), index]


def _switch_of(c: Call, pred: int) -> str:
    for name, guard in c.run.guards.items():
        if guard == {pred: True} and name.endswith(":1"):
            return c.run.nodes[name[:-2]].inputs[1].name
    raise GraphError("a Merge without a Switch", where=c.node.where)


# loops


@dataclass(frozen=True, slots=True)
class _Loop:
    cond: Function
    body: Function


def while_(c: Call) -> list[Value]:
    """cond and body from attributes (v2) or from a matched frame (v1)."""
    if c.node.cond is not None and c.node.body is not None:
        loop = _Loop(c.node.cond, c.node.body)
    else:
        loop = _Loop(_function(c, "cond"), _function(c, "body"))
    args = list(c.values)
    counters = _counters(c, loop, args)
    steps = _count(c, loop, args, counters)
    if steps is not None:
        length = len(steps)
        if length > 2 and length * len(loop.body.nodes) > _UNROLLED:
            scanned = _scan(c, loop, args, steps)
            if scanned is not None:
                return scanned
        for row in steps:
            inside = [c.trace.constant(row[i], c.b.shape(v), c.b.dtype(v)) if i in row and isinstance(v, int) else v
                      for i, v in enumerate(args)]  # fmt: skip
            args = call_function(c, loop.body, inside)
        return args
    whole = _core_while(c, loop, args)
    return whole if whole is not None else _stepwise(c, loop, args)


def _stepwise(c: Call, loop: _Loop, args: list[Value]) -> list[Value]:
    """Ask for the predicate before each step."""
    for _ in range(_COUNTED):
        pred = call_function(c, loop.cond, args)[0]
        if not isinstance(pred, int) or not c.trace.known(_truth(c, pred))[0]:
            return args
        args = call_function(c, loop.body, args)
    raise LimitError("a loop that does not end", where=c.node.where, got=_COUNTED)


def _returned(function: Function, place: int) -> bool:
    """Whether an argument comes back as it went in."""
    source = function.outputs[place]
    while source.name in function.nodes and function.nodes[source.name].op == "Identity":
        source = function.nodes[source.name].inputs[0]
    return source.name == function.args[place]


def _reads(function: Function, outputs: Sequence[Source]) -> set[int]:
    """Which arguments these outputs depend on."""
    places = {name: index for index, name in enumerate(function.args)}
    found, seen, waiting = set[int](), set[str](), [s.name for s in outputs]
    while waiting:
        name = waiting.pop()
        if name in places:
            found.add(places[name])
        elif name not in seen and name in function.nodes:
            seen.add(name)
            waiting += [s.name for s in function.nodes[name].inputs]
    return found


def _counters(c: Call, loop: _Loop, args: Sequence[Value]) -> set[int]:
    """Arguments that are small and static, and stay so because they depend only on each other."""
    counters = {
        i for i, a in enumerate(args)
        if isinstance(a, int) and c.b.spec(a).size <= 16 and c.trace.static(a) is not None
    }  # fmt: skip
    while True:
        kept = {i for i in counters if _reads(loop.body, [loop.body.outputs[i]]) <= counters}
        if kept == counters:
            return counters
        counters = kept


def _count(c: Call, loop: _Loop, args: Sequence[Value], counters: set[int]) -> list[dict[int, Flat]] | None:
    """The counters' values at each step, by running only them; None when data decides about the end."""
    if not _reads(loop.cond, loop.cond.outputs) <= counters:
        return None
    now: dict[int, Flat] = {}
    specs: dict[int, Spec] = {}
    for i in counters:
        value = args[i]
        assert isinstance(value, int)
        specs[i], now[i] = c.b.spec(value), c.trace.static(value) or []
    wanted = sorted(counters)
    steps: list[dict[int, Flat]] = []
    while True:
        trace = c.trace.child()
        inner: list[Value] = [DEAD] * len(args)
        for i in wanted:
            inner[i] = trace.constant(now[i], specs[i].shape, specs[i].dtype)
        pred = _run(trace, c.run, loop.cond, inner).pull(loop.cond.outputs)[0]
        flat = trace.static(pred) if isinstance(pred, int) else None
        if flat is None:
            return None
        if not flat[0]:
            return steps
        if steps and steps[-1] == now:
            raise LimitError("a loop that does not end", where=c.node.where, got=len(steps))
        if len(steps) >= _COUNTED:
            return None
        steps.append(now)
        after = _run(trace, c.run, loop.body, inner).pull([loop.body.outputs[i] for i in wanted])
        then: dict[int, Flat] = {}
        for i, value in zip(wanted, after, strict=True):
            flat = trace.static(value) if isinstance(value, int) else None
            if flat is None or not isinstance(value, int):
                return None
            then[i], specs[i] = flat, trace.b.spec(value)
        now = then


def _core_while(c: Call, loop: _Loop, args: list[Value]) -> list[Value] | None:
    """One core `while`: all carries tensors whose shapes stay; no event inside."""
    ids = [a for a in args if isinstance(a, int) and c.b.dtype(a) != "string"]
    if len(ids) != len(args):
        return None
    invariant = [_returned(loop.body, i) for i in range(len(args))]
    order = [i for i, same in enumerate(invariant) if not same] + [
        i for i, same in enumerate(invariant) if same
    ]
    n_carry = invariant.count(False)
    graphs = []
    try:
        for function in (loop.cond, loop.body):
            child = c.trace.child()
            inner: list[Value] = [DEAD] * len(args)
            for place, i in enumerate(order):
                spec = c.b.spec(ids[i])
                inner[i] = child.b.input(f"a{place}", spec.shape, spec.dtype)
                flat = c.trace.static(ids[i]) if place >= n_carry and spec.size <= _SMALL else None
                if flat is not None:
                    inner[i] = child.b.constant(Tensor.from_flat(flat, spec.shape, spec.dtype))
            wanted = (
                function.outputs if function is loop.cond else [function.outputs[i] for i in order[:n_carry]]
            )
            values = _run(child, c.run, function, inner).pull(wanted)
            if not all(isinstance(v, int) for v in values):
                return None
            results = [v for v in values if isinstance(v, int)]
            if function is loop.cond:
                results = [_truth_in(child, results[0])]
            elif [child.b.spec(v) for v in results] != [c.b.spec(ids[i]) for i in order[:n_carry]]:
                return None
            _outputs(child, results)
            graphs.append(child.b.graph)
    except PyEdgeError:
        return None
    results = list(
        c.b.ops("while", *(ids[i] for i in order), cond=graphs[0], body=graphs[1], n_carry=n_carry)
    )
    final = dict(zip(order, results, strict=False))
    return [final.get(i, ids[i]) for i in range(len(args))]


def _truth_in(trace: Trace, pred: int) -> int:
    return axes.reshape(trace.b, axes.cast(trace.b, pred, "bool"), ())


class _Reading:
    """A list seen from inside a scan: reading element `counter` of it becomes a scanned input."""

    def __init__(self, outer: TensorList, place: int) -> None:
        self.outer, self.place = outer, place
        self.read: dict[int, int] = {}
        self.written: tuple[int, int] | None = None


def _scan(c: Call, loop: _Loop, args: list[Value], steps: list[dict[int, Flat]]) -> list[Value] | None:
    """One core scan. Counters become scanned constants, lists that are read by a counter scanned stacks, lists that
    are written by a counter rows. None when the body does something else; it is unrolled then."""
    child = c.trace.child()
    b = child.b
    length, counters = len(steps), sorted(steps[0])
    varying = [i for i in counters if any(row[i] != steps[0][i] for row in steps)]
    carried = [i for i, a in enumerate(args) if isinstance(a, int) and i not in counters
               and not _returned(loop.body, i)]  # fmt: skip
    fixed = [i for i, a in enumerate(args) if isinstance(a, int) and i not in counters and i not in carried]
    lists = {i: _Reading(a, i) for i, a in enumerate(args) if isinstance(a, TensorList)}
    if any(isinstance(a, Cplx) or (isinstance(a, int) and c.b.dtype(a) == "string") for a in args):
        return None
    inner: list[Value] = [DEAD] * len(args)
    slices: dict[str, int] = {}
    scalar: dict[int, int] = {}
    for i in counters:
        value = args[i]
        assert isinstance(value, int)
        if i in varying:
            spec = c.b.spec(value)
            inner[i] = slices[f"c{i}"] = b.input(f"c{i}", spec.shape, spec.dtype)
            scalar[slices[f"c{i}"]] = i
        else:
            inner[i] = child.constant(steps[0][i], c.b.shape(value), c.b.dtype(value))
    body = _ScanBody(c, child, lists, steps, scalar)
    late: list[tuple[int, int]] = []
    for i in (*carried, *fixed):
        spec = c.b.spec(args[i])  # type: ignore[arg-type]
        id_ = b.input(f"{'s' if i in carried else 'i'}{i}", spec.shape, spec.dtype)
        late.append((i, id_))
        inner[i] = id_
    for i, reading in lists.items():
        inner[i] = TensorList((reading,) * len(reading.outer.items), reading.outer.shape, reading.outer.dtype)
    try:
        run = Run(
            child, loop.body.nodes, dict(zip(loop.body.args, inner, strict=False)), body.table(c.run.table)
        )
        results = run.pull(loop.body.outputs)
    except (PyEdgeError, _NotScan):
        return None
    return body.finish(args, results, carried, fixed, varying, slices, dict(late), length)


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

    def _counter(self, c: Call, index: int) -> int:
        if index in self.scalar:
            return self.scalar[index]
        raise _NotScan

    def get(self, c: Call, value: Value, index: int) -> Value:
        place, counter = self._place(value), self._counter(c, index)
        if place in self.rows:
            raise _NotScan
        if (place, counter) not in self.reads:
            items = self.lists[place].outer.items
            order = [int(row[counter][0]) for row in self.steps]
            if any(not 0 <= i < len(items) or not isinstance(items[i], (int, Row)) for i in order):
                raise _NotScan
            stack = _stack(self.c, [items[i] for i in order])
            self.stacks[place, counter] = stack
            spec = self.c.b.spec(stack)
            self.reads[place, counter] = self.child.b.input(f"l{place}_{counter}", spec.shape[1:], spec.dtype)
        return self.reads[place, counter]

    def put(self, c: Call, value: Value, index: int, item: int) -> Value:
        place, counter = self._place(value), self._counter(c, index)
        if place in self.rows or any(p == place for p, _ in self.reads):
            raise _NotScan
        self.rows[place] = (counter, item)
        return value

    def finish(
        self, args: list[Value], results: list[Value], carried: list[int], fixed: list[int], varying: list[int],
        slices: dict[str, int], late: dict[int, int], length: int,
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
        return self._last_counters(final, results)

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

    def _last_counters(self, final: list[Value], results: list[Value]) -> list[Value] | None:
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
        after = _run(trace, self.c.run, loop, inner).pull([loop.outputs[i] for i in wanted])
        for i, value in zip(wanted, after, strict=True):
            final[i] = value
        return final


@dataclass(frozen=True, slots=True)
class Row:
    """Element t of a stack that a scan made; taken out only when it is read alone."""

    stack: int
    t: int


def item_id(c: Call, item: object, like: TensorList | None = None) -> int:
    """A list's element as a tensor; one that was never written is zeros."""
    if isinstance(item, Row):
        return axes.pick(c.b, item.stack, 0, item.t)
    if isinstance(item, int):
        return item
    if item is None and like is not None:
        shape = like.shape
        if shape is None or any(d is None for d in shape):
            shape = next((c.b.shape(item_id(c, i)) for i in like.items if i is not None), None)
        if shape is None or any(d is None for d in shape):
            raise GraphError("a list's element was never written", where=c.node.where)
        return axes.full(c.b, [d for d in shape if d is not None], 0, like.dtype)
    raise GraphError("a list of something else than tensors", where=c.node.where)


def _stack(c: Call, items: Sequence[object]) -> int:
    """Elements along a new first axis; rows of one stack are taken together."""
    if items and all(isinstance(i, Row) for i in items):
        rows = [i for i in items if isinstance(i, Row)]
        stack = rows[0].stack
        if all(r.stack == stack for r in rows):
            order = [r.t for r in rows]
            size = c.b.shape(stack)[0]
            if order == list(range(size)):
                return stack
            if order == list(range(size))[::-1]:
                return axes.flip(c.b, stack, [0])
            return c.b.op("gather", stack, c.trace.constant(order), axis=0, batch_dims=0)
    return axes.stack(c.b, [item_id(c, i) for i in items], 0)


def stack_list(c: Call, value: TensorList) -> int:
    """All elements along a new first axis."""
    if not value.items:
        shape = [d or 0 for d in value.shape or ()]
        return axes.full(c.b, [0, *shape], 0, value.dtype)
    if all(isinstance(i, Row) for i in value.items):
        return _stack(c, value.items)
    return axes.stack(c.b, [item_id(c, i, value) for i in value.items], 0)
