"""graph -> Run on this machine's kernels: the passes, the plan, the library; plans are kept and used again.

Fine-tuning comes back with the same graph and other weights every few answers. A plan depends on the graph's shape and on its
constants, but not on the values of the variables that it updates: those are written into each new run.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

from py_edge.errors import PyEdgeError
from py_edge.graph import Graph
from py_edge.kernels.load import Library, library
from py_edge.passes.pipeline import INFERENCE, Evaluate, optimize
from py_edge.plan import Plan, Run, compile_graph, evaluate
from py_edge.tensor import Tensor
from py_edge.train.recompute import recompute

SMALL_BYTES = 256
PASSES = (*INFERENCE, recompute)


class Starter:
    """Keeps the last plans, at most `keep` and `keep_bytes` of constants, with the tensors that they were made from."""

    def __init__(self, keep: int = 12, keep_bytes: int = 32 << 20) -> None:
        self.keep, self.keep_bytes = keep, keep_bytes
        self._plans: OrderedDict[Hashable, tuple[Plan, list[Tensor]]] = OrderedDict()

    def __call__(self, graph: Graph) -> Run:
        """A run of the graph, ready to be fed. Weights that no update changes are constants to the passes."""
        kernels = library()
        held: list[Tensor] = []
        key = (kernels.name, _key(graph, held))
        if key not in self._plans:
            self._plans[key] = (compile_graph(_optimized(graph, kernels), kernels.panel), held)
        self._plans.move_to_end(key)
        run = Run(self._plans[key][0], kernels)
        while len(self._plans) > self.keep or self._bytes() > self.keep_bytes:
            self._plans.popitem(last=False)
        names = set(run.variables)
        for value, name in graph.variables.items():
            if value in graph.updates and name in names:
                run.variable_view(name)[:] = graph.constants[value].data.cast("B")
        return run

    def _bytes(self) -> int:
        return sum(len(plan.blob) for plan, _ in self._plans.values())


def _optimized(graph: Graph, kernels: Library) -> Graph:
    """All passes with one check at the end; when it fails, again with a check after each, which names the pass."""

    def every(given: Graph, compute: Evaluate) -> Graph:
        for each in PASSES:
            given = each(given, compute)
        return given

    def compute(part: Graph) -> dict[str, Tensor]:
        return evaluate(part, kernels)

    try:
        return optimize(graph, compute, (every,))
    except PyEdgeError:
        return optimize(graph, compute, PASSES)


def _key(graph: Graph, held: list[Tensor]) -> Hashable:
    """Equal for graphs that differ in the values of updated variables only. Large constants count by identity: `held`
    keeps them alive as long as the key is."""
    constants: list[Hashable] = []
    for value, tensor in graph.constants.items():
        if value in graph.updates:
            constants.append((value, graph.variables.get(value)))
        elif tensor.nbytes <= SMALL_BYTES:
            constants.append((value, tensor.tobytes()))
        else:
            held.append(tensor)
            constants.append((value, id(tensor)))
    nodes = tuple(
        (n.op, n.inputs, n.outputs, tuple((k, _frozen(v, held)) for k, v in sorted(n.attrs.items())))
        for n in graph.nodes
    )
    specs = tuple((s.shape, s.dtype) for s in graph.specs)
    ends = (graph.inputs, graph.outputs, graph.updates, graph.variables)
    return specs, nodes, tuple(constants), tuple(tuple(end.items()) for end in ends)


def _frozen(value: Any, held: list[Tensor]) -> Hashable:
    if isinstance(value, Graph):
        return _key(value, held)
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(item, held) for item in value)
    if isinstance(value, dict):
        return tuple((k, _frozen(v, held)) for k, v in sorted(value.items()))
    return (type(value).__name__, value)  # 1, 1.0 and True are other attributes


start = Starter()
