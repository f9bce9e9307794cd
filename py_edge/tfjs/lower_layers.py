"""A network lowered layer by layer: values and masks handed from call to call."""

from __future__ import annotations

import difflib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from py_edge.errors import GraphError, PolicyError, PyEdgeError, UnsupportedError
from py_edge.graph import Builder
from py_edge.tfjs.initializers import CONSTRAINTS, REGULARIZERS, check_initializer, check_one_of
from py_edge.tfjs.layers.call import Call, Lower, Sym, Training
from py_edge.tfjs.layers.lookup import ROWS as ON_STRINGS
from py_edge.tfjs.layers.table import LAYERS, REFUSED
from py_edge.tfjs.limits import FOREIGN
from py_edge.tfjs.naming import Scope, Source
from py_edge.tfjs.network import NETWORKS, Layer, Network, Ref, Use
from py_edge.tfjs.operations.table import is_operation, lower_operation
from py_edge.tfjs.read_network import check_home, inner_network, plain_kind


@dataclass(slots=True)
class Lowering:
    """One lowering of a whole model into one builder. shapes: of each layer's first output, by its place in the file."""

    b: Builder
    training: Training
    dialect: str
    source: Source
    rng: random.Random
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def network(self, network: Network, inputs: Sequence[Sym]) -> list[Sym]:
        """The network's outputs for these inputs."""
        if len(inputs) != len(network.inputs):
            raise GraphError(
                "another number of inputs", where=network.name, got=len(inputs), want=len(network.inputs)
            )
        known: dict[tuple[str, int], list[Sym]] = {
            (name, 0): [value] for name, value in zip(network.inputs, inputs, strict=True)
        }
        for name, index in network.order:
            layer = network.layers[name]
            use = layer.uses[index]
            args, kwargs = self._values(network, use, known)
            found = known[name, index] = self.layer(layer, args, kwargs)
            if found:
                self.shapes[layer.where] = self.b.shape(found[0].id)
        return [self._value(network, ref, known) for ref in network.outputs]

    def _value(self, network: Network, ref: Ref, known: Mapping[tuple[str, int], list[Sym]]) -> Sym:
        layer = network.layers[ref.layer]
        values = known.get((ref.layer, ref.node - layer.first_node))
        if values is None:
            raise GraphError("an input is not fed by the model's inputs", where=layer.where, got=ref.layer)
        if ref.tensor >= len(values):
            raise GraphError(
                "the layer has fewer outputs", where=layer.where, got=ref.tensor, want=f"< {len(values)}"
            )
        return values[ref.tensor]

    def _values(
        self, network: Network, use: Use, known: Mapping[tuple[str, int], list[Sym]]
    ) -> tuple[list[Any], dict[str, Any]]:
        def fill(value: Any) -> Any:
            if isinstance(value, Ref):
                return self._value(network, value, known)
            if isinstance(value, (list, tuple)):
                return [fill(item) for item in value]
            if isinstance(value, Mapping):
                return {key: fill(item) for key, item in value.items()}
            return value

        return [fill(arg) for arg in use.args], {key: fill(value) for key, value in use.kwargs.items()}

    def layer(self, layer: Layer, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Sym]:
        """One call of one layer; every error names it."""
        try:
            if layer.network is not None:
                values = args[0] if args and isinstance(args[0], list) else args[:1]
                return self.network(layer.network, [v for v in values if isinstance(v, Sym)])
            return self._call(layer.kind, layer.name, layer.config, layer.scope, args, kwargs, layer.module)
        except PyEdgeError as error:
            if not error.where.startswith(("/", "model")):
                error.where = f"{layer.where} {error.where}".strip()
            raise
        except FOREIGN as error:
            raise GraphError(
                "inputs or config do not fit the layer", where=layer.where, got=str(error)
            ) from error

    def _call(
        self, kind: str, name: str, config: Mapping[str, Any], scope: Scope, args: Sequence[Any],
        kwargs: Mapping[str, Any], module: str = "",
    ) -> list[Sym]:  # fmt: skip
        self.b.where = f"layer '{name}' ({kind})"
        scope.frozen = scope.frozen or config.get("trainable") is False
        call = Call(
            self.b,
            kind,
            name,
            config,
            scope,
            args,
            kwargs,
            self.training,
            self.inner,
            self.source,
            self.dialect,
            self.rng,
        )
        if is_operation(kind, module, config, args):
            return [Sym(value) for value in _as_list(lower_operation(call))]
        if kind not in ON_STRINGS and any(self.b.dtype(sym.id) == "string" for sym in call.syms):
            raise UnsupportedError(
                "the layer takes no strings", where=call.where, want=f"one of {sorted(ON_STRINGS)}"
            )
        outputs = _as_list(row_of(kind)(call))
        mask = call.syms[0].mask if call.out_mask is None and call.syms else call.out_mask
        if mask is not None and mask is not False:
            fits = self.b.shape(int(mask)) == self.b.shape(outputs[0])[: self.b.rank(int(mask))]
            mask = int(mask) if fits else None
        return [Sym(value, mask if i == 0 and mask is not False else None) for i, value in enumerate(outputs)]

    def inner(
        self, call: Call, raw: Mapping[str, Any], scope: Scope, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> list[Sym]:
        """A layer inside a layer (TimeDistributed, Bidirectional), from its own {class_name, config}."""
        check_home(raw, call.where)
        kind = plain_kind(str(raw.get("class_name")), call.where)
        config = raw.get("config")
        if kind in NETWORKS:
            network = inner_network(raw, call.where, scope, self.dialect)
            return self.network(network, [v for v in args if isinstance(v, Sym)])
        if not isinstance(config, Mapping):
            raise GraphError("the wrapped layer has no config", where=call.where)
        return self._call(kind, str(config.get("name", call.name)), config, scope, args, kwargs)


def _as_list(value: int | list[int]) -> list[int]:
    return value if isinstance(value, list) else [value]


def row_of(kind: str) -> Lower:
    """Raises PolicyError for layers that carry code, UnsupportedError with the closest names otherwise."""
    if kind in LAYERS:
        return LAYERS[kind]
    if kind in REFUSED:
        raise PolicyError(f"a {kind} layer is never run: {REFUSED[kind]}", got=kind)
    near = difflib.get_close_matches(kind, LAYERS, 3, 0.5)
    raise UnsupportedError(
        "unknown layer", got=kind, want=f"one of {len(LAYERS)} layers, like {', '.join(near) or 'Dense'}"
    )


def check_config(layer: Layer) -> None:
    """Names in a config that only training needs are still checked: initialisers, regularisers, constraints."""
    for key, value in layer.config.items():
        where = f"{layer.where}/config/{key}"
        if value is None:
            continue
        if key.endswith("_initializer"):
            check_initializer(value, where)
        elif key.endswith("_regularizer"):
            check_one_of(value, REGULARIZERS, where, "regularizer")
        elif key.endswith("_constraint"):
            check_one_of(value, CONSTRAINTS, where, "constraint")
