"""The model as a user holds it: load, predict, change weights, make a plan, save. It ties format, passes and plan.

Plans are made per input shapes; those used last are kept until a weight changes (tfjs/session.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from py_edge import tfjs
from py_edge.errors import ShapeError
from py_edge.graph import Graph
from py_edge.kernels.load import Library
from py_edge.kernels.load import library as load_library
from py_edge.passes import INFERENCE, PLAIN, optimize
from py_edge.plan import Plan, Run, compile_graph, evaluate
from py_edge.tensor import Tensor
from py_edge.tfjs.model import Part, Shapes
from py_edge.tfjs.save import save_model
from py_edge.tfjs.session import Session


def load_model(source: str | os.PathLike[str] | Mapping[str, bytes], *, threads: int = 1) -> Model:
    """A model from a folder, a model.json, or file names with their bytes, as the TF.js converter writes them.

    threads: of a prediction, at most, where the model is worth them; the results are the same bits.
    Raises ModelFormatError and its kin, with a code and the place in the file.
    """
    return Model(tfjs.load_model(source), threads=threads)


def compile_optimized(
    graph: Graph,
    library: Library,
    panel: int | None = None,
    meta: dict[str, Any] | None = None,
    winograd: bool = True,
) -> Plan:
    """All passes, then the plan. panel: that of another home's kernels, by default the library's own."""
    passes = INFERENCE if winograd else PLAIN
    graph = optimize(graph, lambda constants: evaluate(constants, library), passes)
    return compile_graph(graph, panel or library.panel, meta)


def compiled_by(library: Library, threads: int = 1) -> Callable[[Graph], Run]:
    """What turns a graph into something to call, for tfjs.session."""
    return lambda graph: Run(compile_optimized(graph, library), library, threads)


class Model:
    """tfjs: the loaded file, replaced as a whole when weights change. library: the kernels, chosen for this machine.

    threads: of a prediction, at most, where the model is worth them; set before the first one.
    """

    def __init__(self, model: tfjs.Model, library: Library | None = None, threads: int = 1) -> None:
        self.tfjs = model
        self.threads = threads
        self._library = library
        self._session: Session | None = None

    def __repr__(self) -> str:
        ports = [", ".join(map(str, side)) for side in (self.inputs, self.outputs)]
        return f"Model({' -> '.join(ports)}; {sum(part.parameters for part in self.layers):,} parameters)"

    def __getstate__(self) -> dict[str, Any]:
        """What a copy and a pickle keep: the file and its weights; kernels and plans are looked for anew there."""
        return {**self.__dict__, "_library": None, "_session": None}

    @property
    def library(self) -> Library:
        """The compiled kernels, looked for at the first use. Raises EnvironmentProblem if none run here."""
        if self._library is None:
            self._library = load_library()
        return self._library

    @property
    def inputs(self) -> list[tfjs.Port]:
        """Name, shape and dtype of each input; None in a shape is any size, such as the batch."""
        return self.tfjs.inputs

    @property
    def outputs(self) -> list[tfjs.Port]:
        """The same of each output."""
        return self.tfjs.outputs

    @property
    def metadata(self) -> dict[str, Any]:
        """userDefinedMetadata of the file: labels, temperature, threshold, whatever the maker put there."""
        return self.tfjs.metadata

    @property
    def weights(self) -> dict[str, Tensor]:
        """Weight name -> tensor, as the file names them. Change them with `set_weights`."""
        return self.tfjs.weights

    @property
    def trainable(self) -> list[str]:
        """Names of the weights that training may change."""
        return self.tfjs.trainable

    @property
    def layers(self) -> list[Part]:
        """Layers or graph nodes with their weights' names."""
        return self.tfjs.layers

    def set_weights(self, changed: Mapping[str, Tensor]) -> None:
        """Replace some weights. Raises NotFoundError or ShapeError and then changes nothing."""
        self.tfjs = self.tfjs.with_weights(changed)
        self._session = None

    def replace(self, model: tfjs.Model) -> None:
        """Another topology in this place, such as a head with more classes."""
        self.tfjs = model
        self._session = None

    def forward(
        self, shapes: Shapes = 1, *, training: bool = False, frozen: Sequence[str] = (), seed: int = 0
    ) -> Graph:
        """The model as written, as a graph for concrete input shapes; see tfjs.Model.graph."""
        return self.tfjs.graph(shapes, training=training, frozen=frozen, seed=seed)

    def plan(
        self,
        shapes: Shapes = 1,
        *,
        panel: int | None = None,
        meta: dict[str, Any] | None = None,
        winograd: bool = True,
    ) -> Plan:
        """The plan for concrete input shapes. panel: 8 for a browser, by default that of this machine's kernels.

        winograd: wide 3 x 3 convolutions may differ from the plain sum by rounding, about 1e-6 of the largest result.
        """
        return compile_optimized(self.forward(shapes), self.library, panel, meta, winograd)

    def predict(self, inputs: Any) -> Any:
        """One input, or {name: input}, or a list in the order of `inputs` -> a Tensor, or {name: Tensor} if several outputs.

        An input: Tensor, numpy array, DataFrame or nested lists, the batch first (tfjs.weights.Strings, Complex where the
        model says so). The result is indexed like a list; `numpy.asarray` makes an array of it. What depends on the
        data (loops, non-max suppression, ...) is decided at each call; what was compiled is kept for the eight sets of
        input shapes used last, until a weight changes. Raises ShapeError for a shape that does not fit.
        """
        named = self._named(inputs)
        if self._session is None:
            self._session = Session(self.tfjs, compiled_by(self.library, self.threads))
        results = self._session.run(named)
        return results if len(results) > 1 else next(iter(results.values()))

    def _named(self, inputs: Any) -> dict[str, Any]:
        names = [port.name for port in self.inputs]
        if isinstance(inputs, Mapping):
            return dict(inputs)
        if len(names) == 1:
            return {names[0]: inputs}
        if isinstance(inputs, (list, tuple)) and len(inputs) == len(names):
            return dict(zip(names, inputs, strict=True))
        raise ShapeError(
            "this model has several inputs", want=names, remedy="give a mapping, or a list in this order"
        )

    def save(self, folder: str | os.PathLike[str], metadata: Mapping[str, Any] | None = None) -> None:
        """Write the model as TF.js files; metadata is added to userDefinedMetadata."""
        save_model(self.tfjs, folder, metadata)
