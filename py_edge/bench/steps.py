"""A plan's steps one by one: which kernel, which sizes, how much arithmetic. The field names come from kernels/pe.h."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache

from py_edge.bench.places import PACKAGE
from py_edge.plan import Plan
from py_edge.plan.abi import KERNEL, UNARY

SHOWN = {
    "matmul": "batch M N K", "conv2d": "H W C OH OW O KH KW SH groups",
    "depthwise_conv2d": "H W C M OH OW KH KW SH", "pool2d": "kind H W C OH OW KH KW", "reduce": "kind outer n inner",
    "softmax": "rows n", "normalize": "rows n", "resize": "method H W C OH OW", "elementwise": "shape n_in n_code",
    "conv2d_winograd": "H W C OH OW O", "copy": "bytes shape", "scan": "length", "gather": "axis inner count", "fill": "n",
}  # fmt: skip


SAME_PARAMS = {"conv2d_winograd": "conv2d"}


@dataclass(frozen=True)
class Step:
    """[begin, end) of the code in words; macs 0 for what is not a product."""

    kernel: str
    begin: int
    end: int
    shown: str
    macs: int


def steps_of(plan: Plan) -> list[Step]:
    """The steps of one run in order; a loop is one step with its body."""
    words = memoryview(plan.code).cast("i")
    names = {number: name for name, number in KERNEL.items()}
    at, found = plan.run[0], []
    while at < plan.run[1]:
        kernel, size = names[words[at]], words[at + 1]
        found.append(_step(kernel, at, [*words[at + 2 : at + 2 + size]]))
        at += 2 + size
    return found


def _step(kernel: str, at: int, params: list[int]) -> Step:
    values = dict(_named(kernel, params))
    shown = " ".join(
        f"{name}={_text(values[name])}" for name in SHOWN.get(kernel, "").split() if name in values
    )
    activation = values.get("act")
    if isinstance(activation, int) and activation != UNARY["copy"]:
        shown += " " + next(name for name, number in UNARY.items() if number == activation)
    return Step(kernel, at, at + 2 + len(params), shown, _macs(kernel, values))


def _text(value: int | list[int]) -> str:
    if isinstance(value, int):
        return str(value)
    trimmed = [n for n in value if n != 1] or [1]
    return "x".join(map(str, trimmed))


def _macs(kernel: str, values: dict[str, int | list[int]]) -> int:
    def product(names: str) -> int:
        picked = [values[name] for name in names.split()]
        return math.prod(math.prod(value) if isinstance(value, list) else value for value in picked)

    if kernel == "matmul":
        return product("batch M N K")
    if kernel in ("conv2d", "conv2d_winograd"):  # by the plain sum, so that both can be compared
        return product("N OH OW O KH KW C") // product("groups")
    if kernel == "depthwise_conv2d":
        return product("N OH OW C M KH KW")
    return 0


def _named(kernel: str, params: list[int]) -> list[tuple[str, int | list[int]]]:
    found: list[tuple[str, int | list[int]]] = []
    at = 0
    for name, length in _fields().get(SAME_PARAMS.get(kernel, kernel), ()):
        found.append((name, params[at] if length == 0 else params[at : at + length]))
        at += length or 1
    return found


@cache
def _fields() -> dict[str, tuple[tuple[str, int], ...]]:
    """Struct name without `pe_` -> (field, array length or 0) in order."""
    header = re.sub(r"/\*.*?\*/", "", (PACKAGE / "kernels" / "pe.h").read_text(), flags=re.DOTALL)
    found = {}
    for body, name in re.findall(r"typedef struct \{([^}]*)\} pe_(\w+);", header):
        items = re.findall(r"(\w+)(?:\[(\d+)\])?\s*[,;]", body.replace("int32_t", " "))
        found[name] = tuple((field, int(length or 0)) for field, length in items)
    return found
