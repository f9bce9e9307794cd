"""A Keras topology as we hold it: layers, how often each is called and with what; Sequential and Functional alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from py_edge.tfjs.naming import Scope

NETWORKS = frozenset({"Functional", "Model", "Sequential"})


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
