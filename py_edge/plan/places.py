"""Where one node's operands live: site.Memory over a scope. The first walk takes notes, the second tells offsets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from py_edge.graph.graph import Node
from py_edge.plan.arena import Slot
from py_edge.plan.scope import Constant, Scope, operand, reside
from py_edge.plan.site import Site, Step
from py_edge.plan.steps import steps_of
from py_edge.plan.weights import Weights
from py_edge.tensor import Tensor


@dataclass(slots=True)
class Places:
    """index: of the node in its graph. time: of the first walk; None in the second, when offsets are known."""

    weights: Weights
    scope: Scope
    index: int
    time: int | None
    _given: Iterator[Slot] = field(init=False)

    def __post_init__(self) -> None:
        self._given = iter(self.scope.temporaries.get(self.index, []))

    def operand(self, value: int) -> int:
        slot = self.scope.place[value]
        reside(slot)
        return self._word(slot)

    def constant(self, value: int) -> Tensor | None:
        slot = self._fixed(value)
        return slot.tensor if slot else None

    def packed(self, value: int, groups: int, group: int, k: int, n: int, row: int, col: int) -> int | None:
        return self._packed("pack_b", value, groups, (groups, group, k, n, row, col))

    def packed_winograd(self, value: int, c: int, o: int) -> int | None:
        return self._packed("pack_winograd", value, 16, (9, c * o, c, o, o, 1))

    def temporary(self, size_bytes: int) -> int:
        if self.time is None:
            return operand(next(self._given))
        self.scope.temporaries.setdefault(self.index, []).append(Slot(size_bytes, self.time, self.time))
        return 0

    def _packed(self, kernel: str, value: int, matrices: int, matrix: tuple[int, ...]) -> int | None:
        slot = self._fixed(value)
        return self._word(self.weights.packed(kernel, slot, matrices, matrix)) if slot else None

    def _fixed(self, value: int) -> Constant | None:
        slot = self.scope.place[value]
        return slot if isinstance(slot, Constant) and slot.fixed else None

    def _word(self, slot: Slot) -> int:
        return 0 if self.time is not None else operand(slot)


def node_steps(weights: Weights, scope: Scope, index: int, node: Node, time: int | None) -> list[Step]:
    """time: in the first walk, when only what is asked for counts; None in the second, whose words are the plan's."""
    specs = scope.graph.specs
    ins, outs = tuple(specs[v] for v in node.inputs), tuple(specs[v] for v in node.outputs)
    if all(spec.size == 0 for spec in outs):
        return []
    return steps_of(Site(node, ins, outs, Places(weights, scope, index, time), weights.panel))
