"""What training needs from outside: a model that gives its graph and takes new weights, and a way to start a graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from py_edge.graph import Graph
from py_edge.tensor import Tensor


class Runner(Protocol):
    """A compiled graph with its memory: what plan.Run offers."""

    @property
    def plan(self) -> Any: ...
    @property
    def variables(self) -> list[str]: ...
    def execute(self) -> None: ...
    def input_view(self, name: str) -> memoryview: ...
    def output_view(self, name: str) -> memoryview: ...
    def variable_view(self, name: str) -> memoryview: ...
    def variable(self, name: str) -> Tensor: ...


Forward = Callable[[int], Graph]
Start = Callable[[Graph], Runner]


class Trainable(Protocol):
    """A model: its weights by name, its graph for a batch size, and a way to change weights."""

    @property
    def weights(self) -> Mapping[str, Tensor]: ...

    @property
    def trainable(self) -> list[str]:
        """Names of weights that training may change."""

    def forward(
        self, rows: int, *, training: bool = False, frozen: Sequence[str] = (), seed: int = 0
    ) -> Graph:
        """The graph for `rows` examples. training: dropout and batch statistics, but not in the `frozen` layers."""

    def set_weights(self, weights: Mapping[str, Tensor]) -> None: ...
