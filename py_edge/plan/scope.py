"""What the compiler knows of one graph or loop body: where each value lives, and how often it will still be read."""

from __future__ import annotations

from dataclasses import dataclass, field

from py_edge.graph.graph import Graph, Node
from py_edge.plan.abi import OPERAND_ALIGN, WEIGHTS
from py_edge.plan.arena import Slot
from py_edge.tensor import ITEM_BYTES, Tensor


@dataclass(slots=True, eq=False)
class Constant(Slot):
    """A slot in the weights space. fixed: nothing writes to it, so a packed copy may stand for it."""

    tensor: Tensor | None = None
    fixed: bool = True
    resident: bool = False


def constant(tensor: Tensor, fixed: bool) -> Constant:
    return Constant(tensor.nbytes, 0, 0, WEIGHTS, tensor=tensor, fixed=fixed)


@dataclass(slots=True, eq=False)
class View(Slot):
    """A part of another slot, `start` bytes into it: an unbroken slice is not copied."""

    base: Slot = field(kw_only=True)
    start: int = field(kw_only=True)

    def use(self, time: int) -> None:
        self.base.use(time)
        self.first, self.last = min(self.first, time), max(self.last, time)


def base_of(slot: Slot) -> Slot:
    """The slot that owns the bytes."""
    return base_of(slot.base) if isinstance(slot, View) else slot


def operand(slot: Slot) -> int:
    """The word of the code that says where the slot lies, once offsets are known."""
    return operand(slot.base) + slot.start if isinstance(slot, View) else slot.offset | slot.space


def reside(slot: Slot) -> None:
    """Note that the bytes are read where they lie: a constant is then copied into the weights space."""
    base = base_of(slot)
    if isinstance(base, Constant):
        base.resident = True


@dataclass(slots=True, eq=False)
class Scope:
    """place: value id -> slot. reads: root value -> reads still to come. children: bodies of control nodes, by node index."""

    graph: Graph
    place: dict[int, Slot] = field(default_factory=dict)
    reads: dict[int, int] = field(default_factory=dict)
    root: dict[int, int] = field(default_factory=dict)
    owned: set[int] = field(default_factory=set)
    children: dict[int, list[Scope]] = field(default_factory=dict)
    temporaries: dict[int, list[Slot]] = field(default_factory=dict)
    moves: list[tuple[Slot, Slot]] = field(default_factory=list)
    results: list[Slot] = field(default_factory=list)

    def __post_init__(self) -> None:
        for node in self.graph.nodes:
            if node.op == "reshape" or self.slice_start(node) is not None:
                self.root[node.outputs[0]] = self.root_of(node.inputs[0])
        for value, times in self.graph.uses().items():
            self.reads[self.root_of(value)] = self.reads.get(self.root_of(value), 0) + times

    def root_of(self, value: int) -> int:
        return self.root.get(value, value)

    def nbytes(self, value: int) -> int:
        spec = self.graph.specs[value]
        return spec.size * ITEM_BYTES[spec.dtype]

    def slice_start(self, node: Node) -> int | None:
        """Where in its input an unbroken slice starts, in bytes; None for other nodes and when no operand can say it."""
        if node.op != "slice" or any(s != 1 for s in node.attrs.get("strides") or ()):
            return None
        source, out = self.graph.specs[node.inputs[0]], self.graph.specs[node.outputs[0]]
        partial = [axis for axis, size in enumerate(out.shape) if size != source.shape[axis]]
        if not out.size or any(size != 1 for size in out.shape[: max(partial, default=0)]):
            return None
        start = 0
        for begin, size in zip(node.attrs["begin"], source.shape, strict=True):
            start = start * size + begin
        start *= ITEM_BYTES[out.dtype]
        return start if start % OPERAND_ALIGN == 0 else None

    def view(self, node: Node, start: int, time: int) -> None:
        """The output of a slice lives in its input's slot."""
        base, value = self.place[node.inputs[0]], node.outputs[0]
        self.place[value] = View(self.nbytes(value), time, time, base.space, base=base, start=start)

    def new(self, value: int, time: int) -> Slot:
        """A fresh arena slot for a value that is made at `time`."""
        self.place[value] = Slot(self.nbytes(value), time, time)
        self.owned.add(self.root_of(value))
        return self.place[value]

    def read(self, node: Node, time: int) -> None:
        """Note that `node` reads its inputs at `time`."""
        for value in node.inputs:
            self.place[value].use(time)
            self.reads[self.root_of(value)] -= 1

    def dies_here(self, value: int) -> bool:
        """After `read`: nobody, and no output, reads this value again, and its slot is this scope's own."""
        return self.reads[self.root_of(value)] == 0 and self.root_of(value) in self.owned
