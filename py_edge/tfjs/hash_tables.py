"""The tables that modelInitializer fills, run once at load."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from py_edge.graph import Builder
from py_edge.tfjs.call import Run
from py_edge.tfjs.limits import Limits
from py_edge.tfjs.signature import entries
from py_edge.tfjs.tf_graph import Function, Source, TfNode, parse_source, read_graph
from py_edge.tfjs.tf_ops.table import OPS
from py_edge.tfjs.trace import NoEvents, Shared, Table, Trace
from py_edge.tfjs.weights import Weight


def read_initializer(
    document: Mapping[str, Any], limits: Limits
) -> tuple[dict[str, TfNode], dict[str, Function]]:
    """The graph that is run once at load, or an empty one."""
    raw = document.get("modelInitializer")
    if not isinstance(raw, dict) or not raw.get("node"):
        return {}, {}
    return read_graph(raw, "/modelInitializer", limits)


def filled_tables(
    document: Mapping[str, Any], initial: tuple[Mapping[str, TfNode], Mapping[str, Function]],
    functions: Mapping[str, Function], weights: Mapping[str, Weight], signature: Mapping[str, Any],
) -> dict[Any, Table]:  # fmt: skip
    """Run modelInitializer; its tables reach the model by resourceId, or by the name of the same node."""
    nodes, own = initial
    if not nodes:
        return {}
    shared = Shared({**functions, **own}, weights)
    run = Run(Trace(Builder(), shared, NoEvents()), nodes, {}, OPS)
    filled = _fill(run, nodes)
    tables: dict[Any, Table] = {**shared.tables, **filled}
    by_id = _by_resource(run, document)
    for entry in entries(signature, "inputs").values():
        if entry.get("resourceId") is not None and str(entry["resourceId"]) in by_id:
            tables[str(entry.get("name", "")).removesuffix(":0")] = by_id[str(entry["resourceId"])]
    return tables


def _fill(run: Run, nodes: Mapping[str, TfNode]) -> dict[str, Table]:
    """Run every node that makes or fills a table; the tables by the node that made them."""
    acting = [
        n.name
        for n in nodes.values()
        if n.op.startswith(("HashTable", "LookupTableImport", "InitializeTable"))
    ]
    run.pull([Source(name) for name in acting if nodes[name].op.startswith("HashTable")])
    for name in acting:
        if not nodes[name].op.startswith("HashTable"):
            for source in nodes[name].inputs:
                run.pull([source])
            run.run_node(name)
    made = {name: run.done[name][0] for name in acting if run.done.get(name)}
    return {name: value for name, value in made.items() if isinstance(value, Table)}


def _by_resource(run: Run, document: Mapping[str, Any]) -> dict[str, Table]:
    by_id = {}
    for entry in entries(document.get("initializerSignature") or {}, "outputs").values():
        if entry.get("resourceId") is not None:
            source = parse_source(str(entry.get("name", "")), "/initializerSignature")
            value = run.pull([source])[0]
            if isinstance(value, Table):
                by_id[str(entry["resourceId"])] = value
    return by_id
