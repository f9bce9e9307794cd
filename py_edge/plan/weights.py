"""The weights space of a plan and the blob that fills it: resident constants, and panels packed from constants at init."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from py_edge.plan import abi
from py_edge.plan.arena import Slot, align
from py_edge.plan.scope import Constant, constant, operand
from py_edge.plan.site import Step
from py_edge.tensor import Tensor


@dataclass(slots=True)
class Weights:
    """panel: columns of a packed panel. A constant that several graphs hold stands once."""

    panel: int
    constants: list[Constant] = field(default_factory=list)
    panels: dict[tuple[str, int, tuple[int, ...]], tuple[Constant, Slot]] = field(default_factory=dict)
    _fixed: dict[int, Constant] = field(default_factory=dict)

    def place(self, tensor: Tensor, changes: bool) -> Constant:
        """The slot of a constant, or of a variable that the graph changes."""
        slot = None if changes else self._fixed.get(id(tensor))
        if slot is None:
            slot = constant(tensor, fixed=not changes)
            self.constants.append(slot)
            if not changes:
                self._fixed[id(tensor)] = slot
        return slot

    def packed(self, kernel: str, source: Constant, matrices: int, matrix: tuple[int, ...]) -> Slot:
        """The slot of a constant's panels. matrix: groups, group, k, n, row, col, as of the kernel that packs them."""
        key = (kernel, id(source), matrix)
        if key not in self.panels:
            _, _, k, n, _, _ = matrix
            size = matrices * -(-n // self.panel) * self.panel * k * 4
            self.panels[key] = (source, Slot(size, 0, 0, abi.WEIGHTS))
        return self.panels[key][1]

    def layout(self) -> tuple[int, bytes, list[Step]]:
        """Give every slot its offset. Returns the size in bytes, the blob, and the steps that fill the one from the other.

        The blob holds the resident constants first, then what is only packed from it.
        """
        blob = bytearray()
        for slot in self.constants:
            if slot.resident:
                slot.offset = _put(blob, slot.tensor)
        resident_bytes = size = len(blob)
        source_at: dict[int, int] = {}
        for source, panels in self.panels.values():
            panels.offset, size = size, size + align(panels.size_bytes)
            if id(source) not in source_at:
                source_at[id(source)] = source.offset if source.resident else _put(blob, source.tensor)
        return size, bytes(blob), self._init_steps(resident_bytes, source_at)

    def _init_steps(self, resident_bytes: int, source_at: Mapping[int, int]) -> list[Step]:
        steps: list[Step] = []
        if resident_bytes:
            ones, zeros = [1] * 7, [0] * 7
            words = [abi.WEIGHTS, abi.BLOB, 4, 1, resident_bytes // 4, *ones, 0, 1, *zeros, 0, 1, *zeros]
            steps.append(("copy", words))
        for (kernel, _, matrix), (source, panels) in self.panels.items():
            steps.append((kernel, [operand(panels), source_at[id(source)] | abi.BLOB, *matrix]))
        return steps


def _put(blob: bytearray, tensor: Tensor | None) -> int:
    assert tensor is not None
    at = len(blob)
    blob.extend(tensor.data)
    blob.extend(b"\0" * (align(len(blob)) - len(blob)))
    return at
