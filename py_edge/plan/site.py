"""What a step's writer gets: the node, its specs, and where its operands live in the plan's spaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from py_edge.graph.graph import Node, Spec
from py_edge.plan import abi
from py_edge.tensor import Tensor

Step = tuple[str, list[int]]


class Memory(Protocol):
    """What the compiler offers while a node is being turned into steps."""

    def operand(self, value: int) -> int:
        """The operand word of a value."""

    def constant(self, value: int) -> Tensor | None:
        """The tensor of a value that never changes, else None."""

    def packed(self, value: int, groups: int, group: int, k: int, n: int, row: int, col: int) -> int | None:
        """The operand of a constant's panels, packed at init (params as in pe_pack_b); None for a value that changes."""

    def packed_winograd(self, value: int, c: int, o: int) -> int | None:
        """The same of 3 x 3 filters for conv2d_winograd."""

    def temporary(self, size_bytes: int) -> int:
        """The operand of bytes that are free during this node."""


@dataclass(frozen=True, slots=True)
class Site:
    """One node, its specs, its memory. panel: columns of a packed panel."""

    node: Node
    ins: tuple[Spec, ...]
    outs: tuple[Spec, ...]
    memory: Memory
    panel: int

    def at(self, index: int) -> int:
        return self.memory.operand(self.node.inputs[index])

    @property
    def out(self) -> int:
        return self.memory.operand(self.node.outputs[0])

    def attr(self, name: str, default: Any = None) -> Any:
        return self.node.attrs.get(name, default)

    def scratch(self, floats: int) -> list[int]:
        return [self.memory.temporary(floats * 4), floats * 4]

    def epilogue(self) -> tuple[list[int], list[int]]:
        """([bias, residual], [act, alpha, residual_before_act]) of a fused product."""
        extra = iter(range(2, len(self.node.inputs)))
        bias = self.at(next(extra)) if self.attr("bias") else abi.NONE
        residual = self.at(next(extra)) if self.attr("residual") else abi.NONE
        name, alpha = self.attr("activation") or "copy", self.attr("alpha")
        alpha = abi.DEFAULT_ALPHA.get(name, 0.0) if alpha is None else alpha
        return [bias, residual], [
            abi.UNARY[name],
            abi.bits(alpha),
            int(self.attr("residual_before_act", False)),
        ]

    def window(self, kernel: tuple[int, int]) -> list[int]:
        """kernel, strides, dilations, top and left padding: two words each, as pe.h has them."""
        (top, _), (left, _) = self.attr("padding", ((0, 0), (0, 0)))
        return [*kernel, *self.attr("strides", (1, 1)), *self.attr("dilations", (1, 1)), top, left]
