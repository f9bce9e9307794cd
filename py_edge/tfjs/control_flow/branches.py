"""If, and TensorFlow 1's bare Switch and Merge: one side where the predicate is known, a core `cond` or both else."""

from __future__ import annotations

from collections.abc import Sequence

from py_edge.errors import GraphError, PyEdgeError
from py_edge.tfjs.call import Call
from py_edge.tfjs.control_flow.calls import (
    body_of,
    call_function,
    named_function,
    put_outputs,
    run_function,
    truth,
)
from py_edge.tfjs.tf_graph import Function
from py_edge.tfjs.trace import DEAD, Dead, Value


def if_(c: Call) -> list[Value]:
    """then_branch where the predicate holds."""
    pred, args = c.id(0), c.values[1:]
    branches = [named_function(c, "else_branch"), named_function(c, "then_branch")]
    flat = c.trace.static(truth(c, pred))
    if flat is None:
        both = _both(c, truth(c, pred), branches, args)
        if both is not None:
            return both
        flat = c.trace.known(truth(c, pred))
    return call_function(c, branches[bool(flat[0])], args)


def _both(c: Call, pred: int, branches: list[Function], args: Sequence[Value]) -> list[Value] | None:
    """A core cond, when both branches give tensors of the same shapes and need no event."""
    if not all(isinstance(a, int) and c.b.dtype(a) != "string" for a in args):
        return None
    traces = []
    try:
        for function in branches:
            trace, inner = body_of(c.trace, [a for a in args if isinstance(a, int)])
            values = run_function(trace, c.run, function, list(inner)).pull(function.outputs)
            if not all(isinstance(v, int) for v in values):
                return None
            put_outputs(trace, [v for v in values if isinstance(v, int)])
            traces.append(trace)
    except PyEdgeError:
        return None
    specs = [[t.b.graph.specs[v] for v in t.b.graph.outputs.values()] for t in traces]
    if specs[0] != specs[1] or any(s.dtype == "string" for s in specs[0]):
        return None
    ids = [a for a in args if isinstance(a, int)]
    graphs = [t.b.graph for t in traces]
    return list(c.b.ops("cond", pred, *ids, then_branch=graphs[1], else_branch=graphs[0]))


def switch(c: Call) -> list[Value]:
    """(false side, true side): with a static predicate one is dead, else both live and carry the predicate along."""
    data, pred = c.values[0], truth(c, c.id(1))
    flat = c.trace.static(pred)
    if flat is None and (c.node.inputs[1].name in c.trace.shared.concrete or not isinstance(data, int)):
        flat = c.trace.known(pred)
    if flat is not None:
        return [DEAD, data] if flat[0] else [data, DEAD]
    for side in (0, 1):
        c.run.guards[f"{c.node.name}:{side}"] = {pred: bool(side)}
    return [data, data]


def switch_n(c: Call) -> list[Value]:
    """Case, lowered: the output that the index names is alive; an index outside means the last."""
    n = c.typed("num_outs", int, 0)
    index = int(c.trace.known(c.id(1))[0])
    chosen = index if 0 <= index < n else n - 1
    return [c.values[0] if i == chosen else DEAD for i in range(n)]


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
