"""An elementwise node, plain or fused, as the words of pe_elementwise: strides, registers, instructions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from py_edge.errors import GraphError, UnsupportedError
from py_edge.graph.graph import Node, Spec
from py_edge.graph.shapes import broadcast
from py_edge.plan import abi
from py_edge.tensor import Tensor

MAX_REGISTERS = 16


@dataclass(frozen=True, slots=True)
class Instruction:
    """name: an elementwise op; dtype: of its operands; operands: 0..n_in-1 inputs, then results of earlier instructions."""

    name: str
    dtype: str
    operands: tuple[int, ...]
    attrs: Mapping[str, Any]


def instructions(node: Node, specs: Sequence[Spec]) -> tuple[list[Instruction], tuple[int, ...]]:
    """The chain of a node and which results it gives; a plain op is a chain of one."""
    if node.op == "elementwise":
        return [Instruction(*row) for row in node.attrs["code"]], tuple(node.attrs["results"])
    operands = tuple(range(len(specs)))
    return [Instruction(node.op, specs[-1].dtype, operands, node.attrs)], (len(specs),)


def opcode(name: str, dtype: str, attrs: Mapping[str, Any]) -> int:
    if name == "select":
        return abi.SELECT
    if name == "cast":
        return abi.CAST[dtype, attrs["dtype"]]
    table = {**abi.UNARY, **abi.FLOAT} if dtype == "float32" else abi.INT
    if name not in table:
        raise UnsupportedError(f"{name} has no {dtype} form")
    return table[name]


def strides(shape: tuple[int, ...], out: tuple[int, ...]) -> list[int]:
    """Element strides with which `shape` is read while walking `out`; 0 where it is broadcast."""
    result, step = [0] * len(out), 1
    for axis in range(1, len(shape) + 1):
        if shape[-axis] != 1:
            result[-axis] = step
        step *= shape[-axis]
    return result


def collapse(shape: Sequence[int], rows: Sequence[Sequence[int]]) -> tuple[list[int], list[list[int]]]:
    """Merge neighbouring axes over which every operand walks evenly; drop axes of size 1."""
    keep = [axis for axis, size in enumerate(shape) if size != 1]
    sizes: list[int] = []
    walks: list[list[int]] = [[] for _ in rows]
    for axis in keep:
        if sizes and all(walk[-1] == row[axis] * shape[axis] for walk, row in zip(walks, rows, strict=True)):
            sizes[-1] *= shape[axis]
            for walk, row in zip(walks, rows, strict=True):
                walk[-1] = row[axis]
        else:
            sizes.append(shape[axis])
            for walk, row in zip(walks, rows, strict=True):
                walk.append(row[axis])
    return sizes or [1], [walk or [0] for walk in walks]


def encode(
    node: Node,
    ins: Sequence[Spec],
    outs: Sequence[Spec],
    constants: Sequence[Tensor | None],
    operand: Callable[[int], int],
) -> list[int]:
    """The params of pe_elementwise. operand(value id) -> operand word; constants: Tensor of each input, if it is one."""
    chain, results = instructions(node, ins)
    shape = outs[0].shape if node.op == "elementwise" else broadcast(*(s.shape for s in ins))
    immediate = {i for i, tensor in enumerate(constants) if tensor is not None and tensor.size == 1}
    loaded = [i for i in range(len(ins)) if i not in immediate]
    sizes, walks = collapse(shape, [strides(ins[i].shape, shape) for i in loaded])
    if len(sizes) > 8:
        raise UnsupportedError("more than 8 axes that cannot be merged", where=node.where, got=shape)

    last_use = {operand_: at for at, row in enumerate(chain) for operand_ in row.operands}
    last_use |= dict.fromkeys(results, len(chain))
    register = {value: index for index, value in enumerate(loaded)}
    free = list(range(MAX_REGISTERS - 1, len(loaded) - 1, -1))
    used = len(loaded)
    code: list[int] = []

    def claim(value: int) -> int:
        nonlocal used
        if not free:
            raise GraphError(
                "the chain needs more registers than there are", where=node.where, want=MAX_REGISTERS
            )
        register[value] = free.pop()
        used = max(used, register[value] + 1)
        return register[value]

    for at, row in enumerate(chain):
        for value in row.operands:
            if value in immediate and value not in register:
                tensor = constants[value]
                assert tensor is not None
                number = tensor.flat[0]
                word = abi.bits(number) if tensor.dtype == "float32" else int(number)
                code += [abi.CONST, claim(value), word, 0, 0]
        regs = [register[value] for value in row.operands]
        for value in set(row.operands):
            if last_use[value] == at:
                free.append(register[value])
        target = claim(len(ins) + at)
        op = opcode(row.name, row.dtype, row.attrs)
        if op == abi.SELECT:
            code += [op, target, regs[1], regs[2], regs[0]]
        elif len(regs) == 1:
            code += [
                op,
                target,
                regs[0],
                abi.bits(row.attrs.get("alpha", abi.DEFAULT_ALPHA.get(row.name, 0.0))),
                0,
            ]
        else:
            code += [op, target, regs[0], regs[1], 0]
        if len(ins) + at not in last_use:
            free.append(target)

    words = [len(sizes), *_padded(sizes, 1), len(loaded), len(results), len(code) // 5, used]
    for index, walk in zip(loaded, walks, strict=True):
        words += [operand(node.inputs[index]), abi.TYPE[ins[index].dtype], *_padded(walk, 0)]
    for value, out, spec in zip(results, node.outputs, outs, strict=True):
        words += [operand(out), abi.TYPE[spec.dtype], register[value]]
    return words + code


def _padded(values: Sequence[int], fill: int) -> list[int]:
    return [*values, *[fill] * (8 - len(values))]
