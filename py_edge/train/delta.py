"""The change of a few weights against a known base: small enough to send (sparse int8 with one scale per weight, float16), or exact.

Layout: `PEDL`, u8 version, 8 bytes of the base's sha256, u8 tensors; per tensor u8 name bytes, name, u8 kind, then
kind 0 float16: n x f2; kind 1 int8: f2 scale, n x i1; kind 2 sparse: f2 scale, bitmap, kept x i1; kind 3 exact: n x f4, the new values themselves. The whole is deflated.
"""

from __future__ import annotations

import hashlib
import math
import struct
import zlib
from collections.abc import Mapping, Sequence

from py_edge.errors import IntegrityError, LimitError, NotFoundError
from py_edge.tensor import Tensor

_MAGIC, _VERSION = b"PEDL", 1
FLOAT16, INT8, SPARSE, EXACT = 0, 1, 2, 3
MAX_BYTES = 64 << 20


def base_hash(weights: Mapping[str, Tensor], names: Sequence[str]) -> bytes:
    """8 bytes that tell whether a delta belongs to these weights."""
    digest = hashlib.sha256()
    for name in sorted(names):
        digest.update(name.encode() + b"\0" + weights[name].tobytes())
    return digest.digest()[:8]


def make_delta(
    base: Mapping[str, Tensor],
    new: Mapping[str, Tensor],
    *,
    keep: float = 1.0,
    bits: int = 8,
    levels: int = 127,
) -> bytes:
    """What leads from `base` to `new` (names in both). keep: share of the largest changes that is kept; bits: 8, 16, or 32 for exact.

    levels: steps on either side of zero, 1..127. Few levels deflate well: many coarse changes carry more than few fine ones.
    """
    names = sorted(name for name in new if new[name].data != base[name].data)
    parts = [_MAGIC, struct.pack("<B", _VERSION), base_hash(base, names), struct.pack("<B", len(names))]
    for name in names:
        parts += [struct.pack("<B", len(name.encode())), name.encode()]
        if bits == 32:
            parts += [bytes([EXACT]), new[name].tobytes()]
            continue
        change = [n - o for n, o in zip(new[name].flat, base[name].flat, strict=True)]
        parts.append(_packed(change, keep, bits, levels))
    return zlib.compress(b"".join(parts), 9)


def _packed(change: Sequence[float], keep: float, bits: int, most_level: int) -> bytes:
    if bits == 16:
        return struct.pack(f"<B{len(change)}e", FLOAT16, *change)
    kept = set(range(len(change)))
    if keep < 1.0:
        kept = set(sorted(kept, key=lambda i: -abs(change[i]))[: math.ceil(keep * len(change))])
    most = max((abs(change[i]) for i in kept), default=0.0)
    head = struct.pack("<e", most / most_level)
    scale = struct.unpack("<e", head)[0] or math.inf
    levels = [max(-most_level, min(most_level, round(c / scale))) for c in change]
    if keep >= 1.0:
        return bytes([INT8]) + head + struct.pack(f"<{len(levels)}b", *levels)
    live = [i for i in sorted(kept) if levels[i]]
    bitmap = bytearray(-(-len(change) // 8))
    for i in live:
        bitmap[i // 8] |= 1 << i % 8
    return bytes([SPARSE]) + head + bytes(bitmap) + struct.pack(f"<{len(live)}b", *(levels[i] for i in live))


def apply_delta(base: Mapping[str, Tensor], delta: bytes) -> dict[str, Tensor]:
    """The changed weights. Raises IntegrityError: not a delta, cut, or of another base; NotFoundError: unknown weight."""
    unpacker = zlib.decompressobj()
    try:
        raw = unpacker.decompress(delta, MAX_BYTES)
    except zlib.error as error:
        raise IntegrityError("this is no delta", where="delta") from error
    if unpacker.unconsumed_tail:
        raise LimitError("the delta is too large", where="delta", want=f"at most {MAX_BYTES} bytes")
    if raw[:5] != _MAGIC + bytes([_VERSION]) or len(raw) < 14:
        raise IntegrityError("this is no delta", where="delta", got=raw[:4])
    try:
        found = _read(base, raw)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise IntegrityError("the delta is cut short", where="delta", got=len(raw)) from error
    if base_hash(base, list(found)) != raw[5:13]:
        raise IntegrityError(
            "the delta belongs to other weights", where="delta", remedy="fetch the base version first"
        )
    return found


def _read(base: Mapping[str, Tensor], raw: bytes) -> dict[str, Tensor]:
    at, found = 14, {}
    for _ in range(raw[13]):
        size = raw[at]
        name, at = raw[at + 1 : at + 1 + size].decode(), at + 1 + size
        if name not in base:
            raise NotFoundError("the delta changes an unknown weight", where="delta", got=name)
        old = base[name]
        if raw[at] == EXACT:
            data, at = raw[at + 1 : at + 1 + old.nbytes], at + 1 + old.nbytes
            if len(data) != old.nbytes:
                raise IndexError(at)
            found[name] = Tensor(memoryview(data), old.shape, old.dtype)
            continue
        change, at = _unpacked(raw, at, old.size)
        found[name] = Tensor.from_flat([o + c for o, c in zip(old.flat, change, strict=True)], old.shape)
    return found


def _unpacked(raw: bytes, at: int, n: int) -> tuple[list[float], int]:
    kind, at = raw[at], at + 1
    if kind == FLOAT16:
        return list(struct.unpack_from(f"<{n}e", raw, at)), at + 2 * n
    (scale,), at = struct.unpack_from("<e", raw, at), at + 2
    live: Sequence[int] = range(n)
    if kind == SPARSE:
        bitmap, at = raw[at : at + -(-n // 8)], at + -(-n // 8)
        live = [i for i in range(n) if bitmap[i // 8] >> i % 8 & 1]
    levels = struct.unpack_from(f"<{len(live)}b", raw, at)
    change = [0.0] * n
    for i, level in zip(live, levels, strict=True):
        change[i] = level * scale
    return change, at + len(live)
