"""A Keras topology read from JSON: layers, how often each is called and with what; Sequential and Functional alike.

Keras 2 writes inbound_nodes [[["img", 0, 0, {}]]], Keras 3 [{"args": [...], "kwargs": {...}}]; both become Use.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from py_edge.errors import GraphError, LimitError, ModelFormatError, PolicyError, ShapeError, UnsupportedError
from py_edge.tfjs.limits import DEFAULT, Limits
from py_edge.tfjs.naming import Scope, snake_case

NETWORKS = frozenset({"Functional", "Model", "Sequential"})
_HOMES = ("keras", "tf_keras", "tensorflow", "builtins", "keras_nlp", "keras_hub")
_CONSTANT = "_CONSTANT_VALUE"


@dataclass(frozen=True, slots=True)
class Ref:
    """Output `tensor` of call `node` of a layer, as the file counts nodes."""

    layer: str
    node: int
    tensor: int


@dataclass(frozen=True, slots=True)
class Use:
    """One call of a layer: arguments as written, with Ref leaves."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


@dataclass(slots=True)
class Layer:
    """where: JSON pointer. module: Python home as written, only to tell Keras 3's operations from layers."""

    kind: str
    name: str
    config: Mapping[str, Any]
    where: str
    scope: Scope
    module: str = ""
    uses: list[Use] = field(default_factory=list)
    network: Network | None = None
    first_node: int = 0

    @property
    def is_input(self) -> bool:
        return self.kind == "InputLayer"


@dataclass(slots=True)
class Network:
    """order: (layer, use) so that what a use reads comes before it. inputs: names of input layers, outputs: Refs."""

    name: str
    layers: dict[str, Layer]
    inputs: list[str]
    outputs: list[Ref]
    order: list[tuple[str, int]]
    dialect: str

    def walk(self) -> Iterator[Layer]:
        """Every layer, nested networks in place."""
        for layer in self.layers.values():
            yield layer
            if layer.network is not None:
                yield from layer.network.walk()


@dataclass(frozen=True, slots=True)
class Reading:
    """What stays the same all over one file."""

    dialect: str
    limits: Limits


def read_network(raw: Any, where: str, dialect: str, limits: Limits = DEFAULT) -> Network:
    """A network from {class_name, config}. Raises ModelFormatError and its kin with the JSON pointer."""
    top = _object(raw, where)
    if top.get("class_name") not in NETWORKS:
        raise UnsupportedError(
            "not a model class", where=f"{where}/class_name", got=top.get("class_name"), want=sorted(NETWORKS)
        )
    return _network(top, where, Reading(dialect, limits), (), ())


def share_counted(network: Network, names: Iterable[str]) -> None:
    """Keras 3 writes the weights of a layer that stands in two models once, where it met it first, depth first."""
    written = {
        "/".join(parts[:i]) for parts in (name.split("/") for name in names) for i in range(len(parts))
    }
    first: dict[tuple[str, str], tuple[str, ...]] = {}
    for layer in network.walk():
        if "/".join(layer.scope.counted) in written:
            first.setdefault((layer.kind, layer.name), layer.scope.counted)
    for layer in network.walk():
        if "/".join(layer.scope.counted) not in written:
            layer.scope.counted = first.get((layer.kind, layer.name), layer.scope.counted)


def inner_network(raw: Mapping[str, Any], where: str, scope: Scope, dialect: str) -> Network:
    """The model that a wrapper holds, read once and kept by the wrapper's scope."""
    if scope.network is None:
        scope.network = _network(raw, where, Reading(dialect, DEFAULT), scope.parts[:-1], scope.counted)
    assert isinstance(scope.network, Network)
    return scope.network


def _network(
    raw: Mapping[str, Any], where: str, reading: Reading, parts: tuple[str, ...], counted: tuple[str, ...]
) -> Network:
    config = raw.get("config")
    where = f"{where}/config"
    items = config if isinstance(config, list) else _object(config, where).get("layers")
    name = config.get("name") if isinstance(config, dict) else None
    name = name if isinstance(name, str) else str(raw.get("class_name", "model")).lower()
    if not isinstance(items, list):
        raise ModelFormatError("a model has a list of layers", where=f"{where}/layers", got=items)
    if len(items) > reading.limits.nodes:
        raise LimitError(
            "too many layers", where=f"{where}/layers", got=len(items), want=f"<= {reading.limits.nodes}"
        )
    path = where if isinstance(config, list) else f"{where}/layers"
    layers: dict[str, Layer] = {}
    counts: dict[str, int] = {}
    for index, item in enumerate(items):
        layer = _layer(item, f"{path}/{index}", reading, (*parts, name), counted, counts)
        if layer.name in layers:
            raise GraphError("two layers of one name", where=f"{path}/{index}", got=layer.name)
        layers[layer.name] = layer
    if raw.get("class_name") == "Sequential":
        return _sequential(name, layers, config, where, reading)
    return _functional(name, layers, items, _object(config, where), where, reading)


def _layer(
    raw: Any,
    where: str,
    reading: Reading,
    parts: tuple[str, ...],
    counted: tuple[str, ...],
    counts: dict[str, int],
) -> Layer:
    item = _object(raw, where)
    kind = item.get("class_name")
    if not isinstance(kind, str) or not kind:
        raise ModelFormatError("a layer has a class_name", where=f"{where}/class_name", got=kind)
    kind = plain_kind(kind, where)
    check_home(item, where)
    config = (
        _object(item.get("config", {}), f"{where}/config") if kind not in NETWORKS else item.get("config")
    )
    own = config.get("name") if isinstance(config, dict) else None
    name = item.get("name") if isinstance(item.get("name"), str) else own
    if not isinstance(name, str) or not name:
        raise ModelFormatError("a layer has a name", where=f"{where}/name", got=name)
    base = snake_case(kind)
    seen = counts.get(base, 0)
    counts[base] = seen + 1
    path = (*counted, "layers", base if seen == 0 else f"{base}_{seen}")
    scope = Scope((*parts, name), len(parts), path)
    module = item.get("module")
    layer = Layer(
        kind,
        name,
        config if isinstance(config, dict) else {},
        where,
        scope,
        module if isinstance(module, str) else "",
    )
    if kind in NETWORKS:
        layer.network = _network(item, where, reading, parts, path)
    return layer


def plain_kind(kind: str, where: str) -> str:
    """The class name without a registration prefix. Raises PolicyError for anything that looks like a path."""
    plain = kind.rpartition(">")[2]
    if not plain.replace("_", "a").isalnum():
        raise PolicyError(
            "a class is named by its plain name, never by a path", where=f"{where}/class_name", got=kind
        )
    return plain


def check_home(item: Mapping[str, Any], where: str) -> None:
    """A `module` outside of Keras asks for foreign code."""
    module = item.get("module")
    if isinstance(module, str) and module.split(".")[0] not in _HOMES:
        raise PolicyError("the model asks for code of another package", where=f"{where}/module", got=module)


def _sequential(name: str, layers: dict[str, Layer], config: Any, where: str, reading: Reading) -> Network:
    if not layers:
        raise GraphError("a model without layers", where=where)
    names = list(layers)
    if not layers[names[0]].is_input:
        shape = _first_shape(layers[names[0]], config)
        if shape is None:
            raise ShapeError("the first layer tells no input shape", where=f"{layers[names[0]].where}/config",
                             want="batch_input_shape")  # fmt: skip
        first = layers[names[0]]
        dtype = first.config.get("dtype") if first.kind != "Embedding" else "int32"
        entry = Layer(
            "InputLayer",
            f"{first.name}_input",
            {"batch_input_shape": shape, "dtype": dtype},
            first.where,
            first.scope,
        )
        layers = {entry.name: entry, **layers}
        names.insert(0, entry.name)
    for before, after in pairwise(names):
        layers[after].uses = [Use((Ref(before, 0, 0),), {})]
    order = [(layer, 0) for layer in names[1:]]
    return Network(name, layers, [names[0]], [Ref(names[-1], 0, 0)], order, reading.dialect)


def _first_shape(layer: Layer, config: Any) -> Any:
    """Where a Sequential without an input layer says its shape."""
    if layer.network is not None:
        entry = layer.network.layers[layer.network.inputs[0]]
        return entry.config.get("batch_shape") or entry.config.get("batch_input_shape")
    inner = layer.config.get("layer") if isinstance(layer.config.get("layer"), dict) else {}
    for place in (layer.config, (inner or {}).get("config", {}) if isinstance(inner, dict) else {}):
        for key in ("batch_input_shape", "batch_shape"):
            if isinstance(place, dict) and place.get(key) is not None:
                return place[key]
    if isinstance(config, dict):
        for key in ("build_input_shape", "batch_input_shape"):
            if config.get(key) is not None:
                return config[key]
    return None


def _functional(
    name: str,
    layers: dict[str, Layer],
    items: Sequence[Any],
    config: Mapping[str, Any],
    where: str,
    reading: Reading,
) -> Network:
    for layer, item in zip(layers.values(), items, strict=True):
        nodes = item.get("inbound_nodes", [])
        if not isinstance(nodes, list):
            raise ModelFormatError("inbound_nodes is a list", where=f"{layer.where}/inbound_nodes", got=nodes)
        layer.uses = [_use(node, layers, f"{layer.where}/inbound_nodes/{i}") for i, node in enumerate(nodes)]
    inputs = [ref.layer for ref in _refs_of(config.get("input_layers"), f"{where}/input_layers")]
    outputs = _refs_of(config.get("output_layers"), f"{where}/output_layers")
    if reading.dialect == "keras3":
        outputs = [_own_build_left_out(ref, layers) for ref in outputs]
    if not inputs or not outputs:
        raise GraphError(
            "a model has inputs and outputs", where=where, got=f"{len(inputs)} and {len(outputs)}"
        )
    for entry in inputs:
        if entry not in layers:
            raise GraphError("an input names no layer", where=f"{where}/input_layers", got=entry)
        if not layers[entry].is_input:
            raise GraphError(
                "an input is not an InputLayer", where=f"{where}/input_layers", got=layers[entry].kind
            )
    _count_nodes(layers, outputs, where)
    network = Network(name, layers, inputs, outputs, [], reading.dialect)
    network.order = _topological(network, where)
    return network


def _own_build_left_out(ref: Ref, layers: Mapping[str, Layer]) -> Ref:
    """Keras 3 counts a nested functional model's own build as node 0 where it names outputs, and nowhere else."""
    nested = ref.layer in layers and layers[ref.layer].kind in ("Functional", "Model")
    return Ref(ref.layer, ref.node - 1, ref.tensor) if nested and ref.node else ref


def _use(node: Any, layers: Mapping[str, Layer], where: str) -> Use:
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


def _refs_of(raw: Any, where: str) -> list[Ref]:
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
            found += _refs_of(item, where)
        elif isinstance(item, list):
            found.append(_ref(item, where))
        else:
            raise GraphError("an end of the model is [layer, node, tensor]", where=where, got=item)
    return found


def refs_in(value: Any) -> Iterator[Ref]:
    """All Ref leaves of an argument."""
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from refs_in(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from refs_in(item)


def _count_nodes(layers: Mapping[str, Layer], outputs: Sequence[Ref], where: str) -> None:
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


def _topological(network: Network, where: str) -> list[tuple[str, int]]:
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


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ModelFormatError("an object is wanted", where=where, got=value)
    return value
