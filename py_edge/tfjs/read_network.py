"""A Keras topology read from JSON: every layer checked and named, nested models in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from py_edge.errors import GraphError, LimitError, ModelFormatError, PolicyError, ShapeError, UnsupportedError
from py_edge.tfjs.limits import DEFAULT, Limits
from py_edge.tfjs.links import count_nodes, own_build_left_out, read_refs, read_use, topological_order
from py_edge.tfjs.naming import Scope, snake_case
from py_edge.tfjs.network import NETWORKS, Layer, Network, Ref, Use

_HOMES = ("keras", "tf_keras", "tensorflow", "builtins", "keras_nlp", "keras_hub")


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
        layer.uses = [
            read_use(node, layers, f"{layer.where}/inbound_nodes/{i}") for i, node in enumerate(nodes)
        ]
    inputs = [ref.layer for ref in read_refs(config.get("input_layers"), f"{where}/input_layers")]
    outputs = read_refs(config.get("output_layers"), f"{where}/output_layers")
    if reading.dialect == "keras3":
        outputs = [own_build_left_out(ref, layers) for ref in outputs]
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
    count_nodes(layers, outputs, where)
    network = Network(name, layers, inputs, outputs, [], reading.dialect)
    network.order = topological_order(network, where)
    return network


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ModelFormatError("an object is wanted", where=where, got=value)
    return value
