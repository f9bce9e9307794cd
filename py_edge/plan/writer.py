"""The second walk of the compiler: the words of a plan's code. Bodies of loops and branches stand before their node."""

from __future__ import annotations

from dataclasses import dataclass, field

from py_edge.graph.graph import Node
from py_edge.plan import abi
from py_edge.plan.arena import Slot
from py_edge.plan.lifetimes import BODIES
from py_edge.plan.places import node_steps
from py_edge.plan.scope import Scope, operand
from py_edge.plan.site import Step
from py_edge.plan.weights import Weights

MOST_TURNS = 1_000_000
"""Of a while loop; beyond it the run ends with PE_LOOP_LIMIT."""


@dataclass(slots=True)
class Writer:
    """words: the code as far as it is written."""

    weights: Weights
    words: list[int] = field(default_factory=list)

    def append(self, steps: list[Step]) -> tuple[int, int]:
        """Write steps; returns where they begin and end."""
        begin = len(self.words)
        for kernel, words in steps:
            self.words += [abi.KERNEL[kernel], len(words), *words]
        return begin, len(self.words)

    def steps(self, scope: Scope) -> list[Step]:
        """The steps of a scope, its bodies already written."""
        steps: list[Step] = []
        for index, node in enumerate(scope.graph.nodes):
            if node.op in BODIES:
                steps += self._control(scope, index, node)
            elif node.op != "reshape" and scope.slice_start(node) is None:
                steps += node_steps(self.weights, scope, index, node, None)
        return steps + [_move(source, target) for source, target in scope.moves]

    def _control(self, scope: Scope, index: int, node: Node) -> list[Step]:
        children = scope.children[index]
        ranges = [word for child in children for word in self.append(self.steps(child))]
        if node.op == "cond":
            return [("cond", [operand(scope.place[node.inputs[0]]), *ranges])]
        n_scan, n_carry = node.attrs.get("n_scan", 0), node.attrs["n_carry"]
        body = children[-1]
        inputs = list(body.graph.inputs.values())
        carried = [body.place[value] for value in inputs[n_scan : n_scan + n_carry]]
        outer = node.inputs[n_scan : n_scan + n_carry]
        starts = [_move(scope.place[v], slot) for v, slot in zip(outer, carried, strict=True)]
        carry_moves = [
            _stride_move(slot, result, result.size_bytes, 0)
            for slot, result in zip(carried, body.results, strict=False)
            if slot is not result
        ]
        if node.op == "while":
            flag = operand(children[0].results[0])
            words = [flag, *ranges, MOST_TURNS, len(carry_moves)]
            return [*starts, ("while", [*words, *_flat(carry_moves)])]
        slices = [
            _stride_move(body.place[v], scope.place[whole], body.nbytes(v), body.nbytes(v))
            for v, whole in zip(inputs[:n_scan], node.inputs, strict=False)
        ]
        rows = [
            _stride_move(scope.place[whole], row, row.size_bytes, row.size_bytes)
            for whole, row in zip(node.outputs[n_carry:], body.results[n_carry:], strict=True)
        ]
        words = [node.attrs["length"], int(node.attrs.get("reverse", False)), *ranges]
        words += [len(slices), len(rows), len(carry_moves)]
        return [*starts, ("scan", [*words, *_flat([*slices, *rows, *carry_moves])])]


def _stride_move(target: Slot, source: Slot, size_bytes: int, stride_bytes: int) -> list[int]:
    """struct pe_move: what is copied at each turn of a loop; the outer side goes on by the stride."""
    return [operand(target), operand(source), size_bytes, stride_bytes]


def _flat(moves: list[list[int]]) -> list[int]:
    return [word for move in moves for word in move]


def _move(source: Slot, target: Slot) -> Step:
    """A plain byte copy of a whole slot."""
    ones, zeros = [1] * 7, [0] * 7
    unit = 4 if source.size_bytes % 4 == 0 else 1
    n = source.size_bytes // unit
    return ("copy", [operand(target), operand(source), unit, 1, n, *ones, 0, 1, *zeros, 0, 1, *zeros])
