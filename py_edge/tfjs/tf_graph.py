"""A TensorFlow GraphDef read from JSON: nodes with decoded attributes, functions, v1 loops matched back to while.

Inputs are "name", "name:k", inside functions "name:outarg:k", and "^name" for control edges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from py_edge.errors import GraphError, LimitError, ModelFormatError
from py_edge.tfjs.limits import DEFAULT, Limits
from py_edge.tfjs.tf_attributes import decode, dtype_of


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


def read_graph(
    raw: Any, where: str, limits: Limits = DEFAULT
) -> tuple[dict[str, TfNode], dict[str, Function]]:
    """(nodes by name, functions by name). Raises ModelFormatError and its kin with the JSON pointer."""
    if not isinstance(raw, dict) or not isinstance(raw.get("node"), list):
        raise ModelFormatError("a graph has a list of nodes", where=where, got=raw)
    nodes = _nodes(raw["node"], f"{where}/node", limits)
    _check_sources(nodes, set())
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
    for arg in signature.get("inputArg", []):
        dtype_of(arg.get("type", 1), where)
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
    function = Function(name, args, nodes, outputs)
    _check_sources(nodes, set(args))
    return function


def _check_sources(nodes: Mapping[str, TfNode], args: set[str]) -> None:
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


_OFFSETS = {
    ("TopKV2", "indices"): 1, ("Unique", "idx"): 1, ("UniqueV2", "idx"): 1, ("Switch", "output_true"): 1,
    ("Merge", "value_index"): 1, ("MaxPoolWithArgmax", "argmax"): 1, ("TensorArrayV3", "flow"): 1,
    ("ListDiff", "idx"): 1, ("TensorListPopBack", "tensor"): 1, ("TensorListConcat", "lengths"): 1,
    ("TensorListConcatV2", "lengths"): 1, ("TensorArrayConcatV3", "lengths"): 1, ("SparseReshape", "output_shape"): 1,
    ("StringSplit", "values"): 1, ("StringSplit", "shape"): 2, ("StringNGrams", "ngrams_splits"): 1,
    ("RaggedRange", "rt_dense_values"): 1, ("SparseFillEmptyRows", "output_values"): 1,
    ("SparseFillEmptyRows", "empty_row_indicator"): 2, ("SparseFillEmptyRows", "reverse_index_map"): 3,
    ("NonMaxSuppressionV4", "valid_outputs"): 1, ("NonMaxSuppressionV5", "selected_scores"): 1,
    ("NonMaxSuppressionV5", "valid_outputs"): 2, ("FusedBatchNorm", "batch_mean"): 1,
    ("FusedBatchNorm", "batch_variance"): 2,
}  # fmt: skip


def output_offset(node: TfNode, arg: str) -> int:
    """The place of the first output of an output argument; 0 for all ops with only one."""
    op = node.op
    if op.startswith("FusedBatchNorm"):
        op = "FusedBatchNorm"
    if op == "RaggedGather" and arg == "output_dense_values":
        nested = node.attrs.get("OUTPUT_RAGGED_RANK") or node.attrs.get("PARAMS_RAGGED_RANK") or 1
        return int(nested)
    return _OFFSETS.get((op, arg), 0)
