"""Functions of a graph: called in line, or lowered into a graph of their own as a body of a loop or a branch."""

from __future__ import annotations

from collections.abc import Sequence

from py_edge.errors import GraphError
from py_edge.tensor import Tensor
from py_edge.tfjs.call import Call, Run
from py_edge.tfjs.idioms import axes
from py_edge.tfjs.tf_graph import Function
from py_edge.tfjs.trace import Trace, Value

SMALL = 64


def call_function(c: Call, function: Function, args: Sequence[Value]) -> list[Value]:
    """Inline."""
    return run_function(c.trace, c.run, function, args).pull(function.outputs)


def run_function(trace: Trace, outer: Run, function: Function, args: Sequence[Value]) -> Run:
    if len(args) < len(function.args):
        raise GraphError(
            "a function wants more arguments", where=function.name, got=len(args), want=len(function.args)
        )
    return Run(trace, function.nodes, dict(zip(function.args, args, strict=False)), outer.table)


def named_function(c: Call, key: str) -> Function:
    name = c.attr(key)
    function = c.trace.shared.functions.get(name) if isinstance(name, str) else None
    if function is None:
        raise GraphError("there is no such function", where=c.node.where, got=name)
    return function


def partitioned_call(c: Call) -> list[Value]:
    return call_function(c, named_function(c, "f"), c.values)


def body_of(trace: Trace, args: Sequence[int]) -> tuple[Trace, list[int]]:
    """A child trace with an input per argument; small constants are constants inside as well."""
    child, inner = trace.child(), []
    for index, arg in enumerate(args):
        spec = trace.b.spec(arg)
        id_ = child.b.input(f"a{index}", spec.shape, spec.dtype)
        flat = trace.static(arg) if spec.size <= SMALL else None
        if flat is not None:
            id_ = child.b.constant(Tensor.from_flat(flat, spec.shape, spec.dtype))
        inner.append(id_)
    return child, inner


def put_outputs(trace: Trace, values: Sequence[int]) -> None:
    for index, value in enumerate(values):
        trace.b.output(f"r{index}", value)


def truth(c: Call, pred: int) -> int:
    """A predicate as one bool."""
    b = c.b
    if b.dtype(pred) != "bool":
        pred = b.op("not_equal", pred, b.scalar(0, b.dtype(pred)))
    return axes.reshape(b, pred, ())
