"""A graph as text, a line a node: what a person reads when something is wrong."""

from __future__ import annotations

from py_edge.graph.graph import Graph, Spec
from py_edge.tensor import Tensor


def show(graph: Graph, indent: str = "") -> str:
    """Inputs, nodes with shapes and attributes, outputs; bodies of loops indented."""
    lines = [
        f"{indent}input %{value} {name}: {_spec(graph.specs[value])}" for name, value in graph.inputs.items()
    ]
    for node in graph.nodes:
        plain = {k: v for k, v in node.attrs.items() if not isinstance(v, (Graph, Tensor))}
        attrs = f" {plain}" if plain else ""
        outs = ", ".join(f"%{value} {_spec(graph.specs[value])}" for value in node.outputs)
        args = ", ".join(_operand(graph, value) for value in node.inputs)
        lines.append(f"{indent}{outs} = {node.op}({args}){attrs}  # {node.where}")
        for name, body in node.attrs.items():
            if isinstance(body, Graph):
                lines += [f"{indent}  {name}:", show(body, indent + "    ")]
    lines += [f"{indent}output {name} = %{value}" for name, value in graph.outputs.items()]
    lines += [f"{indent}update %{variable} = %{value}" for variable, value in graph.updates.items()]
    return "\n".join(lines)


def _spec(spec: Spec) -> str:
    return f"{spec.dtype}[{', '.join(map(str, spec.shape))}]"


def _operand(graph: Graph, value: int) -> str:
    if value in graph.variables:
        return f"@{graph.variables[value]}"
    if value in graph.constants:
        tensor = graph.constants[value]
        return str(tensor.flat[0]) if tensor.size == 1 else f"const{list(tensor.shape)}"
    return f"%{value}"
