"""Running any model: one compiled graph where shapes tell everything, segments with Python steps between otherwise.

The first run of an input shape lowers the graph and computes as it goes, wherever data decides. What was decided is
kept as guards; the program of segments, host steps and guards is kept too, and the next run follows it as long as
the guards hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from py_edge.errors import NotFoundError, ShapeError
from py_edge.tensor import Tensor, count
from py_edge.tfjs.graph_model import GraphModel
from py_edge.tfjs.layers_model import LayersModel
from py_edge.tfjs.model import Model, Port
from py_edge.tfjs.recorder import Recorder, known_strings
from py_edge.tfjs.segments import Compile, Compiled, Concrete, GuardFailed, Program, as_tensor
from py_edge.tfjs.trace import Cplx, DataDependent, ids_of
from py_edge.tfjs.weights import Complex, Strings

MOST_SHAPES = 8
MOST_PROGRAMS = 64


@dataclass(slots=True)
class Prepared:
    """What is kept of one set of input shapes. whole: the model as one compiled graph, None where data decides;
    programs: one per way that data has decided, the last used first."""

    whole: Compiled | None
    programs: list[Program] = field(default_factory=list)


class Session:
    """A model and a way to compile graphs. compile(graph) gives a function of named inputs; results have the graph's
    output names. Not shared between threads.

    What was compiled is kept for the MOST_SHAPES sets of input shapes used last, each with an arena and weights of its
    own, and for each of them the MOST_PROGRAMS ways used last in which data decided; others are compiled again.
    """

    def __init__(self, model: Model, compile: Compile) -> None:  # noqa: A002
        self.model, self._compile = model, compile
        self._prepared: dict[Any, Prepared] = {}
        """By names and shapes of the inputs, the last used at the end."""

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Tensor | Strings | Complex]:
        """Outputs by name. inputs: tensors, arrays, nested lists (Strings for string inputs), by input name.

        Raises NotFoundError: another set of inputs; ShapeError; and what lowering and kernels raise.
        """
        given = self._given(inputs)
        key = tuple((name, value.shape) for name, value in sorted(given.items()))
        found = self._prepared.pop(key, None)
        prepared = self._prepared[key] = found or Prepared(self._whole(given))
        while len(self._prepared) > MOST_SHAPES:
            del self._prepared[next(iter(self._prepared))]
        if prepared.whole is not None:
            results = prepared.whole({name: as_tensor(value) for name, value in given.items()})
            return {name: Tensor.of(results[name]) for name in results}
        return self._stepwise(prepared.programs, given)

    def _given(self, inputs: Mapping[str, Any]) -> dict[str, Concrete]:
        optional = self.model.defaults if isinstance(self.model, GraphModel) else frozenset()
        wanted = {port.name: port for port in self.model.inputs}
        missing = [name for name in wanted if name not in inputs and name not in optional]
        if missing or not set(inputs) <= set(wanted):
            raise NotFoundError("inputs do not match the model's", got=sorted(inputs), want=sorted(wanted))
        found: dict[str, Concrete] = {}
        for name, value in inputs.items():
            port = wanted[name]
            if port.dtype == "complex64":
                raw = value if isinstance(value, Complex) else None
                if raw is None:
                    raise ShapeError("a complex input is given as Complex", where=name)
                found[f"{name}/real"], found[f"{name}/imag"] = raw.real, raw.imag
            else:
                found[name] = _converted(port, value)
        return found

    def _whole(self, given: Mapping[str, Concrete]) -> Compiled | None:
        """The model as one graph, when nothing depends on data."""
        dynamic = isinstance(self.model, GraphModel) and self.model.dynamic
        if dynamic or not all(isinstance(value, Tensor) for value in given.values()):
            return None
        try:
            return self._compile(self.model.graph({name: value.shape for name, value in given.items()}))
        except DataDependent:
            if isinstance(self.model, GraphModel):
                self.model.dynamic = True
            return None

    def _stepwise(
        self, programs: list[Program], given: dict[str, Concrete]
    ) -> dict[str, Tensor | Strings | Complex]:
        """Follow the first program whose guards hold, else make one; it is then the last used."""
        for place, program in enumerate(programs):
            try:
                env = program.run({program.graph.inputs[name]: v for name, v in given.items()}, self._compile)
            except GuardFailed:
                continue
            programs.insert(0, programs.pop(place))
            return self._results(program, env)
        first = self._first_of_layers if isinstance(self.model, LayersModel) else self._first_of_graph
        program, env = first(given)
        programs.insert(0, program)
        del programs[MOST_PROGRAMS:]
        return self._results(program, env)

    def _first_of_graph(self, given: dict[str, Concrete]) -> tuple[Program, dict[int, Concrete]]:
        assert isinstance(self.model, GraphModel)
        recorder = Recorder(self._compile, {}, given)
        parts = {p.name: given.get(p.name, given.get(f"{p.name}/real")) for p in self.model.inputs}
        shapes = {name: value.shape for name, value in parts.items() if value is not None}
        trace, outputs = self.model.trace(shapes, recorder)
        graph = trace.b.graph
        ids = [i for value in outputs.values() for i in ids_of(value)]
        known: dict[int, Concrete] = {**known_strings(trace), **graph.constants}
        program = Program(graph, [], known, outputs, ids)
        return program, dict(zip(ids, recorder.concrete(trace, ids), strict=True))

    def _first_of_layers(self, given: dict[str, Concrete]) -> tuple[Program, dict[int, Concrete]]:
        assert isinstance(self.model, LayersModel)
        graph = self.model.stepwise_graph({name: value.shape for name, value in given.items()})
        program = Program(graph, [], dict(graph.constants), dict(graph.outputs), list(graph.outputs.values()))
        return program, program.run({graph.inputs[n]: v for n, v in given.items()}, self._compile)

    def _results(
        self, program: Program, env: Mapping[int, Concrete]
    ) -> dict[str, Tensor | Strings | Complex]:
        found: dict[str, Tensor | Strings | Complex] = {}
        for name, value in program.outputs.items():
            if isinstance(value, int):
                found[name] = env[value]
            elif isinstance(value, Cplx):
                found[name] = Complex(as_tensor(env[value.real]), as_tensor(env[value.imag]))
        return found


def _words(value: Any) -> tuple[list[bytes], tuple[int, ...]]:
    """Nested lists of texts, flat, and their shape."""
    if isinstance(value, (str, bytes)):
        return [value if isinstance(value, bytes) else value.encode()], ()
    parts = [_words(item) for item in value]
    shapes = {shape for _, shape in parts} or {()}
    if len(shapes) > 1:
        raise ShapeError("rows of different lengths", got=sorted(shapes))
    return [text for flat, _ in parts for text in flat], (len(parts), *shapes.pop())


def _converted(port: Port, value: Any) -> Concrete:
    if port.dtype == "string":
        if isinstance(value, Strings):
            return value
        flat, shape = _words(value)
        if len(shape) != len(port.shape) and port.shape != (None,):
            raise ShapeError(
                f"input '{port.name}' has another rank", where=port.name, got=shape, want=port.shape
            )
        return Strings(tuple(flat), shape)
    tensor = Tensor.of(value)
    tensor = tensor if tensor.dtype == port.dtype else tensor.astype(port.dtype)
    if len(tensor.shape) != len(port.shape) and port.shape != (None,):
        raise ShapeError(
            f"input '{port.name}' has another rank", where=port.name, got=tensor.shape, want=port.shape,
            remedy=_reshaping(tensor.shape, port.shape),
        )  # fmt: skip
    return tensor


def _reshaping(got: Sequence[int], want: Sequence[int | None]) -> str:
    """What a user does whose values have the right number but another shape."""
    fixed = [size for size in want[1:] if size is not None]
    fits = want[:1] == (None,) and len(fixed) == len(want) - 1 and count(got) % max(count(fixed), 1) == 0
    return f"reshape({(-1, *fixed)}) gives each example this shape" if fits and count(got) else ""
