"""TF1 control flow matched back: each frame of Enter, Merge, LoopCond, Switch, NextIteration, Exit becomes one While.

Enter (initial value) -> Merge -> cond -> LoopCond -> Switch:1 -> body -> NextIteration -> Merge; Switch:0 -> Exit.
Enters that are is_constant, or that no Merge reads, are loop invariants. Inner frames are matched first.
"""

from __future__ import annotations

from dataclasses import replace

from py_edge.errors import GraphError
from py_edge.tfjs.tf_graph import Function, Source, TfNode

MATCHED = "While"


def match_loops(nodes: dict[str, TfNode]) -> dict[str, TfNode]:
    """The nodes with every frame replaced by a While node. Raises GraphError for a frame that is not a loop."""
    frames: dict[str, list[TfNode]] = {}
    for node in nodes.values():
        if node.op in ("Enter", "RefEnter"):
            frames.setdefault(str(node.attrs.get("frame_name")), []).append(node)
    while frames:
        for name, enters in list(frames.items()):
            loop = _match(name, enters, nodes)
            if loop is not None:
                nodes = loop
                del frames[name]
                break
        else:
            raise GraphError("loops that do not nest", where=next(iter(frames)))
    return nodes


def _match(frame: str, enters: list[TfNode], nodes: dict[str, TfNode]) -> dict[str, TfNode] | None:
    """None while another frame inside is still unmatched."""
    by_input: dict[str, list[TfNode]] = {}
    for node in nodes.values():
        for source in node.inputs:
            by_input.setdefault(source.name, []).append(node)
    merges, invariants = [], []
    for enter in enters:
        merge = next(
            (n for n in by_input.get(enter.name, []) if n.op in ("Merge", "RefMerge") and _back(n, nodes)),
            None,
        )
        if merge is None:
            invariants.append(enter)
        else:
            merges.append((enter, merge))
    conds = {n.name: n for _, m in merges for n in _loop_conds(m, by_input, nodes)}
    if len(conds) != 1:
        raise GraphError("a frame without one LoopCond is no loop", where=frame, got=sorted(conds))
    cond = next(iter(conds.values()))
    switches: dict[str, TfNode] = {}
    for node in by_input.get(cond.name, []):
        if node.op in ("Switch", "RefSwitch") and node.inputs[1].name == cond.name:
            switches[node.inputs[0].name] = node
    args = [merge.name for _, merge in merges]
    places = {Source(merge.name): Source(merge.name) for _, merge in merges}
    fixed = {Source(enter.name): Source(enter.name) for enter in invariants}
    names = [*args, *(enter.name for enter in invariants)]
    test = _cut(f"{frame}/cond", names, [cond.inputs[0]], {**places, **fixed}, nodes)
    inside = {**fixed, **places}
    for merge_name, switch in switches.items():
        inside[Source(switch.name, 1)] = Source(merge_name)
    nexts = [_back(merge, nodes) for _, merge in merges]
    body = _cut(f"{frame}/body", names, [n.inputs[0] for n in nexts if n is not None], inside, nodes)
    if test is None or body is None:
        return None
    body.outputs += [Source(enter.name) for enter in invariants]
    loop_name = f"{frame}/while"
    inputs = [enter.inputs[0] for enter, _ in merges] + [enter.inputs[0] for enter in invariants]
    loop = TfNode(loop_name, MATCHED, inputs, [], {}, merges[0][1].where, test, body)
    exits: dict[str, TfNode] = {}
    for index, (_, merge) in enumerate(merges):
        own = switches.get(merge.name)
        for node in by_input.get(own.name, []) if own is not None else []:
            if node.op in ("Exit", "RefExit"):
                exits[node.name] = replace(
                    node, op="Identity", inputs=[Source(loop_name, index)], controls=[]
                )
    gone = (
        {e.name for e in enters}
        | {m.name for _, m in merges}
        | {s.name for s in switches.values()}
        | {cond.name}
    )
    gone |= {n.name for n in nexts if n is not None} | {*exits}
    gone |= {*test.nodes, *body.nodes} - _read_outside({*test.nodes, *body.nodes}, gone, nodes)
    kept = {
        name: replace(node, controls=[c for c in node.controls if c not in gone])
        for name, node in nodes.items() if name not in gone
    }  # fmt: skip
    return {**kept, **exits, loop_name: loop}


def _back(merge: TfNode, nodes: dict[str, TfNode]) -> TfNode | None:
    """The NextIteration that feeds a Merge."""
    for source in merge.inputs:
        node = nodes.get(source.name)
        if node is not None and node.op in ("NextIteration", "RefNextIteration"):
            return node
    return None


def _loop_conds(merge: TfNode, by_input: dict[str, list[TfNode]], nodes: dict[str, TfNode]) -> list[TfNode]:
    """LoopCond nodes that decide about the Switch of a Merge."""
    switches = [
        n for n in by_input.get(merge.name, []) if n.op in ("Switch", "RefSwitch") and len(n.inputs) == 2
    ]
    return [nodes[s.inputs[1].name] for s in switches if nodes[s.inputs[1].name].op == "LoopCond"]


def _cut(
    name: str, args: list[str], outputs: list[Source], places: dict[Source, Source], nodes: dict[str, TfNode]
) -> Function | None:
    """The part of the graph between `places` and `outputs` as a function. None: an inner frame is in the way."""
    inside: dict[str, TfNode] = {}
    waiting = [source for source in outputs if source not in places]
    while waiting:
        source = waiting.pop()
        if source.name in inside:
            continue
        node = nodes[source.name]
        if node.op in ("Exit", "Enter", "RefExit", "RefEnter", "NextIteration", "LoopCond"):
            return None
        inside[node.name] = replace(node, inputs=[places.get(s, s) for s in node.inputs])
        waiting += [s for s in node.inputs if s not in places]
        waiting += [Source(c) for c in node.controls if c in nodes and _conditional(c, nodes)]
    return Function(name, args, inside, [places.get(s, s) for s in outputs])


def _conditional(name: str, nodes: dict[str, TfNode]) -> bool:
    """Whether a control edge tells the branch of a conditional (a pivot: Identity of a Switch that is no loop's)."""
    node = nodes[name]
    if node.op != "Identity" or not node.inputs:
        return False
    switch = nodes.get(node.inputs[0].name)
    if switch is None or switch.op != "Switch":
        return False
    pred = nodes.get(switch.inputs[1].name)
    return pred is not None and pred.op != "LoopCond"


def _read_outside(inside: set[str], gone: set[str], nodes: dict[str, TfNode]) -> set[str]:
    """Nodes of the loop that something outside reads too (constants, mostly): those stay."""
    kept: set[str] = set()
    while True:
        more = {
            source.name
            for node in nodes.values() if node.name not in gone and (node.name not in inside or node.name in kept)
            for source in node.inputs if source.name in inside and source.name not in kept
        }  # fmt: skip
        if not more:
            return kept
        kept |= more
