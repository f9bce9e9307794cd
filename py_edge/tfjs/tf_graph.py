"""A TensorFlow GraphDef read from JSON: nodes with decoded attributes, functions, v1 loops matched back to while.

Inputs are "name", "name:k", inside functions "name:outarg:k", and "^name" for control edges.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from py_edge.errors import GraphError, LimitError, ModelFormatError
from py_edge.tfjs.limits import DEFAULT, Limits

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


@dataclass(frozen=True, slots=True)
class Source:
    """One tensor: output `index` of node `name`; in functions `arg` is the output argument's name."""

    name: str
    index: int = 0
    arg: str = ""


@dataclass(slots=True)
class TfNode:
    """where: JSON pointer. controls: names of control inputs. cond, body: of a matched loop."""

    name: str
    op: str
    inputs: list[Source]
    controls: list[str]
    attrs: dict[str, Any]
    where: str
    cond: Function | None = None
    body: Function | None = None


@dataclass(slots=True)
class Function:
    """args: names of arguments, found as Source(name); outputs: what is returned, in order."""

    name: str
    args: list[str]
    nodes: dict[str, TfNode]
    outputs: list[Source]
    arg_dtypes: list[str] = field(default_factory=list)


def read_graph(
    raw: Any, where: str, limits: Limits = DEFAULT
) -> tuple[dict[str, TfNode], dict[str, Function]]:
    """(nodes by name, functions by name). Raises ModelFormatError and its kin with the JSON pointer."""
    if not isinstance(raw, dict) or not isinstance(raw.get("node"), list):
        raise ModelFormatError("a graph has a list of nodes", where=where, got=raw)
    nodes = _nodes(raw["node"], f"{where}/node", limits)
    _check_sources(nodes, set(), where)
    functions = {}
    library = raw.get("library") or {}
    if not isinstance(library, dict) or not isinstance(library.get("function", []), list):
        raise ModelFormatError("a library has a list of functions", where=f"{where}/library")
    for index, item in enumerate(library.get("function", [])):
        function = _function(item, f"{where}/library/function/{index}", limits)
        functions[function.name] = function
    _check_recursion(functions, where)
    return nodes, functions


def _nodes(raw: list[Any], where: str, limits: Limits) -> dict[str, TfNode]:
    if len(raw) > limits.nodes:
        raise LimitError("too many nodes", where=where, got=len(raw), want=f"<= {limits.nodes}")
    nodes: dict[str, TfNode] = {}
    for index, item in enumerate(raw):
        node = _node(item, f"{where}/{index}")
        if node.name in nodes:
            raise GraphError("two nodes of one name", where=node.where, got=node.name)
        nodes[node.name] = node
    return nodes


def _node(item: Any, where: str) -> TfNode:
    if (
        not isinstance(item, dict)
        or not isinstance(item.get("name"), str)
        or not isinstance(item.get("op"), str)
    ):
        raise ModelFormatError("a node has name and op", where=where)
    inputs, controls = [], []
    given = item.get("input", [])
    if not isinstance(given, list) or not all(isinstance(text, str) and text for text in given):
        raise GraphError("inputs are names", where=f"{where}/input", got=given)
    for text in given:
        if text.startswith("^"):
            controls.append(text[1:])
        else:
            inputs.append(parse_source(text, where))
    raw = item.get("attr", {})
    if not isinstance(raw, dict):
        raise GraphError("attr is an object", where=f"{where}/attr")
    attrs = {key: decode(v, f"{where}/attr/{key}") for key, v in raw.items() if not key.startswith("_")}
    return TfNode(item["name"], item["op"], inputs, controls, attrs, where)


def parse_source(text: str, where: str) -> Source:
    name, *rest = text.split(":")
    if not rest:
        return Source(name)
    if len(rest) > 2 or not rest[-1].isdigit() or len(rest[-1]) > 6:
        raise GraphError("an input is name, name:k or name:arg:k", where=where, got=text)
    return Source(name, int(rest[-1]), rest[0] if len(rest) == 2 else "")


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


def _function(raw: Any, where: str, limits: Limits) -> Function:
    if not isinstance(raw, dict) or not isinstance(raw.get("signature"), dict):
        raise GraphError("a function has a signature", where=where)
    signature = raw["signature"]
    for key in ("inputArg", "outputArg"):
        listed = signature.get(key, [])
        if not isinstance(listed, list) or not all(
            isinstance(a, dict) and isinstance(a.get("name"), str) for a in listed
        ):
            raise GraphError("arguments are a list of names", where=f"{where}/signature/{key}", got=listed)
    if not isinstance(raw.get("nodeDef", []), list) or not isinstance(raw.get("ret", {}), dict):
        raise GraphError("a function has nodeDef and ret", where=where)
    args = [arg.get("name", "") for arg in signature.get("inputArg", [])]
    dtypes = [dtype_of(arg.get("type", 1), where) for arg in signature.get("inputArg", [])]
    nodes = _nodes(raw.get("nodeDef", []), f"{where}/nodeDef", limits)
    ret = raw.get("ret", {})
    outputs = []
    for arg in signature.get("outputArg", []):
        if not isinstance(ret.get(arg.get("name")), str):
            raise GraphError("a function returns what it declares", where=where, got=arg.get("name"))
        outputs.append(parse_source(ret[arg["name"]], where))
    name = signature.get("name")
    if not isinstance(name, str):
        raise GraphError("a function has a name", where=where, got=name)
    function = Function(name, args, nodes, outputs, dtypes)
    _check_sources(nodes, set(args), where)
    return function


def _check_sources(nodes: Mapping[str, TfNode], args: set[str], where: str) -> None:
    for node in nodes.values():
        for source in node.inputs:
            if source.name not in nodes and source.name not in args:
                raise GraphError("an input comes from no node", where=node.where, got=source.name)
        for name in node.controls:
            if name not in nodes and name not in args:
                raise GraphError("a control input comes from no node", where=node.where, got=f"^{name}")
    _check_cycles(nodes)


def _check_cycles(nodes: Mapping[str, TfNode]) -> None:
    """Only a NextIteration may point back."""
    state: dict[str, int] = {}
    for start in nodes:
        stack = [start]
        while stack:
            name = stack[-1]
            if state.get(name) == 2 or name not in nodes:
                stack.pop()
                continue
            node = nodes[name]
            if state.get(name) == 1:
                state[name] = 2
                stack.pop()
                continue
            state[name] = 1
            if node.op == "NextIteration":
                continue
            for source in [*node.inputs, *(Source(c) for c in node.controls)]:
                if state.get(source.name) == 1 and nodes[source.name].op != "NextIteration":
                    raise GraphError("the nodes form a cycle", where=node.where, got=source.name)
                if state.get(source.name) is None:
                    stack.append(source.name)


def called(node: TfNode) -> list[str]:
    """Names of the functions that a node calls."""
    return [
        node.attrs[k]
        for k in ("f", "cond", "body", "then_branch", "else_branch")
        if isinstance(node.attrs.get(k), str)
    ]


def _check_recursion(functions: Mapping[str, Function], where: str) -> None:
    state: dict[str, int] = {}
    for start in functions:
        stack = [start]
        while stack:
            name = stack[-1]
            if state.get(name) in (1, 2) or name not in functions:
                state[name] = 2
                stack.pop()
                continue
            state[name] = 1
            for node in functions[name].nodes.values():
                for other in called(node):
                    if state.get(other) == 1:
                        raise LimitError("a function calls itself", where=f"{where}/library", got=other)
                    if state.get(other) is None:
                        stack.append(other)
