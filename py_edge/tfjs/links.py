"""Which call of which layer reads what: inbound nodes of both Keras dialects, and the order that follows from them.

Keras 2 writes inbound_nodes [[["img", 0, 0, {}]]], Keras 3 [{"args": [...], "kwargs": {...}}]; both become Use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from py_edge.errors import GraphError, ModelFormatError
from py_edge.tfjs.network import Layer, Network, Ref, Use, refs_in

_CONSTANT = "_CONSTANT_VALUE"


def own_build_left_out(ref: Ref, layers: Mapping[str, Layer]) -> Ref:
    """Keras 3 counts a nested functional model's own build as node 0 where it names outputs, and nowhere else."""
    nested = ref.layer in layers and layers[ref.layer].kind in ("Functional", "Model")
    return Ref(ref.layer, ref.node - 1, ref.tensor) if nested and ref.node else ref


def read_use(node: Any, layers: Mapping[str, Layer], where: str) -> Use:
    if isinstance(node, dict) and ("args" in node or "kwargs" in node):
        args, kwargs = node.get("args", []), node.get("kwargs", {})
        if not isinstance(args, list) or not isinstance(kwargs, dict):
            raise ModelFormatError("a node has args and kwargs", where=where)
        return Use(tuple(_leaf3(a, where) for a in args), {k: _leaf3(v, where) for k, v in kwargs.items()})
    if isinstance(node, dict):
        node = list(node.values())
    if not isinstance(node, list) or not node:
        raise GraphError("a node is a list of inputs", where=where, got=node)
    items = [node] if isinstance(node[0], str) else node
    refs, kwargs = [], {}
    for item in items:
        if not isinstance(item, list) or len(item) < 3:
            raise GraphError("an input is [layer, node, tensor]", where=where, got=item)
        refs.append(item[2] if item[0] == _CONSTANT else _ref(item, where))
        if len(item) > 3 and isinstance(item[3], dict):
            kwargs |= {key: _leaf2(value, layers, where) for key, value in item[3].items()}
    return Use((refs[0],) if len(refs) == 1 else (refs,), kwargs)


def _ref(item: Sequence[Any], where: str) -> Ref:
    layer, node, tensor = item[:3]
    if (
        not isinstance(layer, str)
        or type(node) is not int
        or type(tensor) is not int
        or node < 0
        or tensor < 0
    ):
        raise GraphError("an input is [layer, node, tensor]", where=where, got=list(item[:3]))
    return Ref(layer, node, tensor)


def _leaf2(value: Any, layers: Mapping[str, Layer], where: str) -> Any:
    """A keyword argument of Keras 2; [layer, 0, 0] stands for a tensor."""
    if isinstance(value, list):
        if len(value) >= 3 and isinstance(value[0], str) and type(value[1]) is int and type(value[2]) is int:
            if value[0] in layers:
                return _ref(value, where)
            if value[0] == _CONSTANT:
                return value[2]
        return [_leaf2(item, layers, where) for item in value]
    if isinstance(value, dict):
        if set(value) == {"value"}:
            return _leaf2(value["value"], layers, where)
        return {key: _leaf2(item, layers, where) for key, item in value.items()}
    return value


def _leaf3(value: Any, where: str) -> Any:
    """An argument of Keras 3; tensors carry their history."""
    if isinstance(value, list):
        return [_leaf3(item, where) for item in value]
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            history = (
                value.get("config", {}).get("keras_history")
                if isinstance(value.get("config"), dict)
                else None
            )
            if not isinstance(history, list) or len(history) < 3:
                raise GraphError("a tensor without history", where=where)
            return _ref(history, where)
        return {key: _leaf3(item, where) for key, item in value.items()}
    return value


def read_refs(raw: Any, where: str) -> list[Ref]:
    """["img", 0, 0], or a list or an object of such."""
    if isinstance(raw, dict):
        raw = list(raw.values())
    if not isinstance(raw, list):
        raise GraphError("a list of [layer, node, tensor]", where=where, got=raw)
    if len(raw) == 3 and isinstance(raw[0], str):
        return [_ref(raw, where)]
    found = []
    for item in raw:
        if isinstance(item, (dict, list)) and not (
            isinstance(item, list) and len(item) >= 3 and isinstance(item[0], str)
        ):
            found += read_refs(item, where)
        elif isinstance(item, list):
            found.append(_ref(item, where))
        else:
            raise GraphError("an end of the model is [layer, node, tensor]", where=where, got=item)
    return found


def count_nodes(layers: Mapping[str, Layer], outputs: Sequence[Ref], where: str) -> None:
    """Keras 2 counts a nested model's own build as node 0; whoever writes, the references tell the offset."""
    seen: dict[str, set[int]] = {}
    places = [
        (layer.where, ref)
        for layer in layers.values()
        for use in layer.uses
        for ref in refs_in((use.args, use.kwargs))
    ]
    for place, ref in [*places, *((where, ref) for ref in outputs)]:
        if ref.layer not in layers:
            raise GraphError("an input comes from no layer", where=place, got=ref.layer)
        seen.setdefault(ref.layer, set()).add(ref.node)
    for name, nodes in seen.items():
        layer = layers[name]
        count = 1 if layer.is_input else len(layer.uses)
        if layer.network is not None and max(nodes) >= count and min(nodes) >= 1:
            layer.first_node = 1
        if max(nodes) - layer.first_node >= count:
            raise GraphError(
                "an input names a call that is not there",
                where=layer.where,
                got=max(nodes),
                want=f"< {count}",
            )


def topological_order(network: Network, where: str) -> list[tuple[str, int]]:
    """Uses that the outputs need, each after what it reads; no recursion. Raises GraphError on a cycle."""
    layers = network.layers

    def reads(key: tuple[str, int]) -> list[tuple[str, int]]:
        layer = layers[key[0]]
        if layer.is_input:
            return []
        use = layer.uses[key[1]]
        return [
            (ref.layer, ref.node - layers[ref.layer].first_node) for ref in refs_in((use.args, use.kwargs))
        ]

    order: list[tuple[str, int]] = []
    state: dict[tuple[str, int], int] = {}
    stack = [(ref.layer, ref.node - layers[ref.layer].first_node) for ref in reversed(network.outputs)]
    while stack:
        key = stack[-1]
        if state.get(key) == 2:
            stack.pop()
            continue
        waiting = [k for k in reads(key) if state.get(k) != 2] if state.get(key) != 1 else []
        if state.get(key) == 1 or not waiting:
            state[key] = 2
            stack.pop()
            if not layers[key[0]].is_input:
                order.append(key)
            continue
        if any(state.get(k) == 1 for k in waiting):
            raise GraphError("the layers form a cycle", where=where, got=key[0])
        state[key] = 1
        stack += reversed(waiting)
    return order
