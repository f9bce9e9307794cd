"""A run on the slow truth: the same face as plan.Run, computed by kernels/reference.py in float64, kept in float32."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from py_edge.graph import Graph
from py_edge.kernels.reference import evaluate
from py_edge.tensor import ITEM_BYTES, Tensor

_TYPES = {"float32": "<f4", "int32": "<i4", "bool": "|b1", "uint8": "|u1"}


class ReferenceRun:
    """Holds a graph's inputs, variables and outputs as bytes; updates apply after each `execute`."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph.copy()
        for value, name in graph.variables.items():
            if value in graph.updates:
                self.graph.outputs[f"update {name}"] = graph.updates[value]
        self._state = {
            n: bytearray(graph.constants[v].data) for v, n in graph.variables.items() if v in graph.updates
        }
        self._ids = {n: v for v, n in graph.variables.items()}
        self._inputs = {n: bytearray(self._size(v)) for n, v in graph.inputs.items()}
        self._outputs = {n: bytearray(self._size(v)) for n, v in graph.outputs.items()}
        ports = {side: [SimpleNamespace(name=n, shape=graph.specs[v].shape, dtype=graph.specs[v].dtype)
                        for n, v in getattr(graph, side).items()] for side in ("inputs", "outputs")}  # fmt: skip
        self.plan = SimpleNamespace(**ports, steps=len(graph.nodes))

    def _size(self, value: int) -> int:
        spec = self.graph.specs[value]
        return spec.size * ITEM_BYTES[spec.dtype]

    def _array(self, data: bytearray, value: int) -> Any:
        spec = self.graph.specs[value]
        return np.frombuffer(bytes(data), _TYPES[spec.dtype]).reshape(spec.shape)

    def execute(self) -> None:
        for name, data in self._state.items():
            tensor = Tensor(
                memoryview(bytes(data)),
                self.graph.specs[self._ids[name]].shape,
                self.graph.specs[self._ids[name]].dtype,
            )
            self.graph.constants[self._ids[name]] = tensor
        with np.errstate(all="ignore"):
            found = evaluate(
                self.graph, {n: self._array(d, self.graph.inputs[n]) for n, d in self._inputs.items()}
            )
        for name, value in found.items():
            own, dtype = (self._state, name[7:]) if name.startswith("update ") else (self._outputs, name)
            kind = self.graph.specs[
                self._ids[dtype] if own is self._state else self.graph.outputs[name]
            ].dtype
            with np.errstate(over="ignore"):
                own[dtype][:] = np.ascontiguousarray(value).astype(_TYPES[kind]).tobytes()

    def input_view(self, name: str) -> memoryview:
        return memoryview(self._inputs[name])

    def output_view(self, name: str) -> memoryview:
        return memoryview(self._outputs[name])

    def variable_view(self, name: str) -> memoryview:
        return memoryview(self._state[name])

    @property
    def variables(self) -> list[str]:
        return list(self._state)

    def variable(self, name: str) -> Tensor:
        spec = self.graph.specs[self._ids[name]]
        return Tensor(memoryview(bytes(self._state[name])), spec.shape, spec.dtype)
