"""How much a model file may ask for, and the scan of the bytes that runs before any parser sees them.

A few kB of nested JSON end the interpreter inside a browser for good, so depth and counts are read off the raw
bytes with whole-buffer operations: no recursion, no loop over bytes in Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

from py_edge.errors import LimitError


@dataclass(frozen=True, slots=True)
class Limits:
    """json_bytes, depth and values of model.json; counts of layers, weights, shards; largest rank, size, name;
    made: elements of one constant that lowering makes in Python."""

    json_bytes: int = 16 << 20
    depth: int = 64
    values: int = 500_000
    nodes: int = 20_000
    weights: int = 20_000
    shards: int = 1_024
    rank: int = 8
    dim: int = (1 << 31) - 1
    weight_bytes: int = 2 << 30
    name_bytes: int = 512
    elements: int = 1 << 29
    made: int = 1 << 23


DEFAULT = Limits()
FOREIGN = (
    AttributeError, TypeError, KeyError, IndexError, ValueError, ArithmeticError, RecursionError, AssertionError,
)  # fmt: skip
"""What code meets in a document that looks like a model and is none; mapped where files are read and nodes lowered."""
_BRACKETS = b"{}[]"
_NOT_BRACKETS = bytes(set(range(256)) - set(_BRACKETS))
_STEP = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}


def scan_json(raw: bytes, file: str, limits: Limits = DEFAULT) -> None:
    """Refuse model.json bytes that are too long, too deep or hold too many values.

    Raises LimitError. Brackets and commas inside strings do not count; broken JSON is left to the parser.
    """
    if len(raw) > limits.json_bytes:
        raise LimitError(
            "the file is too large", where=file, got=len(raw), want=f"<= {limits.json_bytes} bytes"
        )
    outside = _outside_strings(raw)
    brackets = outside.translate(None, _NOT_BRACKETS)
    opened = brackets.count(b"{") + brackets.count(b"[")
    values = outside.count(b",") + opened + 1
    if values > limits.values:
        raise LimitError("too many values", where=file, got=values, want=f"<= {limits.values}")
    depth = max(accumulate(map(_STEP.__getitem__, brackets)), default=0)
    if depth > limits.depth:
        raise LimitError("nested too deeply", where=file, got=depth, want=f"<= {limits.depth}")


def _outside_strings(raw: bytes) -> bytes:
    """The bytes that stand outside of string literals: escaped pairs go first, then every second piece."""
    bare = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(bare.split(b'"')[::2])
