"""load_model: from bytes to a checked model, in an order in which nothing hostile costs anything.

1 size and depth of the bytes, 2 strict JSON, 3 the manifest, 4 the topology's names, 5 the shards, 6 the topology
with its weights. What is unsupported by name is told at 4, before a shard is opened.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from py_edge.errors import ModelFormatError, PyEdgeError, UnsupportedError
from py_edge.tfjs.graph_model import read_graph_model
from py_edge.tfjs.layers_model import read_layers_model
from py_edge.tfjs.limits import DEFAULT, FOREIGN, Limits
from py_edge.tfjs.manifest import parse_manifest
from py_edge.tfjs.model import Model
from py_edge.tfjs.reader import Reader, reader_of
from py_edge.tfjs.strict_json import parse_json
from py_edge.tfjs.weights import Shards, read_weights


def load_model(
    source: str | os.PathLike[str] | Mapping[str, bytes] | Reader,
    *,
    digests: Mapping[str, str] | None = None,
    inspect: bool = False,
    limits: Limits = DEFAULT,
) -> Model:
    """A model from a folder, a model.json, or a mapping of file names to bytes.

    digests: sha256 hex by file name, from a release. inspect: list what is unsupported instead of raising.
    Raises ModelFormatError and its kin (code, JSON pointer, got, want), NotFoundError.
    """
    reader = reader_of(source)
    try:
        raw = reader.read(reader.model_file, limits.json_bytes)
        document = parse_json(raw, reader.model_file, limits)
        if not isinstance(document, dict):
            raise ModelFormatError("the top level is an object", where="/", got=document)
        return _read(document, reader, digests, inspect, limits)
    except FOREIGN as error:
        raise ModelFormatError(
            "the file is not built like a model",
            where=reader.model_file,
            got=f"{type(error).__name__}: {error}",
        ) from error
    except PyEdgeError as error:
        if error.where.startswith("/"):
            error.where = f"{reader.model_file} {error.where}"
        raise


def _read(
    document: dict[str, Any], reader: Reader, digests: Mapping[str, str] | None, inspect: bool, limits: Limits
) -> Model:
    kind = format_of(document)
    groups = parse_manifest(document.get("weightsManifest"), "/weightsManifest", limits)
    optimizer = {entry.name for group in groups for entry in group.entries if entry.group == "optimizer"}

    def shards() -> Shards:
        weights, stored = read_weights(groups, reader, digests, strict=kind == "layers-model")
        return {name: weight for name, weight in weights.items() if name not in optimizer}, stored

    read = read_layers_model if kind == "layers-model" else read_graph_model
    return read(document, shards, limits, inspect)


def format_of(document: Mapping[str, Any]) -> str:
    """layers-model or graph-model, by the topology where `format` is missing (files before 1.0)."""
    topology, told = document.get("modelTopology"), document.get("format")
    if told not in (None, "layers-model", "graph-model"):
        raise UnsupportedError(
            "unknown format", where="/format", got=told, want="layers-model or graph-model"
        )
    if not isinstance(topology, dict):
        raise ModelFormatError("no model in it", where="/modelTopology", got=topology, want="an object")
    if told is None and "node" not in topology and not {"model_config", "class_name"} & set(topology):
        raise ModelFormatError("neither a layers-model nor a graph-model", where="/modelTopology")
    return told or ("graph-model" if "node" in topology else "layers-model")
