"""While: unrolled, scanned, a core `while`, or step by step, whichever the loop allows."""

from __future__ import annotations

from collections.abc import Sequence

from py_edge.errors import LimitError, PyEdgeError
from py_edge.graph import Spec
from py_edge.tensor import Tensor
from py_edge.tfjs.call import Call
from py_edge.tfjs.control_flow.calls import (
    SMALL,
    call_function,
    named_function,
    put_outputs,
    run_function,
    truth,
)
from py_edge.tfjs.control_flow.scan import Loop, as_scan, returned
from py_edge.tfjs.idioms import axes
from py_edge.tfjs.static_values import Flat
from py_edge.tfjs.tf_graph import Function, Source
from py_edge.tfjs.trace import DEAD, Trace, Value

_UNROLLED = 400
_COUNTED = 10_000
"""Steps that are counted, or made one by one, before lowering gives up; a core `while` may make a million."""


def while_(c: Call) -> list[Value]:
    """cond and body from attributes (v2) or from a matched frame (v1)."""
    if c.node.cond is not None and c.node.body is not None:
        loop = Loop(c.node.cond, c.node.body)
    else:
        loop = Loop(named_function(c, "cond"), named_function(c, "body"))
    args = list(c.values)
    counters = _counters(c, loop, args)
    steps = _count(c, loop, args, counters)
    if steps is not None:
        length = len(steps)
        if length > 2 and length * len(loop.body.nodes) > _UNROLLED:
            scanned = as_scan(c, loop, args, steps)
            if scanned is not None:
                return scanned
        for row in steps:
            inside = [c.trace.constant(row[i], c.b.shape(v), c.b.dtype(v)) if i in row and isinstance(v, int) else v
                      for i, v in enumerate(args)]  # fmt: skip
            args = call_function(c, loop.body, inside)
        return args
    whole = _core_while(c, loop, args)
    return whole if whole is not None else _stepwise(c, loop, args)


def _stepwise(c: Call, loop: Loop, args: list[Value]) -> list[Value]:
    """Ask for the predicate before each step."""
    for _ in range(_COUNTED):
        pred = call_function(c, loop.cond, args)[0]
        if not isinstance(pred, int) or not c.trace.known(truth(c, pred))[0]:
            return args
        args = call_function(c, loop.body, args)
    raise LimitError("a loop that does not end", where=c.node.where, got=_COUNTED)


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


def _counters(c: Call, loop: Loop, args: Sequence[Value]) -> set[int]:
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


def _count(c: Call, loop: Loop, args: Sequence[Value], counters: set[int]) -> list[dict[int, Flat]] | None:
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
        pred = run_function(trace, c.run, loop.cond, inner).pull(loop.cond.outputs)[0]
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
        after = run_function(trace, c.run, loop.body, inner).pull([loop.body.outputs[i] for i in wanted])
        then: dict[int, Flat] = {}
        for i, value in zip(wanted, after, strict=True):
            flat = trace.static(value) if isinstance(value, int) else None
            if flat is None or not isinstance(value, int):
                return None
            then[i], specs[i] = flat, trace.b.spec(value)
        now = then


def _core_while(c: Call, loop: Loop, args: list[Value]) -> list[Value] | None:
    """One core `while`: all carries tensors whose shapes stay; no event inside."""
    ids = [a for a in args if isinstance(a, int) and c.b.dtype(a) != "string"]
    if len(ids) != len(args):
        return None
    invariant = [returned(loop.body, i) for i in range(len(args))]
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
                flat = c.trace.static(ids[i]) if place >= n_carry and spec.size <= SMALL else None
                if flat is not None:
                    inner[i] = child.b.constant(Tensor.from_flat(flat, spec.shape, spec.dtype))
            wanted = (
                function.outputs if function is loop.cond else [function.outputs[i] for i in order[:n_carry]]
            )
            values = run_function(child, c.run, function, inner).pull(wanted)
            if not all(isinstance(v, int) for v in values):
                return None
            results = [v for v in values if isinstance(v, int)]
            if function is loop.cond:
                results = [_truth_in(child, results[0])]
            elif [child.b.spec(v) for v in results] != [c.b.spec(ids[i]) for i in order[:n_carry]]:
                return None
            put_outputs(child, results)
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
