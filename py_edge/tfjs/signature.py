"""What a graph-model takes and gives: the signature's names, or the graph's own placeholders and ends."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from py_edge.errors import GraphError, ModelFormatError
from py_edge.tfjs.model import Port
from py_edge.tfjs.tf_attributes import dtype_of, shape_of
from py_edge.tfjs.tf_graph import Source, TfNode, parse_source
from py_edge.tfjs.tf_ops.table import PLACEHOLDERS


def entries(signature: Mapping[str, Any], key: str) -> dict[str, dict[str, Any]]:
    """One side of a signature, by name: what is told of each tensor. Raises ModelFormatError."""
    raw = signature.get(key) or {}
    if not isinstance(raw, dict) or not all(isinstance(entry, dict) for entry in raw.values()):
        raise ModelFormatError("a signature maps names to tensors", where=f"/signature/{key}", got=raw)
    return raw


def _source_of(key: str, entry: Mapping[str, Any], nodes: Mapping[str, TfNode], where: str) -> Source:
    source = parse_source(str(entry.get("name", key)), where)
    if source.name not in nodes:
        raise GraphError("the signature names an absent tensor", where=where, got=entry.get("name"))
    return source


def _natural(name: str) -> list[Any]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def input_ports(
    nodes: Mapping[str, TfNode], signature: Mapping[str, Any]
) -> tuple[list[Port], frozenset[str]]:
    """The signature's inputs by node name, or all placeholders, and which of them need not be given; resources stay
    hidden. A node that leaves a size open wins over a signature that does not."""
    told = entries(signature, "inputs")
    names = {}
    for key, entry in told.items():
        names[_source_of(key, entry, nodes, f"/signature/inputs/{key}").name] = entry
    if not names:
        names = {n.name: {} for n in nodes.values() if n.op in PLACEHOLDERS}
    names |= {n.name: {} for n in nodes.values() if n.op == "PlaceholderWithDefault" and n.name not in names}
    ports = []
    for name, entry in names.items():
        node = nodes[name]
        where = f"{node.where} node '{name}'"
        dtype = dtype_of(entry["dtype"], where) if "dtype" in entry else node.attrs.get("dtype", "float32")
        if dtype in ("resource", "variant"):
            continue
        shape = node.attrs.get("shape")
        if shape is None and isinstance(entry.get("tensorShape"), dict):
            shape = shape_of(entry["tensorShape"], where)
        ports.append(Port(name, tuple(shape) if shape is not None else (None,), dtype))
    defaults = frozenset(n.name for n in nodes.values() if n.op == "PlaceholderWithDefault")
    return sorted(ports, key=lambda port: _natural(port.name)) if told else ports, defaults


def output_sources(
    nodes: Mapping[str, TfNode], signature: Mapping[str, Any], metadata: Mapping[str, Any]
) -> dict[str, Source]:
    """Output name -> tensor. Names: structured keys, else the signature's, else nodes that nobody reads."""
    found: dict[str, Source] = {}
    for key, entry in entries(signature, "outputs").items():
        found[key.removesuffix(":0")] = _source_of(key, entry, nodes, f"/signature/outputs/{key}")
    if not found:
        read = {s.name for node in nodes.values() for s in node.inputs} | {
            c for node in nodes.values() for c in node.controls
        }
        found = {
            n.name: Source(n.name)
            for n in nodes.values()
            if n.name not in read and n.op not in ("NoOp", "Const", "Assert")
        }
    if not found:
        raise GraphError("a graph without outputs", where="/modelTopology")
    if all(re.fullmatch(r"Identity(_\d+)?", s.name) for s in found.values()) and entries(
        signature, "outputs"
    ):
        found = dict(sorted(found.items(), key=lambda item: _natural(item[1].name)))
    keys = metadata.get("structuredOutputKeys")
    if isinstance(keys, list) and len(keys) == len(found) and all(isinstance(key, str) for key in keys):
        ordered = sorted(found.values(), key=lambda s: _natural(s.name))
        found = dict(zip(sorted(keys), ordered, strict=True))
    return found


def output_ports(sources: Mapping[str, Source], signature: Mapping[str, Any]) -> list[Port]:
    """Each output's name, and shape and dtype as far as the signature tells them."""
    by_source = {
        str(e.get("name", k)).removesuffix(":0"): e for k, e in entries(signature, "outputs").items()
    }
    ports = []
    for name, source in sources.items():
        entry = by_source.get(source.name, {})
        shape = shape_of(entry["tensorShape"], name) if isinstance(entry.get("tensorShape"), dict) else None
        dtype = dtype_of(entry["dtype"], name) if "dtype" in entry else "float32"
        ports.append(Port(name, tuple(shape) if shape is not None else (None,), dtype))
    return ports
