"""What one field of a record may hold: read strictly, and described as JSON schema from the same row.

A `Field` reads an untrusted JSON value or raises an error that names the place as a JSON pointer. `read_json`
is the only door for JSON text from outside: size, depth and duplicate keys are checked before it is believed
(10 kB of nested brackets kill Pyodide for good). Standard library only.
"""

from __future__ import annotations

import json
import math
import re
import string
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from json.encoder import c_make_encoder, encode_basestring  # type: ignore[attr-defined]
from typing import Any, cast

from py_edge.errors import LimitError, ModelFormatError, ShapeError, ValueRangeError

MAX_DEPTH = 64
MAX_SAFE_INTEGER = (1 << 53) - 1
ITEM_SIZES = {"float32": 4, "float64": 8, "int32": 4, "uint8": 1, "int8": 1, "bool": 1}
MAX_RANK = 8

_STRING = re.compile(
    rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL
)  # never goes back, and never begins anew within one
_UNPRINTABLE = re.compile("[\\x00-\\x1f\\ud800-\\udfff]")
_BASE64 = string.ascii_letters.encode() + string.digits.encode() + b"+/"
_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


@dataclass(frozen=True, slots=True)
class Field:
    """One kind of value: `read(value, where)` gives it back checked; `schema` says the same as JSON schema."""

    schema: Mapping[str, Any]
    read: Callable[[Any, str], Any]
    required: bool = True


def read_json(data: bytes | str, *, limit_bytes: int = 16 << 20, where: str = "body") -> Any:
    """Parse UTF-8 JSON from outside.

    Raises LimitError: longer than limit_bytes, or nested deeper than 64. Raises ModelFormatError: not JSON,
    a duplicate key, NaN or Infinity, an integer of more than 4,300 digits.
    """
    raw = data.encode() if isinstance(data, str) else bytes(data)
    if len(raw) > limit_bytes:
        raise LimitError("too many bytes", where=where, got=len(raw), want=f"at most {limit_bytes}")
    depth = nesting_depth(raw)
    if depth > MAX_DEPTH:
        raise LimitError("nested too deeply", where=where, got=depth, want=f"at most {MAX_DEPTH} levels")
    try:
        return _STRICT.decode(raw.decode())
    except ModelFormatError:
        raise
    except ValueError as error:
        raise ModelFormatError(f"this is not JSON: {error}", where=where) from error


def nesting_depth(raw: bytes) -> int:
    """An upper bound of how deep brackets nest in JSON text; exact when there are more than 64 of them."""
    opened = raw.count(b"[") + raw.count(b"{")
    if opened <= MAX_DEPTH:
        return opened
    depth = deepest = 0
    for byte in _STRING.sub(b"", raw).translate(None, _BRACKETS):
        if byte in b"[{":
            depth += 1
            if depth > deepest:
                deepest = depth
        else:
            depth -= 1
    return deepest


def canonical_json(value: Any) -> bytes:
    """The one spelling of a JSON value or a record that digests are made of: sorted keys, no spaces, UTF-8."""
    return "".join(_CANONICAL(value, 0)).encode()


def canonical_payload(value: Mapping[str, Any]) -> str:
    """`canonical_json` of what `payload` has read, without looking at every character again: base64 needs no escapes."""
    shape = ",".join(map(str, value["shape"]))
    return f'{{"data":"{value["data"]}","dtype":"{value["dtype"]}","shape":[{shape}]}}'


def text(pattern: str = "", *, longest: int = 200) -> Field:
    """A string of at most `longest` characters without control characters, matching `pattern` as a whole."""
    shape = re.compile(pattern) if pattern else None

    def read(value: Any, where: str) -> str:
        if not isinstance(value, str):
            raise ModelFormatError("not a string", where=where, got=type(value).__name__, want="string")
        if len(value) > longest:
            raise LimitError("too long", where=where, got=len(value), want=f"at most {longest} characters")
        if not value.isprintable() and _UNPRINTABLE.search(value):
            raise ValueRangeError("control characters or lone surrogates", where=where)
        if shape and not shape.fullmatch(value):
            raise ValueRangeError("does not match", where=where, got=value, want=pattern)
        return value

    schema: dict[str, Any] = {"type": "string", "maxLength": longest}
    return Field(schema | ({"pattern": f"^{pattern}$"} if pattern else {}), read)


def one_of(*words: str) -> Field:
    """One of a few words."""

    def read(value: Any, where: str) -> str:
        if not isinstance(value, str) or value not in words:
            raise ValueRangeError("not one of the known words", where=where, got=value, want=", ".join(words))
        return value

    return Field({"type": "string", "enum": list(words)}, read)


def integer(low: int = 0, high: int = MAX_SAFE_INTEGER) -> Field:
    """A whole number in [low, high]; true and 3.0 are not whole numbers here."""

    def read(value: Any, where: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ModelFormatError("not a whole number", where=where, got=value, want="integer")
        if not low <= value <= high:
            raise ValueRangeError("out of range", where=where, got=value, want=f"{low}..{high}")
        return value

    return Field({"type": "integer", "minimum": low, "maximum": high}, read)


def number(low: float = -math.inf, high: float = math.inf) -> Field:
    """A finite number in [low, high]."""

    def read(value: Any, where: str) -> float:
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise ModelFormatError("not a number", where=where, got=value, want="number")
        if not math.isfinite(value) or not low <= value <= high:
            raise ValueRangeError("out of range", where=where, got=value, want=f"{low}..{high}")
        return float(value)

    limits = {"minimum": low, "maximum": high}
    return Field({"type": "number"} | {k: v for k, v in limits.items() if math.isfinite(v)}, read)


def boolean() -> Field:
    """True or false, nothing that merely looks like it."""

    def read(value: Any, where: str) -> bool:
        if not isinstance(value, bool):
            raise ModelFormatError("not a boolean", where=where, got=value, want="true or false")
        return value

    return Field({"type": "boolean"}, read)


def optional(inner: Field) -> Field:
    """The inner kind, or null, or left out."""
    nullable = {"anyOf": [inner.schema, {"type": "null"}]}
    return Field(nullable, lambda value, where: None if value is None else inner.read(value, where), False)


def many(inner: Field, *, most: int) -> Field:
    """A list of at most `most`; comes back as a tuple."""

    def read(value: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise ModelFormatError("not a list", where=where, got=type(value).__name__, want="list")
        if len(value) > most:
            raise LimitError("too many entries", where=where, got=len(value), want=f"at most {most}")
        return tuple(inner.read(entry, f"{where}/{place}") for place, entry in enumerate(value))

    return Field({"type": "array", "items": inner.schema, "maxItems": most}, read, False)


def free_object(*, limit_bytes: int) -> Field:
    """Any JSON object whose canonical text is at most limit_bytes long (metadata of a release)."""

    def read(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ModelFormatError("not an object", where=where, got=type(value).__name__, want="object")
        if len(canonical_json(value)) > limit_bytes:
            raise LimitError("too many bytes", where=where, want=f"at most {limit_bytes}")
        return value

    return Field({"type": "object"}, read, False)


def payload() -> Field:
    """A tensor on the wire: {shape, dtype, data}, data base64 of the little endian bytes."""
    dtypes, shapes = one_of(*ITEM_SIZES), many(integer(0, (1 << 31) - 1), most=MAX_RANK)

    def read(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ModelFormatError("not an object", where=where, got=type(value).__name__, want="object")
        dtype = dtypes.read(value.get("dtype"), f"{where}/dtype")
        shape = shapes.read(value.get("shape"), f"{where}/shape")
        data = value.get("data")
        if not isinstance(data, str):
            raise ModelFormatError("not a string", where=f"{where}/data", want="base64")
        wanted = math.prod(shape) * ITEM_SIZES[dtype]
        if len(data) != -(-wanted // 3) * 4:
            raise ShapeError(
                "length of data does not fit the shape", where=f"{where}/data", got=len(data), want=wanted
            )
        _check_base64(data, f"{where}/data")
        return {"shape": list(shape), "dtype": dtype, "data": data}

    properties = {
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}, "maxItems": MAX_RANK},
        "dtype": {"type": "string", "enum": list(ITEM_SIZES)},
        "data": {"type": "string", "contentEncoding": "base64"},
    }
    return Field({"type": "object", "required": list(properties), "properties": properties}, read)


def _check_base64(data: str, where: str) -> None:
    """Whether a text, of whole fours, is base64 as RFC 4648 spells it; nothing is decoded but the end."""
    last = data[-4:]
    try:
        strange = data[:-4].encode("ascii").translate(None, _BASE64)
        end = b64decode(last, validate=True)
    except ValueError as error:
        raise ModelFormatError("not base64", where=where) from error
    if strange:
        raise ModelFormatError("not base64", where=where)
    if b64encode(end).decode() != last:
        raise ModelFormatError("base64 with stray bits", where=where)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ModelFormatError("duplicate key", where="body", got=sorted(key for key, _ in pairs)[0])
    return found


def _refuse_constant(word: str) -> Any:
    raise ModelFormatError("not a JSON number", where="body", got=word, want="a finite number")


def _members(value: Any) -> Any:
    if not hasattr(value, "to_json"):
        raise TypeError(f"JSON has no {type(value).__name__}")
    return value.to_json()


def _spell(encoder: json.JSONEncoder) -> Callable[[Any, int], Iterable[str]]:
    """What `encoder.encode` makes anew for every value, made once where the C part of json is there."""
    if c_make_encoder is None:
        return lambda value, _: encoder.iterencode(value)
    return cast(
        Callable[[Any, int], Iterable[str]],
        c_make_encoder(
            None, encoder.default, encode_basestring, None, encoder.key_separator, encoder.item_separator,
            encoder.sort_keys, encoder.skipkeys, encoder.allow_nan,
        ),
    )  # fmt: skip


_CANONICAL = _spell(
    json.JSONEncoder(
        sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_members
    )
)
_STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)
