"""A loaded model, of either format: what goes in and out, its weights, its layers, and how it becomes a graph."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from py_edge.errors import NotFoundError, PyEdgeError, ShapeError
from py_edge.graph import Graph
from py_edge.tensor import Tensor, count
from py_edge.tfjs.weights import Weight

Shape = tuple[int | None, ...]
Shapes = int | Mapping[str, Sequence[int]]


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output; None stands for a size that the caller chooses (the batch first)."""

    name: str
    shape: Shape
    dtype: str

    def __str__(self) -> str:
        return f"{self.name} ({', '.join('?' if size is None else str(size) for size in self.shape)}) {self.dtype}"


@dataclass(frozen=True, slots=True)
class Part:
    """One layer or graph node as `inspect` shows it. weights: manifest names; parameters: how many numbers.

    trainable: whether the file lets the layer learn; still: weights that descent does not change; shape: of a
    layer's first output, None in it for an open size, or None where it is not known.
    """

    name: str
    kind: str
    weights: tuple[str, ...]
    parameters: int
    trainable: bool = True
    still: tuple[str, ...] = ()
    shape: Shape | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not supported: an error's code, its place and its sentence."""

    code: str
    where: str
    message: str


def listed(errors: Iterable[PyEdgeError]) -> list[Problem]:
    """Errors as `inspect` shows them."""
    return [Problem(e.code, e.where, e.message + (f": {e.got}" if e.got is not None else "")) for e in errors]


@dataclass(slots=True)
class Model(ABC):
    """format: layers-model or graph-model. metadata: userDefinedMetadata. stored: dtype of each weight in the file.

    document: the parsed model.json without its weightsManifest, to write it back.
    """

    format: str
    inputs: list[Port]
    outputs: list[Port]
    all_weights: dict[str, Weight]
    layers: list[Part]
    metadata: dict[str, Any]
    unsupported: list[Problem]
    document: dict[str, Any]
    stored: dict[str, str]

    @property
    def weights(self) -> dict[str, Tensor]:
        """The weights that kernels hold, by manifest name."""
        return {name: weight for name, weight in self.all_weights.items() if isinstance(weight, Tensor)}

    @property
    def parameters(self) -> int:
        return sum(part.parameters for part in self.layers)

    @property
    @abstractmethod
    def trainable(self) -> list[str]:
        """Names of the weights that training may change."""

    @abstractmethod
    def graph(
        self, shapes: Shapes = 1, *, training: bool = False, frozen: Sequence[str] = (), seed: int = 0
    ) -> Graph:
        """The model as a graph for concrete input shapes: a batch size, or a full shape per input name.

        training: random layers act, batch statistics are used; frozen: layers that stay as at inference.
        """

    @abstractmethod
    def with_weights(self, changed: Mapping[str, Tensor]) -> Model:
        """The same model with some weights replaced. Raises NotFoundError, ShapeError."""

    def full_shapes(self, shapes: Shapes) -> dict[str, tuple[int, ...]]:
        """Every input's concrete shape. Raises ShapeError where a size stays open."""
        found = {}
        for port in self.inputs:
            given = None if isinstance(shapes, int) else shapes.get(port.name)
            if given is None:
                batch = shapes if isinstance(shapes, int) else _batch_of(shapes)
                given = tuple(batch if i == 0 and d is None else d for i, d in enumerate(port.shape))  # type: ignore[misc]
            found[port.name] = _fits(port, tuple(given))
        return found

    def changed(self, changed: Mapping[str, Tensor]) -> dict[str, Weight]:
        """all_weights with some replaced, checked."""
        weights = dict(self.all_weights)
        for name, tensor in changed.items():
            old = weights.get(name)
            if not isinstance(old, Tensor):
                raise NotFoundError("the model has no such weight", where=name)
            if old.shape != tensor.shape:
                raise ShapeError("the weight has another shape", where=name, got=tensor.shape, want=old.shape)
            weights[name] = tensor.astype(old.dtype) if tensor.dtype != old.dtype else tensor
        return weights


def _batch_of(shapes: Mapping[str, Sequence[int]]) -> int | None:
    return next((shape[0] for shape in shapes.values() if len(shape)), None)


def _fits(port: Port, shape: tuple[int | None, ...]) -> tuple[int, ...]:
    if port.shape == (None,) and all(type(d) is int and d >= 0 for d in shape):
        return tuple(d for d in shape if d is not None)
    bad = len(shape) != len(port.shape) or any(type(d) is not int or d < 0 for d in shape)
    if bad or any(want not in (None, d) for d, want in zip(shape, port.shape, strict=True)):
        raise ShapeError(
            f"input '{port.name}' has another shape", where=port.name, got=shape, want=port.shape
        )
    return tuple(d for d in shape if d is not None)


def part_of(name: str, kind: str, weights: Mapping[str, tuple[int, ...]]) -> Part:
    return Part(name, kind, tuple(weights), sum(map(count, weights.values())))
