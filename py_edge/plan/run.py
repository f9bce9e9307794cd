"""A run: one plan with its memory, on one library. A plan can be shared, a run cannot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from py_edge.errors import NotFoundError, ShapeError
from py_edge.graph.graph import Graph
from py_edge.kernels.load import Library
from py_edge.plan.compile import compile_graph
from py_edge.plan.crew import Crew, make_crew
from py_edge.plan.memory import Memory
from py_edge.plan.plan import Plan, Port
from py_edge.tensor import ITEM_BYTES, Tensor, count


class Run:
    """Holds arena and weights of one plan; call it with the inputs, get the outputs.

    threads: at most so many, where the plan has enough to share (kernels/crew.c); the results are the same bits.
    """

    def __init__(self, plan: Plan, library: Library, threads: int = 1) -> None:
        if plan.panel != library.panel:
            raise ShapeError(
                "plan was made for another build of the kernels", got=plan.panel, want=library.panel
            )
        self.plan, self.library = plan, library
        self._arena, self._weights = Memory(plan.arena_bytes), Memory(plan.weights_bytes)
        self._code = Memory(len(plan.code))
        self._code.view[:] = plan.code
        self._crew: Crew | None = None
        self._inputs = {port.name: (port, self._port(port, self._arena)) for port in plan.inputs}
        self._outputs = {port.name: (port, self._port(port, self._arena)) for port in plan.outputs}
        self._variables = {port.name: (port, self._port(port, self._weights)) for port in plan.variables}
        blob = Memory(len(plan.blob))
        blob.view[:] = plan.blob
        self._execute(plan.init, blob.address)
        self._crew = make_crew(
            library.handle, threads, self._code.address, plan.run, self._arena, self._weights
        )

    @property
    def threads(self) -> int:
        """How many threads a run takes."""
        return self._crew.threads if self._crew and self._crew.here else 1

    @staticmethod
    def _port(port: Port, memory: Memory) -> memoryview:
        return memory.view[port.offset : port.offset + count(port.shape) * ITEM_BYTES[port.dtype]]

    def _execute(self, part: tuple[int, int], blob: int = 0) -> None:
        if self._crew and self._crew.here and part == self.plan.run:
            status = self._crew.run(*part)
        else:
            status = self.library.run(
                self._code.address, *part, self._arena.address, self._weights.address, blob
            )
        self.library.check(status)

    def __call__(self, inputs: Mapping[str, Any]) -> dict[str, Tensor]:
        """inputs: name -> Tensor, array or nested lists of exactly the plan's shape. Returns copies of the outputs."""
        self.load(inputs)
        self._execute(self.plan.run)
        return {name: self.output(name) for name in self._outputs}

    def load(self, inputs: Mapping[str, Any]) -> None:
        """Copy inputs into the arena without running."""
        if self._inputs.keys() != inputs.keys():
            raise NotFoundError(
                "inputs do not match the model's", got=sorted(inputs), want=sorted(self._inputs)
            )
        for name, value in inputs.items():
            port, view = self._inputs[name]
            tensor = Tensor.of(value, port.dtype)
            if tensor.shape != port.shape:
                raise ShapeError("input has another shape", where=name, got=tensor.shape, want=port.shape)
            view[:] = tensor.data.cast("B") if tensor.nbytes else b""

    def execute(self, part: tuple[int, int] | None = None) -> None:
        """Run on what the inputs hold now; read results with `output`. part: only these words of the code."""
        self._execute(part or self.plan.run)

    def input_view(self, name: str) -> memoryview:
        """The bytes of an input, to be written in place before `execute`: a training loop fills batches row by row."""
        return self._inputs[name][1]

    def output_view(self, name: str) -> memoryview:
        """The bytes of an output, valid until the next run."""
        return self._outputs[name][1]

    def variable_view(self, name: str) -> memoryview:
        """The bytes of a variable as it stands."""
        return self._variables[name][1]

    def output(self, name: str) -> Tensor:
        """A copy of an output as the last run left it."""
        port, view = self._outputs[name]
        return Tensor(memoryview(view.tobytes()), port.shape, port.dtype)

    @property
    def variables(self) -> list[str]:
        """Names of the weights that a training step may change; none in a plan for predictions."""
        return list(self._variables)

    def variable(self, name: str) -> Tensor:
        """A copy of a variable as it stands."""
        port, view = self._variables[name]
        return Tensor(memoryview(view.tobytes()), port.shape, port.dtype)


def evaluate(graph: Graph, library: Library, inputs: Mapping[str, Any] | None = None) -> dict[str, Tensor]:
    """Compile and run once; for constant folding, tests and small things."""
    return Run(compile_graph(graph, library.panel), library)(inputs or {})
