"""plan/abi.py and kernels/pe.h say the same numbers."""

from __future__ import annotations

import re
from pathlib import Path

import py_edge.kernels
from py_edge.kernels import load
from py_edge.plan import abi

HEADER = re.sub(r"/\*.*?\*/", "", (Path(py_edge.kernels.__file__).parent / "pe.h").read_text(), flags=re.S)
DIFFERENT = {"max": "maximum", "min": "minimum", "eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal",
             "gt": "greater", "ge": "greater_equal", "trunc_mod": "truncated_mod", "trunc_div": "div", "and": "bit_and",
             "or": "bit_or", "xor": "bit_xor", "shl": "shift_left", "shr": "shift_right", "not": "logical_not"}  # fmt: skip


def enum(name: str) -> dict[str, int]:
    """The members of a C enum with their values."""
    body = re.search(rf"enum {name} \{{(.*?)\}}", HEADER, re.S)
    assert body is not None
    members, value = {}, -1
    for part in filter(None, (p.strip() for p in body[1].split(","))):
        key, _, number = (p.strip() for p in part.partition("="))
        value = int(number) if number else value + 1
        members[key] = value
    return members


def test_kernels_have_the_headers_numbers() -> None:
    """Each kernel's number is that of the enum."""
    numbers = {key[3:].lower(): value for key, value in enum("pe_kernel").items() if key != "PE_KERNEL_COUNT"}
    assert numbers == abi.KERNEL


def test_unary_functions_have_the_headers_numbers() -> None:
    """Each unary function's opcode is that of the enum."""
    numbers = {key[5:].lower(): value for key, value in enum("pe_unary").items() if key != "PE_UNARY_COUNT"}
    assert numbers == abi.UNARY


def test_chain_opcodes_have_the_headers_numbers() -> None:
    """Each opcode of a chain, float, int and conversion, is that of the enum."""
    members = enum("pe_chain")
    floats = {
        DIFFERENT.get(k[5:].lower(), k[5:].lower()): v for k, v in members.items() if k.startswith("PE_F_")
    }
    ints = {
        DIFFERENT.get(k[5:].lower(), k[5:].lower()): v for k, v in members.items() if k.startswith("PE_I_")
    }
    assert floats == abi.FLOAT
    assert ints.items() <= abi.INT.items()
    rest = [members[f"PE_{name}"] for name in ("SELECT", "CONST", "F2I", "I2F", "F2B", "I2B")]
    assert rest == [abi.SELECT, abi.CONST, abi.F2I, abi.I2F, abi.F2B, abi.I2B]


def test_version_is_the_headers() -> None:
    """Both sides speak the same ABI version."""
    found = re.search(r"PE_ABI_VERSION (\d+)", HEADER)
    assert found is not None
    assert int(found[1]) == load.ABI_VERSION


def test_every_status_has_words() -> None:
    """Each status but PE_OK that a kernel can return has a sentence for the user."""
    assert sorted(load.STATUS) == sorted(set(enum("pe_status").values()) - {0})
