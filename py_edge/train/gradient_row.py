"""What a row of the gradient table gets and gives, and the two shape helpers that most rows need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from py_edge.graph import Builder, Node

Gradient = int | None


class FlowBack(Protocol):
    """gradients.flow_back, handed in so that rows with subgraphs can recurse without an import cycle."""

    def __call__(
        self, b: Builder, seeds: dict[int, int], wrt: Iterable[int], *, within: Sequence[Node] | None = None
    ) -> dict[int, int]: ...


@dataclass(frozen=True, slots=True)
class Call:
    """b: where to add nodes; node: the op to go back through; dys: gradient per output or None; needs: per input.

    A gradient may be thin: it broadcasts to the shape of its value, so that sums and means cost no copy on the way back.
    """

    b: Builder
    node: Node
    dys: Sequence[Gradient]
    needs: tuple[bool, ...]
    flow_back: FlowBack

    @property
    def thin(self) -> int:
        """The gradient of the only (or first) output, perhaps thin: for rows that broadcast."""
        dy = self.dys[0]
        assert dy is not None
        return dy

    @property
    def dy(self) -> int:
        """The gradient of the first output in full."""
        return widen(self.b, self.thin, self.b.shape(self.y))

    def full(self, index: int) -> Gradient:
        """The gradient of output `index` in full, or None."""
        dy = self.dys[index]
        return None if dy is None else widen(self.b, dy, self.b.shape(self.node.outputs[index]))

    @property
    def y(self) -> int:
        return self.node.outputs[0]

    @property
    def inputs(self) -> tuple[int, ...]:
        return self.node.inputs

    @property
    def attrs(self) -> Mapping[str, Any]:
        return self.node.attrs

    def shape(self, index: int) -> tuple[int, ...]:
        """Shape of input `index`."""
        return self.b.shape(self.node.inputs[index])


Row = Callable[[Call], Sequence[Gradient]]


def sum_to(b: Builder, value: int, shape: tuple[int, ...]) -> int:
    """Undo broadcasting: sum the axes along which something of `shape` was repeated to become `value`."""
    have = b.shape(value)
    if have == shape:
        return value
    lead = len(have) - len(shape)
    axes = tuple(range(lead)) + tuple(lead + i for i, d in enumerate(shape) if d == 1 and have[lead + i] != 1)
    summed = b.reduce(value, kind="sum", axes=axes, keepdims=False) if axes else value
    return summed if b.shape(summed) == shape else b.reshape(summed, shape=shape)


def widen(b: Builder, value: int, shape: tuple[int, ...]) -> int:
    return value if b.shape(value) == shape else b.broadcast_to(value, shape=shape)


def expand(b: Builder, value: int, shape: tuple[int, ...], axes: Sequence[int]) -> int:
    """A reduced value back with its reduced `axes` as ones, so that it broadcasts against `shape`."""
    gone = {axis % len(shape) for axis in axes} if shape else set()
    kept = tuple(1 if i in gone else d for i, d in enumerate(shape))
    return value if b.shape(value) == kept else b.reshape(value, shape=kept)
