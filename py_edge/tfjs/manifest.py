"""weightsManifest: groups of shards and the weights cut from them. Checked whole before any shard is opened.

Layout of a group: all its shards joined, then cut in the order of `weights`, without alignment or padding.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from py_edge.errors import (
    IntegrityError,
    LimitError,
    ModelFormatError,
    PathError,
    ShapeError,
    UnsupportedError,
    ValueRangeError,
)
from py_edge.tensor import count
from py_edge.tfjs.limits import DEFAULT, Limits
from py_edge.tfjs.reader import Reader

STORED_BYTES = {
    "float32": 4,
    "int32": 4,
    "bool": 1,
    "uint8": 1,
    "uint16": 2,
    "complex64": 8,
    "string": 0,
    "float16": 2,
}
_SEGMENT = re.compile(r"[\w(\[@+,=~&-](?:[\w .()\[\]@+,=~&-]*[\w()\[\]@+,=~&-])?")
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


@dataclass(frozen=True, slots=True)
class Quantization:
    """Stored dtype; value = float32(q * scale + minimum) in float64; float16 has neither."""

    dtype: str
    scale: float = 1.0
    minimum: float = 0.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One weight as declared. where: its JSON pointer. group: 'optimizer' or ''."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    quantization: Quantization | None
    group: str
    where: str

    @property
    def stored_dtype(self) -> str:
        return self.quantization.dtype if self.quantization else self.dtype

    @property
    def stored_bytes(self) -> int:
        """Bytes in the shards; strings tell theirs only when read."""
        return count(self.shape) * STORED_BYTES[self.stored_dtype]


@dataclass(frozen=True, slots=True)
class Group:
    """paths: shard names; entries in order; sizes, digests: per shard, where the writer gave them."""

    paths: tuple[str, ...]
    entries: tuple[Entry, ...]
    sizes: tuple[int, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)


def parse_manifest(raw: Any, where: str, limits: Limits = DEFAULT) -> list[Group]:
    """The groups of a weightsManifest. Raises ModelFormatError and its kin, with the JSON pointer."""
    if not isinstance(raw, list):
        raise ModelFormatError(
            "weightsManifest is not a list", where=where, got=_kind(raw), want="a list of groups"
        )
    groups, names, paths = [], set[str](), set[str]()
    if (
        sum(len(g["paths"]) for g in raw if isinstance(g, dict) and isinstance(g.get("paths"), list))
        > limits.shards
    ):
        raise LimitError("too many shards", where=where, want=f"<= {limits.shards}")
    if (
        sum(len(g["weights"]) for g in raw if isinstance(g, dict) and isinstance(g.get("weights"), list))
        > limits.weights
    ):
        raise LimitError("too many weights", where=where, want=f"<= {limits.weights}")
    for index, item in enumerate(raw):
        group = _group(item, f"{where}/{index}", limits)
        for path in group.paths:
            key = unicodedata.normalize("NFC", path).casefold()
            if key in paths:
                raise PathError("two shards of one name", where=f"{where}/{index}/paths", got=path)
            paths.add(key)
        for entry in group.entries:
            key = unicodedata.normalize("NFC", entry.name)
            if key in names:
                raise ModelFormatError("two weights of one name", where=f"{entry.where}/name", got=entry.name)
            names.add(key)
        groups.append(group)
    total = sum(entry.stored_bytes for group in groups for entry in group.entries)
    if total > limits.weight_bytes:
        raise LimitError(
            "the weights are too large", where=where, got=total, want=f"<= {limits.weight_bytes} bytes"
        )
    return groups


def _group(item: Any, where: str, limits: Limits) -> Group:
    if (
        not isinstance(item, dict)
        or not isinstance(item.get("paths"), list)
        or not isinstance(item.get("weights"), list)
    ):
        raise ModelFormatError("a group has lists `paths` and `weights`", where=where, got=_kind(item))
    paths = tuple(check_path(path, f"{where}/paths/{i}", limits) for i, path in enumerate(item["paths"]))
    entries = tuple(_entry(entry, f"{where}/weights/{i}", limits) for i, entry in enumerate(item["weights"]))
    sizes, digests = item.get("sizes", []), item.get("sha256", {})
    if not isinstance(sizes, list) or not all(type(n) is int and n >= 0 for n in sizes):
        raise ModelFormatError("sizes are whole numbers, one per shard", where=f"{where}/sizes")
    if sizes and len(sizes) != len(paths):
        raise ModelFormatError("one size per shard", where=f"{where}/sizes", got=len(sizes), want=len(paths))
    if not isinstance(digests, dict) or not all(isinstance(d, str) for d in digests.values()):
        raise ModelFormatError("digests are texts by shard name", where=f"{where}/sha256")
    if not paths and any(entry.stored_bytes for entry in entries):
        raise ModelFormatError("weights without a shard", where=f"{where}/paths")
    return Group(paths, entries, tuple(sizes), digests)


def check_path(path: Any, where: str, limits: Limits = DEFAULT) -> str:
    """A relative path of plain segments. Raises PathError for everything else."""
    if not isinstance(path, str) or not path:
        raise PathError("a shard path is a text", where=where, got=_kind(path))
    if len(path.encode()) > limits.name_bytes:
        raise LimitError(
            "the path is too long", where=where, got=len(path), want=f"<= {limits.name_bytes} bytes"
        )
    for segment in path.split("/"):
        if not _SEGMENT.fullmatch(segment) or _RESERVED.fullmatch(segment):
            raise PathError(
                "the path is not a plain relative file name",
                where=where,
                got=path,
                want="like group1-shard1of1.bin",
            )
    return path


def _entry(raw: Any, where: str, limits: Limits) -> Entry:
    if not isinstance(raw, dict):
        raise ModelFormatError("a weight is an object", where=where, got=_kind(raw))
    name = check_name(raw.get("name"), f"{where}/name", limits)
    shape = check_shape(raw.get("shape"), f"{where}/shape", limits)
    dtype = raw.get("dtype")
    if not isinstance(dtype, str) or dtype not in STORED_BYTES or dtype == "float16":
        raise UnsupportedError(
            "unknown dtype", where=f"{where}/dtype", got=dtype, want=sorted(set(STORED_BYTES) - {"float16"})
        )
    quantization = None
    if raw.get("quantization", raw) is not raw:
        quantization = _quantization(raw["quantization"], dtype, f"{where}/quantization")
    group = raw.get("group")
    return Entry(name, shape, dtype, quantization, group if isinstance(group, str) else "", where)


def check_name(name: Any, where: str, limits: Limits = DEFAULT) -> str:
    """A non-empty text without control or direction-changing characters."""
    if not isinstance(name, str) or not name:
        raise ModelFormatError("a name is a non-empty text", where=where, got=_kind(name))
    if len(name.encode()) > limits.name_bytes:
        raise ModelFormatError(
            "the name is too long", where=where, got=len(name), want=f"<= {limits.name_bytes} bytes"
        )
    if not name.isprintable() or name in ("__proto__", "constructor", "prototype"):
        raise ModelFormatError("the name holds what no name holds", where=where, got=repr(name))
    return name


def check_shape(shape: Any, where: str, limits: Limits = DEFAULT) -> tuple[int, ...]:
    """A list of whole numbers 0..2^31-1, at most rank 8, whose product stays in bounds."""
    if not isinstance(shape, list):
        raise ShapeError("a shape is a list of whole numbers", where=where, got=_kind(shape))
    if len(shape) > limits.rank:
        raise LimitError("too many dimensions", where=where, got=len(shape), want=f"<= {limits.rank}")
    for axis, dim in enumerate(shape):
        if type(dim) is not int or not 0 <= dim <= limits.dim:
            raise ShapeError(
                "a dimension", where=f"{where}/{axis}", got=dim, want=f"an integer 0..{limits.dim}"
            )
    if math.prod(shape) > limits.dim:
        raise ShapeError("too many elements", where=where, got=math.prod(shape), want=f"<= {limits.dim}")
    return tuple(shape)


def _quantization(raw: Any, dtype: str, where: str) -> Quantization:
    if not isinstance(raw, dict):
        raise ValueRangeError("quantization is an object", where=where, got=_kind(raw))
    stored = raw.get("dtype")
    if stored not in ("uint8", "uint16", "float16"):
        raise UnsupportedError(
            "unknown quantization", where=f"{where}/dtype", got=stored, want="uint8, uint16 or float16"
        )
    if dtype not in ("float32", "int32") or (stored == "float16" and dtype != "float32"):
        raise UnsupportedError(
            f"{stored} cannot stand for this dtype", where=f"{where}/dtype", got=dtype, want="float32"
        )
    if stored == "float16":
        return Quantization(stored)
    for key in ("scale", "min"):
        value = raw.get(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e300:
            raise ValueRangeError(f"quantization wants a number `{key}`", where=f"{where}/{key}", got=value)
    scale, minimum, top = float(raw["scale"]), float(raw["min"]), 255 if stored == "uint8" else 65535
    if not scale > 0:
        raise ValueRangeError("scale is positive", where=f"{where}/scale", got=scale)
    if max(abs(minimum), abs(minimum + scale * top)) > 3.4028234663852886e38:
        raise ValueRangeError("the decoded values overflow float32", where=where, got=minimum + scale * top)
    return Quantization(stored, scale, minimum)


def read_group(group: Group, reader: Reader, expected: Mapping[str, str] | None = None) -> bytes:
    """All bytes of a group, shard after shard, lengths and digests checked.

    expected: sha256 hex by shard name, from a release; it wins over what the model itself says.
    Raises IntegrityError, NotFoundError, PathError.
    """
    declared = sum(entry.stored_bytes for entry in group.entries)
    open_ended = any(entry.stored_dtype == "string" for entry in group.entries)
    parts, got = [], 0
    for index, path in enumerate(group.paths):
        data = reader.read(path, DEFAULT.weight_bytes)
        if group.sizes and len(data) != group.sizes[index]:
            raise IntegrityError(
                "the shard has another length", where=path, got=len(data), want=group.sizes[index]
            )
        digest = (expected or {}).get(path) or group.digests.get(path)
        if digest and sha256(data).hexdigest() != digest:
            raise IntegrityError("the shard has another digest", where=path, want=digest)
        if not data and declared and len(group.paths) > 1:
            raise IntegrityError("the shard is empty", where=path, got=0)
        got += len(data)
        if got > declared and not open_ended:
            break
        parts.append(data)
    if (got < declared) if open_ended else (got != declared):
        what = "the server may have sent an error page" if parts and parts[0][:1] == b"<" else ""
        raise IntegrityError(
            "shards and weights disagree about the number of bytes", where=", ".join(group.paths)[:100],
            got=got, want=declared, remedy=what,
        )  # fmt: skip
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _kind(value: Any) -> str:
    return (
        "nothing"
        if value is None
        else type(value).__name__
        if isinstance(value, (list, dict))
        else repr(value)[:80]
    )
