"""Graph -> Plan, in two walks over the same nodes: the first finds out what needs room and how long, the second writes.

Between the two the arena is laid out. Reshapes and unbroken slices share their input's slot; an elementwise node (or an optimizer's) takes over the slot of an
input that dies there, or writes straight into the variable that it updates. Constants which a kernel wants packed are
packed once at init from the blob; the others are copied there. Bodies of loops and branches stand before their node.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any

from py_edge.errors import UnsupportedError
from py_edge.graph.graph import Graph, Node
from py_edge.graph.ops import OPS
from py_edge.plan import abi
from py_edge.plan.arena import Slot, align, assign, largest_live_bytes
from py_edge.plan.plan import Plan, Port
from py_edge.plan.scope import Constant, Scope, View, base_of, constant
from py_edge.plan.site import Site, Step
from py_edge.plan.steps import STEPS, elementwise
from py_edge.tensor import ITEM_BYTES, Tensor

_CONTROL = {"scan", "cond", "while"}
_IN_PLACE = {"softmax", "log_softmax"}
_BY_ELEMENT = {"elementwise", "adam"}
"""Kernels that read element i of every input before they write it."""


def compile_graph(graph: Graph, panel: int, meta: dict[str, Any] | None = None) -> Plan:
    """panel: columns per packed panel of the library that will run it (library.panel; 8 in WebAssembly).

    Raises UnsupportedError for a host step or an op without a kernel.
    """
    return _Compiler(graph, panel).compile(meta or {})


class _Compiler:
    def __init__(self, graph: Graph, panel: int) -> None:
        self.graph, self.panel = graph, panel
        self.constants: dict[int, Constant] = {}
        self.panels: dict[tuple[str, int, tuple[int, ...]], tuple[Constant, Slot]] = {}
        self.slots: list[Slot] = []
        self.words: list[int] = []
        self.end = 0

    def compile(self, meta: dict[str, Any]) -> Plan:
        scope = Scope(self.graph)
        for value in self.graph.inputs.values():
            scope.new(value, 0)
        self.end = self.walk(scope, 0) + 1
        results = self.finish(scope)
        self.collect(scope)
        arena_bytes, live_bytes = assign(self.slots), largest_live_bytes(self.slots)
        weights_bytes, blob = self.layout_weights()

        init = self.append(self.init_steps())
        run_words = [word for step in self.scope_steps(scope) for word in _encode(step)]
        begin = len(self.words)
        self.words += run_words
        return Plan(
            inputs=tuple(self.port(name, v, scope.place[v]) for name, v in self.graph.inputs.items()),
            outputs=tuple(self.port(name, v, results[name]) for name, v in self.graph.outputs.items()),
            variables=tuple(
                self.port(name, value, scope.place[value])
                for value, name in self.graph.variables.items()
                if _is_resident(scope.place[value])
            ),
            init=init, run=(begin, len(self.words)), arena_bytes=arena_bytes, weights_bytes=weights_bytes,
            panel=self.panel, code=array("i", self.words).tobytes(), blob=blob, meta=meta, live_bytes=live_bytes,
        )  # fmt: skip

    def port(self, name: str, value: int, slot: Slot) -> Port:
        spec = self.graph.specs[value]
        return Port(name, spec.shape, spec.dtype, slot.offset)

    # The first walk: slots and lifetimes.

    def walk(self, scope: Scope, time: int) -> int:
        """Give every value of the scope a slot; returns the time after its last node."""
        changed = set(scope.graph.updates)
        for value, tensor in scope.graph.constants.items():
            if value in changed:
                variable = constant(tensor, fixed=False)
                scope.place[value] = self.constants[-len(self.constants) - 1] = variable
            else:
                scope.place[value] = self.constants.setdefault(id(tensor), constant(tensor, fixed=True))
        for index, node in enumerate(scope.graph.nodes):
            time += 1
            scope.read(node, time)
            if node.op == "reshape":
                scope.place[node.outputs[0]] = scope.place[node.inputs[0]]
            elif (start := scope.slice_start(node)) is not None:
                scope.view(node, start, time)
            elif node.op in _CONTROL:
                time = self.walk_control(scope, index, node, time)
            else:
                self.walk_plain(scope, index, node, time)
        return time

    def walk_plain(self, scope: Scope, index: int, node: Node, time: int) -> None:
        taken: set[int] = set()
        for value in node.outputs:
            slot = self.reusable(scope, node, value, taken)
            if slot is None:
                scope.new(value, time)
            else:
                taken.add(id(slot))
                scope.place[value] = slot
                scope.owned.add(scope.root_of(value))
                slot.use(time)
        list(self.node_steps(scope, index, node, time))

    def reusable(self, scope: Scope, node: Node, value: int, taken: set[int]) -> Slot | None:
        """The slot of a dying input (or of the variable being updated) that the output may be written to."""
        in_place = OPS[node.op].kernel in _BY_ELEMENT
        if not in_place and node.op not in _IN_PLACE:
            return None
        spec = scope.graph.specs[value]
        for variable, new in scope.graph.updates.items():
            slot = scope.place[variable]
            if in_place and new == value and not scope.reads.get(variable) and id(slot) not in taken:
                return slot
        outputs = set(scope.graph.outputs.values())
        for source in node.inputs:
            slot = scope.place[source]
            readers = [scope.graph.specs[v] for v in node.inputs if base_of(scope.place[v]) is slot]
            same = all(
                r.shape == spec.shape and ITEM_BYTES[r.dtype] == ITEM_BYTES[spec.dtype] for r in readers
            )
            if (
                same
                and id(slot) not in taken
                and scope.dies_here(source)
                and source not in outputs
                and slot.space == abi.ARENA
                and not isinstance(slot, View)
            ):
                return slot
        return None

    def walk_control(self, scope: Scope, index: int, node: Node, start: int) -> int:
        """Bodies share the outer slots of what does not change; carries and slices get slots for the whole loop."""
        attrs = node.attrs
        bodies = {"scan": ["body"], "while": ["cond", "body"], "cond": ["then_branch", "else_branch"]}[
            node.op
        ]
        n_scan = attrs.get("n_scan", 0)
        n_carry = attrs.get("n_carry", 0)
        first_argument = 1 if node.op == "cond" else 0
        carried = [Slot(scope.nbytes(v), start, start) for v in node.inputs[n_scan : n_scan + n_carry]]
        time, children = start, []
        for name in bodies:
            child = Scope(attrs[name])
            names = list(child.graph.inputs.values())
            for position, (value, outer) in enumerate(zip(names, node.inputs[first_argument:], strict=True)):
                if position < n_scan:
                    child.place[value] = Slot(child.nbytes(value), start, start)
                elif position < n_scan + n_carry:
                    child.place[value] = carried[position - n_scan]
                else:
                    child.place[value] = scope.place[outer]
            time = self.walk(child, time) + 1
            children.append(child)
        scope.children[index] = children
        for value in [*node.inputs[:first_argument], *node.inputs[: n_scan + n_carry]]:
            _reside(scope.place[value])
        results = [*carried]
        for value in node.outputs[n_carry:]:
            results.append(Slot(scope.nbytes(value), start, start))
        for child in children:
            self.end_of_body(child, carried, results, node.op)
        for slot in [
            *carried,
            *results,
            *(s for c in children for s in c.place.values()),
            *(scope.place[v] for v in node.inputs),
        ]:
            if slot.space == abi.ARENA and (slot.first <= start or slot in results):
                slot.use(time)
        for child in children:
            for value in child.graph.outputs.values():
                child.place[value].use(time)
            for source, target in child.moves:
                source.use(time)
                target.use(time)
        for value, slot in zip(node.outputs, results, strict=True):
            scope.place[value] = slot
        return time

    def end_of_body(self, child: Scope, carried: list[Slot], results: list[Slot], op: str) -> None:
        """What a body leaves: a carry that is another carry's old value goes through a copy; branches copy to the results."""
        for position, value in enumerate(child.graph.outputs.values()):
            slot = child.place[value]
            _reside(slot)
            if op == "cond":
                child.moves.append((slot, results[position]))
            elif position < len(carried) and base_of(slot) in carried and slot is not carried[position]:
                copy = Slot(slot.size_bytes, slot.first, slot.last)
                child.moves.append((slot, copy))
                slot = copy
            child.results.append(slot)

    def finish(self, scope: Scope) -> dict[str, Slot]:
        """Outputs live to the end, in the arena; updates that were not written in place are copied last."""
        results = {}
        for name, value in self.graph.outputs.items():
            slot = scope.place[value]
            if slot.space != abi.ARENA or isinstance(slot, View):
                slot.use(self.end)
                copy = Slot(slot.size_bytes, self.end, self.end)
                scope.moves.append((slot, copy))
                slot = copy
            slot.use(self.end)
            results[name] = slot
        for variable, value in self.graph.updates.items():
            if scope.place[value] is not scope.place[variable]:
                scope.place[value].use(self.end)
                scope.moves.append((scope.place[value], scope.place[variable]))
        for source, target in scope.moves:
            _reside(source)
            _reside(target)
        return results

    def collect(self, scope: Scope) -> None:
        """All arena slots of the scope and its bodies, each once."""
        seen = {id(slot) for slot in self.slots}
        extra = [s for row in scope.temporaries.values() for s in row]
        moved = [slot for pair in scope.moves for slot in pair]
        for slot in [*scope.place.values(), *extra, *moved, *scope.results]:
            if slot.space == abi.ARENA and not isinstance(slot, View) and id(slot) not in seen:
                seen.add(id(slot))
                self.slots.append(slot)
        for children in scope.children.values():
            for child in children:
                self.collect(child)

    # Between: the weights space and the blob.

    def layout_weights(self) -> tuple[int, bytes]:
        """Offsets of constants and panels; the blob holds the resident constants first, then what is packed from it."""
        blob = bytearray()

        def put(tensor: Tensor | None) -> int:
            assert tensor is not None
            at = len(blob)
            blob.extend(tensor.data)
            blob.extend(b"\0" * (align(len(blob)) - len(blob)))
            return at

        for slot in self.constants.values():
            if slot.resident:
                slot.offset = put(slot.tensor)
        size = self.resident_bytes = len(blob)
        self.blob_at: dict[int, int] = {}
        for source, panels in self.panels.values():
            panels.offset, size = size, size + align(panels.size_bytes)
            if id(source) not in self.blob_at:
                self.blob_at[id(source)] = source.offset if source.resident else put(source.tensor)
        return size, bytes(blob)

    def init_steps(self) -> list[Step]:
        steps: list[Step] = []
        if self.resident_bytes:
            ones, zeros = [1] * 7, [0] * 7
            words = [abi.WEIGHTS, abi.BLOB, 4, 1, self.resident_bytes // 4, *ones, 0, 1, *zeros, 0, 1, *zeros]
            steps.append(("copy", words))
        for (kernel, _, matrix), (source, panels) in self.panels.items():
            steps.append((kernel, [_operand(panels), self.blob_at[id(source)] | abi.BLOB, *matrix]))
        return steps

    # The second walk: words.

    def append(self, steps: list[Step]) -> tuple[int, int]:
        begin = len(self.words)
        for step in steps:
            self.words += _encode(step)
        return begin, len(self.words)

    def scope_steps(self, scope: Scope) -> list[Step]:
        steps: list[Step] = []
        for index, node in enumerate(scope.graph.nodes):
            if node.op in _CONTROL:
                steps += self.control_steps(scope, index, node)
            elif node.op != "reshape" and scope.slice_start(node) is None:
                steps += self.node_steps(scope, index, node, None)
        return steps + [_move(source, target) for source, target in scope.moves]

    def node_steps(self, scope: Scope, index: int, node: Node, time: int | None) -> list[Step]:
        """time: in the first walk; None in the second, when offsets are known."""
        specs = scope.graph.specs
        if all(specs[value].size == 0 for value in node.outputs):
            return []
        site = Site(
            node, tuple(specs[v] for v in node.inputs), tuple(specs[v] for v in node.outputs),
            _Memory(self, scope, index, time), self.panel,
        )  # fmt: skip
        kernel = OPS[node.op].kernel
        if kernel != "elementwise" and node.op not in STEPS:
            raise UnsupportedError("this op does not run inside a plan", where=node.where, got=node.op)
        return elementwise(site) if kernel == "elementwise" else STEPS[node.op](site)

    def control_steps(self, scope: Scope, index: int, node: Node) -> list[Step]:
        ranges = [self.append(self.scope_steps(child)) for child in scope.children[index]]
        flat = [word for pair in ranges for word in pair]
        attrs, body = node.attrs, scope.children[index][-1]
        if node.op == "cond":
            return [("cond", [_operand(scope.place[node.inputs[0]]), *flat])]
        n_scan, n_carry = attrs.get("n_scan", 0), attrs["n_carry"]
        carried = list(body.graph.inputs.values())[n_scan : n_scan + n_carry]
        starts = [
            _move(scope.place[outer], body.place[value])
            for outer, value in zip(node.inputs[n_scan : n_scan + n_carry], carried, strict=True)
        ]
        carry_moves = [
            [_operand(body.place[value]), _operand(slot), slot.size_bytes, 0]
            for value, slot in zip(carried, body.results, strict=False)
            if body.place[value] is not slot
        ]
        if node.op == "while":
            flag = _operand(scope.children[index][0].results[0])
            words = [flag, *flat, attrs.get("max_steps", 1_000_000), len(carry_moves)]
            return [*starts, ("while", [*words, *(word for move in carry_moves for word in move)])]
        slices = list(body.graph.inputs.values())[:n_scan]
        moves = [
            [
                _operand(body.place[value]),
                _operand(scope.place[outer]),
                body.nbytes(value),
                body.nbytes(value),
            ]
            for value, outer in zip(slices, node.inputs, strict=False)
        ]
        rows = [
            [_operand(scope.place[outer]), _operand(slot), slot.size_bytes, slot.size_bytes]
            for outer, slot in zip(node.outputs[n_carry:], body.results[n_carry:], strict=True)
        ]
        words = [
            attrs["length"],
            int(attrs.get("reverse", False)),
            *flat,
            len(moves),
            len(rows),
            len(carry_moves),
        ]
        return [
            *starts,
            ("scan", [*words, *(word for move in [*moves, *rows, *carry_moves] for word in move)]),
        ]


class _Memory:
    """plan/site.Memory for one node: in the first walk it takes notes, in the second it tells offsets."""

    def __init__(self, compiler: _Compiler, scope: Scope, index: int, time: int | None) -> None:
        self.compiler, self.scope, self.index, self.time = compiler, scope, index, time
        self.given: Iterator[Slot] = iter(scope.temporaries.get(index, []))

    def operand(self, value: int) -> int:
        slot = self.scope.place[value]
        _reside(slot)
        return 0 if self.time is not None else _operand(slot)

    def constant(self, value: int) -> Tensor | None:
        slot = self.scope.place[value]
        return slot.tensor if isinstance(slot, Constant) and slot.fixed else None

    def packed(self, value: int, groups: int, group: int, k: int, n: int, row: int, col: int) -> int | None:
        return self._packed("pack_b", value, groups, groups, group, k, n, row, col)

    def packed_winograd(self, value: int, c: int, o: int) -> int | None:
        return self._packed("pack_winograd", value, 16, 9, c * o, c, o, o, 1)

    def _packed(
        self,
        kernel: str,
        value: int,
        matrices: int,
        groups: int,
        group: int,
        k: int,
        n: int,
        row: int,
        col: int,
    ) -> int | None:
        slot = self.scope.place[value]
        if not isinstance(slot, Constant) or not slot.fixed:
            return None
        key = (kernel, id(slot), (groups, group, k, n, row, col))
        if key not in self.compiler.panels:
            panel = self.compiler.panel
            room = Slot(matrices * -(-n // panel) * panel * k * 4, 0, 0, abi.WEIGHTS)
            self.compiler.panels[key] = (slot, room)
        return 0 if self.time is not None else _operand(self.compiler.panels[key][1])

    def temporary(self, size_bytes: int) -> int:
        if self.time is None:
            return _operand(next(self.given))
        self.scope.temporaries.setdefault(self.index, []).append(Slot(size_bytes, self.time, self.time))
        return 0


def _reside(slot: Slot) -> None:
    base = base_of(slot)
    if isinstance(base, Constant):
        base.resident = True


def _is_resident(slot: Slot) -> bool:
    return isinstance(slot, Constant) and slot.resident


def _operand(slot: Slot) -> int:
    return _operand(slot.base) + slot.start if isinstance(slot, View) else slot.offset | slot.space


def _encode(step: Step) -> list[int]:
    kernel, words = step
    return [abi.KERNEL[kernel], len(words), *words]


def _move(source: Slot, target: Slot) -> Step:
    """A plain byte copy of a whole slot."""
    ones, zeros = [1] * 7, [0] * 7
    unit = 4 if source.size_bytes % 4 == 0 else 1
    n = source.size_bytes // unit
    return ("copy", [_operand(target), _operand(source), unit, 1, n, *ones, 0, 1, *zeros, 0, 1, *zeros])
