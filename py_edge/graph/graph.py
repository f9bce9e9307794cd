"""The graph: values with a shape and a dtype, nodes in the order in which they run.

Static single assignment: every value is an input, a constant, or an output of exactly one node. A graph is made
for concrete input shapes (batch included); another shape is another graph. A pass returns a new graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from py_edge.tensor import Tensor, count


@dataclass(frozen=True, slots=True)
class Spec:
    """What is known of a value: shape (d0, ...), every d >= 0; dtype float32, int32, bool (host steps: any)."""

    shape: tuple[int, ...]
    dtype: str = "float32"

    @property
    def size(self) -> int:
        return count(self.shape)


@dataclass(frozen=True, slots=True)
class Node:
    """One use of a core op. inputs, outputs: value ids; attrs: plain data, subgraphs as Graph; where: origin, for errors."""

    op: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    where: str = ""


@dataclass(slots=True)
class Graph:
    """specs[id]: Spec of value id. inputs, outputs: name -> id. constants: id -> Tensor.

    variables: those constants that training may change, id -> weight name.
    updates: variable id -> id of the value that replaces it after each run (training steps only).
    """

    specs: list[Spec] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    inputs: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, int] = field(default_factory=dict)
    constants: dict[int, Tensor] = field(default_factory=dict)
    variables: dict[int, str] = field(default_factory=dict)
    updates: dict[int, int] = field(default_factory=dict)

    def copy(self) -> Graph:
        """A graph that can be changed without changing this one; tensors are shared."""
        return replace(
            self, specs=list(self.specs), nodes=list(self.nodes), inputs=dict(self.inputs),
            outputs=dict(self.outputs), constants=dict(self.constants), variables=dict(self.variables),
            updates=dict(self.updates),
        )  # fmt: skip

    def producers(self) -> dict[int, Node]:
        """value id -> the node that makes it."""
        return {output: node for node in self.nodes for output in node.outputs}

    def uses(self) -> dict[int, int]:
        """value id -> how often a node, an output or an update reads it."""
        read: dict[int, int] = {}
        for reader in [
            *(i for node in self.nodes for i in node.inputs),
            *self.outputs.values(),
            *self.updates.values(),
        ]:
            read[reader] = read.get(reader, 0) + 1
        return read
