"""Which weight of the manifest belongs to which layer: by rule, because names differ between writers.

tf_keras and TF.js:   [outer/]layer/[cell/]kernel      matched as a subsequence of the layer's path
Keras 3 .h5:          [model/]layer/[cell/]kernel      the same
Keras 3 .keras:       layers/<snake class>[_k]/[cell/]vars/<i>   counted per class, in layer order, never by name
A new model has no weights yet: Fresh makes them from the layer's initialisers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from py_edge.errors import GraphError
from py_edge.tensor import Tensor

STATISTICS = frozenset({"moving_mean", "moving_variance", "mean", "variance"})
"""Roles that follow the data and are never learnt by descent."""
Make = Callable[[tuple[int, ...]], Tensor]


def snake_case(name: str) -> str:
    """Keras' to_snake_case: Conv2DTranspose -> conv2d_transpose."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


class Source(Protocol):
    """Finds the weight of one role of one layer."""

    def find(
        self, scope: Scope, roles: Sequence[str], index: int, shape: tuple[int, ...], make: Make
    ) -> tuple[str, Tensor]:
        """(manifest name, tensor of `shape`). index: place among the weights of the scope, for counted names."""
        ...


@dataclass(slots=True)
class Scope:
    """One layer's, or one cell's, place. parts: names from the outermost model in; anchor: how many of them are
    the models around; counted: its path in a .keras file; order: roles in the order in which they were asked for;
    names: manifest names that were found, with shapes; still: those of them that descent does not change, all if frozen;
    network: the model that a wrapper holds."""

    parts: tuple[str, ...]
    anchor: int
    counted: tuple[str, ...]
    order: list[str] = field(default_factory=list)
    children: dict[tuple[str, str], Scope] = field(default_factory=dict)
    names: dict[str, tuple[int, ...]] = field(default_factory=dict)
    still: set[str] = field(default_factory=set)
    frozen: bool = False
    network: object = None

    def child(self, part: str, counted: str) -> Scope:
        """The scope of a cell or wrapped layer inside."""
        key = (part, counted)
        if key not in self.children:
            path = (*self.counted, *counted.split("/"))
            self.children[key] = Scope((*self.parts, part), self.anchor, path, frozen=self.frozen)
        return self.children[key]

    def weight(
        self, source: Source, roles: Sequence[str], shape: tuple[int, ...], make: Make
    ) -> tuple[str, Tensor]:
        if roles[0] not in self.order:
            self.order.append(roles[0])
        name, tensor = source.find(self, roles, self.order.index(roles[0]), shape, make)
        self.names[name] = shape
        if self.frozen or roles[0] in STATISTICS:
            self.still.add(name)
        return name, tensor


class Stored:
    """Weights of a manifest."""

    def __init__(self, weights: Mapping[str, Any]) -> None:
        self._weights = weights
        self._counted = any(name.startswith("layers/") and "/vars/" in name for name in weights)
        self._by_role: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        for name in weights:
            *path, role = name.removesuffix(":0").split("/")
            self._by_role.setdefault(role, []).append((tuple(path), name))

    def find(
        self, scope: Scope, roles: Sequence[str], index: int, shape: tuple[int, ...], make: Make
    ) -> tuple[str, Tensor]:
        """Raises GraphError: no such weight, two that fit, or one of another shape."""
        name = self._count(scope, index) if self._counted else self._match(scope, roles)
        place = "/".join((*scope.parts[scope.anchor :], roles[0]))
        if name is None:
            raise GraphError(
                "the weight is missing", where=place, want=shape, remedy="the manifest must name it"
            )
        tensor = self._weights[name]
        if not isinstance(tensor, Tensor) or tensor.shape != shape:
            raise GraphError(
                "the weight has another shape than the layer", where=f"{place} ({name})",
                got=getattr(tensor, "shape", None), want=shape, remedy="the weights may belong to another model version",
            )  # fmt: skip
        return name, tensor

    def _count(self, scope: Scope, index: int) -> str | None:
        name = "/".join((*scope.counted, "vars", str(index)))
        return name if name in self._weights else None

    def _match(self, scope: Scope, roles: Sequence[str]) -> str | None:
        for fits in (_exactly, _numbered):
            found: list[tuple[tuple[int, int], str]] = []
            for role in roles:
                for path, name in self._by_role.get(role, ()):
                    depth = _subsequence(path, scope.parts, scope.anchor, fits)
                    if depth[0]:
                        found.append((depth, name))
            best = [name for depth, name in found if depth == max(found)[0]]
            if len(best) == 1:
                return best[0]
            if best:
                raise GraphError("two weights fit one layer", where="/".join(scope.parts), got=best[:4])
        layer = scope.parts[scope.anchor]
        around = [name for role in roles for path, name in self._by_role.get(role, ()) if layer in path]
        return around[0] if len(around) == 1 else None


def _exactly(part: str, own: str) -> bool:
    return part == own


def _numbered(part: str, own: str) -> bool:
    """`lstm_cell_3` for a cell that the config calls `lstm_cell`; `dense_1_1` for a `dense_1` of a used-again graph."""
    return part.startswith(own) and re.fullmatch(r"(_\d+)?", part[len(own) :]) is not None


def _subsequence(
    path: Sequence[str], parts: Sequence[str], anchor: int, fits: Callable[[str, str], bool]
) -> tuple[int, int]:
    """How well `path` names the layer: (components, sum of their places in `parts`), or (0, 0).

    All of it must stand in `parts` in order and reach the layer itself; of two the one further in is meant, because
    Keras 3 names a weight by the innermost model only.
    """
    place, last, total = 0, -1, 0
    for component in path:
        while place < len(parts) and not fits(component, parts[place]):
            place += 1
        if place == len(parts):
            return 0, 0
        last, total, place = place, total + place, place + 1
    return (len(path), total) if last >= anchor else (0, 0)


class Fresh:
    """Makes each weight when a layer first asks for it; shared layers ask twice and get the same."""

    def __init__(self) -> None:
        self.made: dict[str, Tensor] = {}

    def find(
        self, scope: Scope, roles: Sequence[str], index: int, shape: tuple[int, ...], make: Make
    ) -> tuple[str, Tensor]:
        name = "/".join((*scope.parts[scope.anchor :], roles[0]))
        if name not in self.made:
            self.made[name] = make(shape)
        return name, self.made[name]
