"""Gradients of control: scan runs backwards through time and computes each step anew, cond goes back through one branch.

scan: the forward node is replaced by one that also stacks the carries that each step started from (T times their size is
all that is kept). The backward scan runs the body again from there, then its gradients (Chen et al. 2016, Training Deep Nets
with Sublinear Memory Cost, with one segment per step). Invariants that the body only multiplies by (`x W`) get one product
over all steps afterwards instead of a small one per step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from py_edge.graph import Builder, Graph, Node
from py_edge.tensor import count
from py_edge.train.gradient_row import Call, Gradient


def inline(b: Builder, body: Graph, arguments: Sequence[int]) -> tuple[list[int], list[Node]]:
    """Copy the body's nodes into b with `arguments` for its inputs; returns its outputs and the nodes added."""
    known: dict[int, int] = dict(zip(body.inputs.values(), arguments, strict=True))
    known |= {value: b.constant(tensor) for value, tensor in body.constants.items()}
    start = len(b.graph.nodes)
    for node in body.nodes:
        made = b.ops(node.op, *(known[value] for value in node.inputs), **node.attrs)
        known |= dict(zip(node.outputs, made, strict=True))
    return [known[value] for value in body.outputs.values()], list(b.graph.nodes[start:])


def _inputs_like(
    b: Builder, outer: Builder, values: Sequence[int], prefix: str, rows: bool = False
) -> list[int]:
    """Body inputs with the specs of outer values; rows: without the leading time axis."""
    return [
        b.input(f"{prefix}{i}", outer.shape(v)[1:] if rows else outer.shape(v), outer.dtype(v))
        for i, v in enumerate(values)
    ]


def _zeros(b: Builder, like: int) -> int:
    return b.broadcast_to(0.0, shape=b.shape(like)) if b.shape(like) else b.scalar(0.0)


def scan_row(call: Call) -> Sequence[Gradient]:
    outer, attrs = call.b, call.attrs
    n_scan, n_carry, body = attrs["n_scan"], attrs["n_carry"], attrs["body"]
    starts = _stack_carries(outer, call.node, body, n_carry)
    floats = [i for i in range(n_carry) if outer.dtype(call.inputs[n_scan + i]) == "float32"]
    rows = [(i, dy) for i in range(len(call.dys) - n_carry) if (dy := call.full(n_carry + i)) is not None]
    fixed = call.inputs[n_scan + n_carry :]
    wanted_fixed = [i for i in range(len(fixed)) if call.needs[n_scan + n_carry + i]]
    wanted_scan = [i for i in range(n_scan) if call.needs[i]]

    inner = Builder()
    slices = _inputs_like(
        inner, outer, [*call.inputs[:n_scan], *starts, *(dy for _, dy in rows)], "slice", rows=True
    )
    d_carries = _inputs_like(inner, outer, [call.inputs[n_scan + i] for i in floats], "carry")
    invariants = _inputs_like(inner, outer, fixed, "fixed")
    xs, carries, d_rows = slices[:n_scan], slices[n_scan : n_scan + n_carry], slices[n_scan + n_carry :]

    outputs, nodes = inline(inner, body, [*xs, *carries, *invariants])
    seeds = _seeds(
        inner, [outputs[i] for i in floats] + [outputs[n_carry + i] for i, _ in rows], [*d_carries, *d_rows]
    )
    late = _late_products(inner, nodes, [invariants[i] for i in wanted_fixed], outputs)
    early = [i for i in wanted_fixed if invariants[i] not in late]
    totals = _inputs_like(inner, outer, [fixed[i] for i in early], "total")
    order = ("slice", "carry", "total", "fixed")
    inner.graph.inputs = dict(
        sorted(inner.graph.inputs.items(), key=lambda item: order.index(item[0].rstrip("0123456789")))
    )
    wanted = {carries[i] for i in floats} | {xs[i] for i in wanted_scan}
    wanted |= {invariants[i] for i in early} | {out for pairs in late.values() for _, out in pairs}
    found = call.flow_back(inner, seeds, wanted, within=nodes)

    carried = [_or_zeros(inner, found.get(carries[i]), carries[i]) for i in floats]
    for i, total in zip(early, totals, strict=True):
        more = found.get(invariants[i])
        carried.append(total if more is None else inner.add(total, more))
    stacked = [found[xs[i]] for i in wanted_scan if xs[i] in found]
    pairs = [
        (i, x, found[out]) for i in wanted_fixed for x, out in late.get(invariants[i], []) if out in found
    ]
    late_at = len(carried) + len(stacked)
    stacked += [value for _, x, d_out in pairs for value in (x, d_out)]
    for i, value in enumerate([*carried, *stacked]):
        inner.output(f"result{i}", value)

    first = [_or_zeros(outer, call.full(i), call.inputs[n_scan + i]) for i in floats]
    zeros = [_zeros(outer, fixed[i]) for i in early]
    results = outer.ops(
        "scan", *call.inputs[:n_scan], *starts, *(dy for _, dy in rows), *first, *zeros, *fixed,
        body=inner.graph, n_scan=len(slices), n_carry=len(carried), length=attrs["length"],
        reverse=not attrs.get("reverse", False),
    )  # fmt: skip
    gradient: list[Gradient] = [None] * len(call.inputs)
    for position, i in enumerate([*(n_scan + i for i in floats), *(n_scan + n_carry + i for i in early)]):
        gradient[i] = results[position] if call.needs[i] else None
    for position, i in enumerate(i for i in wanted_scan if xs[i] in found):
        gradient[i] = results[len(carried) + position]
    for number, (i, _, _) in enumerate(pairs):
        product = _over_time(outer, *results[late_at + 2 * number :][:2])
        before = gradient[n_scan + n_carry + i]
        gradient[n_scan + n_carry + i] = product if before is None else outer.add(before, product)
    return gradient


def _seeds(b: Builder, values: Sequence[int], incoming: Sequence[int]) -> dict[int, int]:
    """One gradient per value; a value that goes out twice gets the sum."""
    seeds: dict[int, int] = {}
    for value, gradient in zip(values, incoming, strict=True):
        seeds[value] = b.add(seeds[value], gradient) if value in seeds else gradient
    return seeds


def _or_zeros(b: Builder, value: Gradient, like: int) -> int:
    return _zeros(b, like) if value is None else value


def _stack_carries(b: Builder, node: Node, body: Graph, n_carry: int) -> list[int]:
    """Make the forward scan also stack the carries at the start of each step; returns the stacks (T, ...)."""
    names = list(body.inputs)[node.attrs["n_scan"] :][:n_carry]
    starts = {f"start of {name}": body.inputs[name] for name in names}
    place = next(
        i for i, other in enumerate(b.graph.nodes) if other.outputs[: len(node.outputs)] == node.outputs
    )
    now = b.graph.nodes[place]
    if not starts.keys() <= now.attrs["body"].outputs.keys():
        wider = body.copy()
        wider.outputs |= starts
        specs = [body.specs[value] for value in starts.values()]
        first = len(b.graph.specs)
        b.graph.specs += [replace(spec, shape=(node.attrs["length"], *spec.shape)) for spec in specs]
        outputs = (*node.outputs, *range(first, first + len(specs)))
        b.graph.nodes[place] = now = replace(node, outputs=outputs, attrs={**node.attrs, "body": wider})
    at = dict(zip(now.attrs["body"].outputs, now.outputs, strict=True))
    return [at[name] for name in starts]


def _late_products(
    b: Builder, nodes: Sequence[Node], weights: Sequence[int], outputs: Sequence[int]
) -> Mapping[int, list[tuple[int, int]]]:
    """Weights read only as b of plain products x (M, K) b (K, N): weight -> [(x, product)]."""
    late: dict[int, list[tuple[int, int]]] = {w: [] for w in weights if b.rank(w) == 2 and w not in outputs}
    for node in nodes:
        plain = (
            node.op == "matmul" and not node.attrs.get("transpose_a") and not node.attrs.get("transpose_b")
        )
        for position, value in enumerate(node.inputs):
            if value not in late:
                continue
            if plain and position == 1 and b.rank(node.inputs[0]) == 2 and node.inputs[0] != value:
                late[value].append((node.inputs[0], node.outputs[0]))
            else:
                del late[value]
    return {weight: pairs for weight, pairs in late.items() if pairs}


def _over_time(b: Builder, x: int, dy: int) -> int:
    """x (T, M, K), dy (T, M, N) -> (K, N): sum over t of x^T dy as one product."""
    flat = [b.reshape(v, shape=(count(b.shape(v)[:-1]), b.shape(v)[-1])) for v in (x, dy)]
    return b.op("matmul", *flat, transpose_a=True, transpose_b=False)


def cond_row(call: Call) -> Sequence[Gradient]:
    """One cond whose branches give, per wanted argument, its gradient or zeros."""
    outer, wanted = call.b, [i for i in range(1, len(call.inputs)) if call.needs[i]]
    dys = [(i, dy) for i in range(len(call.dys)) if (dy := call.full(i)) is not None]
    branches = {}
    for name in ("then_branch", "else_branch"):
        inner = Builder()
        arguments = _inputs_like(inner, outer, call.inputs[1:], "argument")
        d_outputs = _inputs_like(inner, outer, [dy for _, dy in dys], "d")
        outputs, nodes = inline(inner, call.attrs[name], arguments)
        seeds = _seeds(inner, [outputs[i] for i, _ in dys], d_outputs)
        found = call.flow_back(inner, seeds, [arguments[i - 1] for i in wanted], within=nodes)
        for i in wanted:
            value = arguments[i - 1]
            inner.output(f"d{i}", _or_zeros(inner, found.get(value), value))
        branches[name] = inner.graph
    results = outer.ops("cond", *call.inputs, *(dy for _, dy in dys), **branches)
    gradient: list[Gradient] = [None] * len(call.inputs)
    for position, i in enumerate(wanted):
        gradient[i] = results[position]
    return gradient
