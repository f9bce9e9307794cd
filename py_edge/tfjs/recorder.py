"""The first run of a graph in which data decides: computes as it is lowered, and writes down what was decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from py_edge.graph import Node, Spec
from py_edge.tensor import Tensor
from py_edge.tfjs.segments import Compile, Concrete, elements, plan_steps, run_steps
from py_edge.tfjs.static_values import Flat, to_tensor
from py_edge.tfjs.trace import Host, Trace
from py_edge.tfjs.weights import Strings


@dataclass(slots=True)
class Recorder:
    """Events of a first run: computes what is asked for from the inputs that are there, and writes it down."""

    compile: Compile
    env: dict[int, Concrete] = field(default_factory=dict)
    inputs: Mapping[str, Concrete] = field(default_factory=dict)
    root: Trace | None = None

    def concrete(self, trace: Trace, ids: Sequence[int]) -> list[Concrete]:
        graph = trace.b.graph
        for name, id_ in graph.inputs.items():
            self.env.setdefault(id_, self.inputs[name])
        for id_ in ids:
            if id_ not in self.env and (flat := trace.static(id_)) is not None:
                spec = graph.specs[id_]
                self.env[id_] = (
                    Strings(tuple(flat), spec.shape) if spec.dtype == "string" else to_tensor(flat, spec)
                )
            if id_ in graph.constants:
                self.env.setdefault(id_, graph.constants[id_])
        missing = [i for i in ids if i not in self.env]
        if missing:
            strings = known_strings(trace)
            env = {**strings, **self.env}
            made = {v for node in graph.nodes for v in node.outputs}
            wanted = [*missing, *((trace.live() & made) - set(env) - set(missing))]
            run_steps(graph, plan_steps(graph, wanted, set(env), self.compile, False), env)
            self.env |= {i: env[i] for i in wanted}
        return [self.env[i] for i in ids]

    def value(self, trace: Trace, id_: int) -> Flat:
        value = self.concrete(trace, [id_])[0]
        flat = elements(value)
        if isinstance(value, Tensor) and value.dtype == "bool":
            flat = [bool(v) for v in flat]
        trace.b.graph.nodes.append(Node("guard", (id_,), (), {"expected": flat}, trace.b.where))
        trace.static_values.known[id_] = flat
        return flat

    def host(self, trace: Trace, name: str, function: Host, inputs: list[int]) -> list[int]:
        results = function(self.concrete(trace, inputs))
        ids = []
        for result in results:
            dtype = "string" if isinstance(result, Strings) else result.dtype
            ids.append(trace.host_value(Spec(result.shape, dtype)))
            self.env[ids[-1]] = result
        specs = tuple(trace.b.spec(i) for i in ids)
        trace.b.graph.nodes.append(
            Node("host", tuple(inputs), tuple(ids), {"function": function, "outputs": specs}, name)
        )
        return ids


def known_strings(trace: Trace) -> dict[int, Concrete]:
    """Strings that are known."""
    specs = trace.b.graph.specs
    known = trace.static_values.known.items()
    return {i: Strings(tuple(flat), specs[i].shape) for i, flat in known if specs[i].dtype == "string"}
