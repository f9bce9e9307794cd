"""Attributes of a GraphDef's nodes, from the JSON of protobuf to Python values."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from py_edge.errors import GraphError, LimitError
from py_edge.tfjs.limits import DEFAULT

DTYPES = {
    "DT_FLOAT": "float32", "DT_HALF": "float32", "DT_DOUBLE": "float32", "DT_BFLOAT16": "float32",
    "DT_INT32": "int32", "DT_INT64": "int32", "DT_INT8": "int32", "DT_UINT8": "int32", "DT_INT16": "int32",
    "DT_UINT16": "int32", "DT_UINT32": "int32", "DT_UINT64": "int32", "DT_QUINT8": "int32", "DT_QINT8": "int32",
    "DT_BOOL": "bool", "DT_STRING": "string", "DT_COMPLEX64": "complex64", "DT_COMPLEX128": "complex64",
    "DT_RESOURCE": "resource", "DT_VARIANT": "variant",
}  # fmt: skip
_NUMBERED = {
    1: "DT_FLOAT", 2: "DT_DOUBLE", 3: "DT_INT32", 4: "DT_UINT8", 5: "DT_INT16", 6: "DT_INT8", 7: "DT_STRING",
    8: "DT_COMPLEX64", 9: "DT_INT64", 10: "DT_BOOL", 11: "DT_QINT8", 12: "DT_QUINT8", 14: "DT_BFLOAT16",
    17: "DT_UINT16", 18: "DT_COMPLEX128", 19: "DT_HALF", 20: "DT_RESOURCE", 21: "DT_VARIANT", 22: "DT_UINT32",
    23: "DT_UINT64",
}  # fmt: skip


def decode(value: Any, where: str) -> Any:
    """One AttrValue as Python: int, float, bool, str (bytes decoded), dtype, shape list, list of these, function name."""
    if not isinstance(value, dict):
        raise GraphError("an attribute is an object", where=where, got=value)
    if "s" in value:
        return text_of(value["s"], where)
    if "i" in value:
        return _integer(value["i"], where)
    if "f" in value:
        return _number(value["f"], where)
    if "b" in value:
        if not isinstance(value["b"], bool):
            raise GraphError("a truth value is wanted", where=where, got=value["b"])
        return value["b"]
    if "type" in value:
        return dtype_of(value["type"], where)
    if "shape" in value:
        return shape_of(value["shape"], where)
    if "func" in value:
        name = value["func"].get("name") if isinstance(value["func"], dict) else None
        if not isinstance(name, str):
            raise GraphError("a function has a name", where=where, got=value["func"])
        return name
    if "tensor" in value:
        return value["tensor"]
    if "list" in value:
        return _list(value["list"] or {}, where)
    return None


def _list(raw: Any, where: str) -> list[Any]:
    if not isinstance(raw, dict):
        raise GraphError("a list is an object", where=where, got=raw)
    kinds = {"s": text_of, "i": _integer, "f": _number, "type": dtype_of, "shape": shape_of}
    for key, convert in kinds.items():
        if raw.get(key):
            return [convert(item, where) for item in raw[key]]
    if raw.get("func"):
        return [item.get("name") for item in raw["func"]]
    return list(raw.get("b", []))


def text_of(raw: Any, where: str) -> str:
    """Base64 text, as proto JSON has it; old files carry bytes as numbers."""
    try:
        if isinstance(raw, list):
            return bytes(raw).decode("utf-8", "surrogateescape")
        return base64.b64decode(raw, validate=True).decode("utf-8", "surrogateescape")
    except (ValueError, TypeError, binascii.Error) as error:
        raise GraphError("not base64 text", where=where, got=raw) from error


def _integer(raw: Any, where: str) -> int:
    try:
        if isinstance(raw, (bool, float)) or len(str(raw)) > 20:
            raise ValueError(raw)
        return int(raw)
    except (ValueError, TypeError) as error:
        raise GraphError("not a whole number", where=where, got=raw) from error


def _number(raw: Any, where: str) -> float:
    try:
        return float(raw)
    except (ValueError, TypeError) as error:
        raise GraphError("not a number", where=where, got=raw) from error


def dtype_of(raw: Any, where: str) -> str:
    name = _NUMBERED.get(raw, "") if isinstance(raw, int) else raw
    if not isinstance(name, str) or name.removesuffix("_REF") not in DTYPES:
        raise GraphError("unknown dtype", where=where, got=raw)
    return DTYPES[name.removesuffix("_REF")]


def shape_of(raw: Any, where: str) -> list[int | None] | None:
    """None when even the rank is unknown; None within for an open size."""
    if not isinstance(raw, dict):
        raise GraphError("a shape is an object", where=where, got=raw)
    if raw.get("unknownRank"):
        return None
    sizes: list[int | None] = []
    for item in raw.get("dim", []):
        size = _integer(item.get("size", 0), where) if isinstance(item, dict) else 0
        if size < -1 or size > DEFAULT.dim:
            raise GraphError("a size", where=where, got=size, want="-1 or more")
        sizes.append(None if size == -1 else size)
    if len(sizes) > DEFAULT.rank:
        raise LimitError("too many dimensions", where=where, got=len(sizes), want=f"<= {DEFAULT.rank}")
    return sizes
