"""The bytes of a group turned into tensors: every dtype and quantisation, decoded bit for bit as TF.js does.

Strings and complex numbers have no place in kernels; they stay host values: Strings, Complex.
"""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from py_edge.errors import IntegrityError, ValueRangeError
from py_edge.tensor import Tensor, count
from py_edge.tfjs.manifest import STORED_BYTES, Entry, Group, read_group
from py_edge.tfjs.reader import Reader

_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Strings:
    """values: bytes per element in row-major order; shape (d0, ...)."""

    values: tuple[bytes, ...]
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Complex:
    """Real and imaginary part, float32, of one shape."""

    real: Tensor
    imag: Tensor


Weight = Tensor | Strings | Complex
Shards = tuple[dict[str, Weight], dict[str, str]]
"""All weights by name, and the dtype under which each was stored."""


def read_weights(
    groups: list[Group], reader: Reader, expected: Mapping[str, str] | None = None, strict: bool = True
) -> Shards:
    """All weights by name, and the dtype under which each was stored (to write them back alike).

    strict: NaN and infinity are refused (a graph-model's constants may hold an infinity).
    """
    weights: dict[str, Weight] = {}
    stored: dict[str, str] = {}
    for group in groups:
        data = memoryview(read_group(group, reader, expected))
        offset = 0
        for entry in group.entries:
            weights[entry.name], used = _decode(entry, data[offset:], strict)
            stored[entry.name] = entry.stored_dtype
            offset += used
        if offset != data.nbytes:
            raise IntegrityError("bytes are left over after the last weight", where=", ".join(group.paths)[:100],
                                 got=data.nbytes, want=offset)  # fmt: skip
    return weights, stored


def _decode(entry: Entry, data: memoryview, strict: bool) -> tuple[Weight, int]:
    dtype, shape, n = entry.stored_dtype, entry.shape, count(entry.shape)
    if dtype == "string":
        return _strings(entry, data)
    raw = data[: n * STORED_BYTES[dtype]]
    if raw.nbytes != n * STORED_BYTES[dtype]:
        raise IntegrityError("the shards end inside a weight", where=entry.where, got=raw.nbytes)
    used = raw.nbytes
    if entry.quantization is not None:
        return Tensor(memoryview(_dequantize(entry, raw)).cast("B"), shape, entry.dtype), used
    if dtype == "complex64":
        pairs = array("f", raw.tobytes())
        real, imag = (Tensor(memoryview(pairs[i::2]).cast("B"), shape, "float32") for i in (0, 1))
        return Complex(real, imag), used
    if dtype in ("uint8", "uint16"):
        codes = raw.tobytes() if dtype == "uint8" else array("H", raw.tobytes())
        whole = array("i", iter(codes))
        return Tensor(memoryview(whole).cast("B"), shape, "int32"), used
    if dtype == "float32":
        _refuse_non_finite(entry, raw, strict)
    if dtype == "bool" and raw.nbytes and max(raw) > 1:
        raise ValueRangeError("a bool is 0 or 1", where=entry.where, got=max(raw))
    return Tensor(memoryview(bytes(raw)), shape, dtype), used


def _dequantize(entry: Entry, raw: memoryview) -> array[float] | array[int]:
    rule = entry.quantization
    assert rule is not None
    if rule.dtype == "float16":
        values = array("f")
        for begin in range(0, raw.nbytes, 2 * _CHUNK):
            piece = raw[begin : begin + 2 * _CHUNK]
            values.extend(struct.unpack(f"<{piece.nbytes // 2}e", piece))
        if not math.isfinite(sum(values)):
            raise ValueRangeError("a weight is not finite", where=entry.where)
        return values
    codes = raw.tobytes() if rule.dtype == "uint8" else array("H", raw.tobytes())
    scale, minimum = rule.scale, rule.minimum
    if entry.dtype == "int32":
        return array("i", [math.floor(q * scale + minimum + 0.5) for q in codes])
    if rule.dtype == "uint8":
        return _looked_up(bytes(codes), array("f", [q * scale + minimum for q in range(256)]))
    return array("f", [q * scale + minimum for q in codes])


def _looked_up(codes: bytes, table: array[float]) -> array[float]:
    """table[code] for each byte: the four bytes of the float32 results in four planes, each one `translate`."""
    planes, joined = table.tobytes(), bytearray(4 * len(codes))
    for place in range(4):
        joined[place::4] = codes.translate(planes[place::4])
    values = array("f")
    values.frombytes(joined)
    return values


def _refuse_non_finite(entry: Entry, raw: memoryview, strict: bool) -> None:
    """A float32 that is not finite has its seven high exponent bits set: one look at each top byte rules it out.

    Not strict, for graphs: infinities are limits there, and a single NaN is what a where() fills in.
    """
    top = bytes(raw[3::4])
    if b"\x7f" not in top and b"\xff" not in top:
        return
    values = array("f", raw.tobytes())
    total = sum(values)
    if math.isfinite(total):
        return
    if strict or (len(values) > 1 and any(value != value for value in values)):
        raise ValueRangeError("a weight is not finite", where=entry.where, got=entry.name)


def _strings(entry: Entry, data: memoryview) -> tuple[Strings, int]:
    """Each: uint32 little-endian length, then UTF-8 bytes."""
    values, offset = [], 0
    for _ in range(count(entry.shape)):
        length = int.from_bytes(data[offset : offset + 4], "little")
        text = bytes(data[offset + 4 : offset + 4 + length])
        if offset + 4 > data.nbytes or len(text) != length:
            raise IntegrityError("a string leaves its shard", where=entry.where, got=length)
        values.append(_utf8(text, entry.where))
        offset += 4 + length
    return Strings(tuple(values), entry.shape), offset


def _utf8(text: bytes, where: str) -> bytes:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise IntegrityError("a string is not UTF-8", where=where) from error
    return text


def tensors(weights: Mapping[str, Weight]) -> Iterator[tuple[str, Tensor]]:
    """The weights that kernels can hold."""
    return ((name, weight) for name, weight in weights.items() if isinstance(weight, Tensor))
