"""Graph -> Plan, in two walks over the same nodes: the first finds out what needs room and how long, the second writes.

Between the two the arena is laid out (arena.py) and the weights are (weights.py): constants which a kernel wants packed
are packed once at init from the blob; the others are copied there.
"""

from __future__ import annotations

from array import array
from typing import Any

from py_edge.graph.graph import Graph
from py_edge.plan import lifetimes
from py_edge.plan.arena import Slot, assign, largest_live_bytes
from py_edge.plan.plan import Plan, Port
from py_edge.plan.scope import Constant, Scope
from py_edge.plan.weights import Weights
from py_edge.plan.writer import Writer


def compile_graph(graph: Graph, panel: int, meta: dict[str, Any] | None = None) -> Plan:
    """panel: columns per packed panel of the library that will run it (library.panel; 8 in WebAssembly).

    Raises UnsupportedError for a host step or an op without a kernel.
    """
    scope, weights = Scope(graph), Weights(panel)
    for value in graph.inputs.values():
        scope.new(value, 0)
    end = lifetimes.walk(scope, 0, weights) + 1
    results = lifetimes.finish(scope, end)
    slots = lifetimes.arena_slots(scope)
    arena_bytes, live_bytes = assign(slots), largest_live_bytes(slots)
    weights_bytes, blob, init_steps = weights.layout()

    writer = Writer(weights)
    init = writer.append(init_steps)
    run = writer.append(writer.steps(scope))

    def port(name: str, value: int, slot: Slot) -> Port:
        spec = graph.specs[value]
        return Port(name, spec.shape, spec.dtype, slot.offset)

    variables = [(name, value, scope.place[value]) for value, name in graph.variables.items()]
    return Plan(
        inputs=tuple(port(name, value, scope.place[value]) for name, value in graph.inputs.items()),
        outputs=tuple(port(name, value, results[name]) for name, value in graph.outputs.items()),
        variables=tuple(port(*row) for row in variables if isinstance(row[2], Constant) and row[2].resident),
        init=init, run=run, arena_bytes=arena_bytes, weights_bytes=weights_bytes, panel=panel,
        code=array("i", writer.words).tobytes(), blob=blob, meta=meta or {}, live_bytes=live_bytes,
    )  # fmt: skip
