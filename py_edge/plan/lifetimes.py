"""The first walk of the compiler: every value of a graph and of its bodies gets a slot, every slot its lifetime.

Reshapes and unbroken slices share their input's slot; an elementwise node (or an optimizer's) takes over the slot of an
input that dies there, or writes straight into the variable that it updates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from py_edge.graph.graph import Node, Spec
from py_edge.graph.ops import OPS
from py_edge.plan import abi
from py_edge.plan.arena import Slot
from py_edge.plan.places import node_steps
from py_edge.plan.scope import Scope, View, base_of, reside
from py_edge.plan.weights import Weights
from py_edge.tensor import ITEM_BYTES

BODIES = {"scan": ("body",), "while": ("cond", "body"), "cond": ("then_branch", "else_branch")}
"""Attributes of a control node that hold graphs."""
_IN_PLACE = {"softmax", "log_softmax"}
_BY_ELEMENT = {"elementwise", "adam"}
"""Kernels that read element i of every input before they write it."""


def walk(scope: Scope, time: int, weights: Weights) -> int:
    """Give every value of the scope a slot; returns the time after its last node."""
    changed = set(scope.graph.updates)
    for value, tensor in scope.graph.constants.items():
        scope.place[value] = weights.place(tensor, changes=value in changed)
    for index, node in enumerate(scope.graph.nodes):
        time += 1
        scope.read(node, time)
        if node.op == "reshape":
            scope.place[node.outputs[0]] = scope.place[node.inputs[0]]
        elif (start := scope.slice_start(node)) is not None:
            scope.view(node, start, time)
        elif node.op in BODIES:
            time = _walk_control(scope, index, node, time, weights)
        else:
            _place_outputs(scope, node, time)
            node_steps(weights, scope, index, node, time)
    return time


def finish(scope: Scope, end: int) -> dict[str, Slot]:
    """Slots of the outputs by name: they live to the end, in the arena. Updates not written in place are copied last."""
    results = {}
    for name, value in scope.graph.outputs.items():
        slot = scope.place[value]
        if slot.space != abi.ARENA or isinstance(slot, View):
            slot.use(end)
            copy = Slot(slot.size_bytes, end, end)
            scope.moves.append((slot, copy))
            slot = copy
        slot.use(end)
        results[name] = slot
    for variable, value in scope.graph.updates.items():
        if scope.place[value] is not scope.place[variable]:
            scope.place[value].use(end)
            scope.moves.append((scope.place[value], scope.place[variable]))
    for source, target in scope.moves:
        reside(source)
        reside(target)
    return results


def arena_slots(scope: Scope) -> list[Slot]:
    """All arena slots of the scope and its bodies, each once."""
    found = {id(s): s for s in _slots(scope) if s.space == abi.ARENA and not isinstance(s, View)}
    return list(found.values())


def _slots(scope: Scope) -> Iterator[Slot]:
    yield from scope.place.values()
    for row in (*scope.temporaries.values(), *scope.moves, scope.results):
        yield from row
    for children in scope.children.values():
        for child in children:
            yield from _slots(child)


def _place_outputs(scope: Scope, node: Node, time: int) -> None:
    taken: set[int] = set()
    for value in node.outputs:
        slot = _reusable(scope, node, value, taken)
        if slot is None:
            scope.new(value, time)
        else:
            taken.add(id(slot))
            scope.place[value] = slot
            scope.owned.add(scope.root_of(value))
            slot.use(time)


def _reusable(scope: Scope, node: Node, value: int, taken: set[int]) -> Slot | None:
    """The slot of a dying input (or of the variable being updated) that the output may be written to."""
    by_element = OPS[node.op].kernel in _BY_ELEMENT
    if not by_element and node.op not in _IN_PLACE:
        return None
    for variable, new in scope.graph.updates.items():
        slot = scope.place[variable]
        if by_element and new == value and not scope.reads.get(variable) and id(slot) not in taken:
            return slot
    for source in node.inputs:
        slot = scope.place[source]
        free = slot.space == abi.ARENA and not isinstance(slot, View) and id(slot) not in taken
        if free and scope.dies_here(source) and _read_alike(scope, node, slot, scope.graph.specs[value]):
            return slot
    return None


def _read_alike(scope: Scope, node: Node, slot: Slot, out: Spec) -> bool:
    """Whether the node reads the slot only in the shape and item size that it writes."""
    specs = [scope.graph.specs[v] for v in node.inputs if base_of(scope.place[v]) is slot]
    return all(s.shape == out.shape and ITEM_BYTES[s.dtype] == ITEM_BYTES[out.dtype] for s in specs)


def _walk_control(scope: Scope, index: int, node: Node, start: int, weights: Weights) -> int:
    """Bodies share the outer slots of what does not change; carries and slices get slots for the whole loop."""
    n_scan, n_carry = node.attrs.get("n_scan", 0), node.attrs.get("n_carry", 0)
    first_argument = 1 if node.op == "cond" else 0
    carried = [Slot(scope.nbytes(v), start, start) for v in node.inputs[n_scan : n_scan + n_carry]]
    outer = [scope.place[v] for v in node.inputs[first_argument:]]
    time, children = start, []
    for name in BODIES[node.op]:
        child = Scope(node.attrs[name])
        _place_arguments(child, outer, n_scan, carried, start)
        time = walk(child, time, weights) + 1
        children.append(child)
    scope.children[index] = children
    for value in [*node.inputs[:first_argument], *node.inputs[: n_scan + n_carry]]:
        reside(scope.place[value])
    results = [*carried, *(Slot(scope.nbytes(v), start, start) for v in node.outputs[n_carry:])]
    for child in children:
        _end_body(child, carried, results, node.op)
    _outlive(scope, node, children, results, start, time)
    for value, slot in zip(node.outputs, results, strict=True):
        scope.place[value] = slot
    return time


def _place_arguments(
    child: Scope, outer: Sequence[Slot], n_scan: int, carried: Sequence[Slot], start: int
) -> None:
    """A body's inputs: slices of what is scanned, then the carries, then what stays as it is."""
    for position, (value, slot) in enumerate(zip(child.graph.inputs.values(), outer, strict=True)):
        if position < n_scan:
            child.place[value] = Slot(child.nbytes(value), start, start)
        elif position < n_scan + len(carried):
            child.place[value] = carried[position - n_scan]
        else:
            child.place[value] = slot


def _end_body(child: Scope, carried: list[Slot], results: list[Slot], op: str) -> None:
    """What a body leaves: a carry that is another carry's old value goes through a copy; branches copy to the results."""
    for position, value in enumerate(child.graph.outputs.values()):
        slot = child.place[value]
        reside(slot)
        if op == "cond":
            child.moves.append((slot, results[position]))
        elif position < len(carried) and base_of(slot) in carried and slot is not carried[position]:
            copy = Slot(slot.size_bytes, slot.first, slot.last)
            child.moves.append((slot, copy))
            slot = copy
        child.results.append(slot)


def _outlive(
    scope: Scope, node: Node, children: list[Scope], results: list[Slot], start: int, time: int
) -> None:
    """What a body reads from outside, carries or leaves lives until the control node ends, at `time`."""
    inner = [slot for child in children for slot in child.place.values()]
    for slot in [*results, *inner, *(scope.place[v] for v in node.inputs)]:
        if slot.space == abi.ARENA and (slot.first <= start or slot in results):
            slot.use(time)
    for child in children:
        for value in child.graph.outputs.values():
            child.place[value].use(time)
        for _, target in child.moves:
            target.use(time)
