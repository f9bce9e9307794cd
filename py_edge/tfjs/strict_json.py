"""JSON as it must be: UTF-8 without a mark, no key twice, no NaN, no number that is not one; nothing guessed."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from py_edge.errors import IntegrityError, ModelFormatError, UnsupportedError
from py_edge.tfjs.limits import DEFAULT, Limits, scan_json

_FOREIGN = (
    (b"\x89HDF", "HDF5 (.h5)"), (b"PK\x03\x04", "a zip (.keras)"), (b"\x89PNG", "PNG"), (b"\x80\x02", "pickle"),
    (b"\x80\x03", "pickle"), (b"\x80\x04", "pickle"), (b"\x80\x05", "pickle"), (b"\xff\xd8\xff", "JPEG"),
)  # fmt: skip
_PACKED = ((b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"\xfd7zXZ", "xz"), (b"BZh", "bzip2"))
_FORBIDDEN_KEYS = frozenset({"__proto__", "constructor", "prototype", "__class__"})
_LONGEST_INTEGER = 400
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def parse_json(raw: bytes, file: str, limits: Limits = DEFAULT) -> Any:
    """The parsed document.

    raises UnsupportedError: another format's magic; IntegrityError: compressed bytes; LimitError: see scan_json;
    ModelFormatError: not strict JSON in UTF-8. `file` is only named in errors.
    """
    _refuse_foreign(raw, file)
    scan_json(raw, file, limits)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelFormatError(
            "not UTF-8", where=f"{file} byte {error.start}", want="JSON in UTF-8"
        ) from error
    if text.startswith("\ufeff"):
        raise ModelFormatError(
            "a byte order mark stands before the JSON", where=file, want="UTF-8 without a mark"
        )
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_int
        )
    except ModelFormatError as error:
        error.where = error.where or file
        raise
    except (ValueError, RecursionError) as error:
        raise ModelFormatError(f"not JSON: {_clip(error)}", where=file, got=_looks_like(raw)) from error
    if _SURROGATE.search(raw):
        _refuse_lone_surrogates(value, file)
    return value


def _refuse_foreign(raw: bytes, file: str) -> None:
    for magic, name in _FOREIGN:
        if raw.startswith(magic):
            raise UnsupportedError(
                f"this is {name}", where=file, want="a TF.js model.json", remedy="py-edge convert"
            )
    for magic, name in _PACKED:
        if raw.startswith(magic):
            raise IntegrityError("the bytes are still compressed", where=file, got=name, want="plain JSON")
    if raw[4:8] == b"TFL3":
        raise UnsupportedError("this is TFLite", where=file, want="a TF.js model.json")
    if raw[8:9] == b"{" and b'"dtype"' in raw[:4096] and int.from_bytes(raw[:8], "little") < 1 << 32:
        raise UnsupportedError("this is safetensors", where=file, want="a TF.js model.json")
    if raw[:1] == b"\x08" and b"\x12" in raw[:4]:
        raise UnsupportedError("this is ONNX", where=file, want="a TF.js model.json")


def _looks_like(raw: bytes) -> str:
    head = raw[:200].lstrip().lower()
    if not head:
        return "an empty file"
    if head.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page; the server may answer 200 for a file that is not there"
    return f"{len(raw)} bytes"


def _clip(error: Exception) -> str:
    return str(error)[:120]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ModelFormatError("a key stands twice in one object", got=twice)
    if not _FORBIDDEN_KEYS.isdisjoint(result):
        raise ModelFormatError("a key that no model needs", got=sorted(_FORBIDDEN_KEYS & set(result))[0])
    return result


def _constant(name: str) -> NoReturn:
    raise ModelFormatError("not a JSON number", got=name)


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ModelFormatError("a number that no float holds", got=text)
    return value


def _int(text: str) -> int:
    if len(text) > _LONGEST_INTEGER:
        raise ModelFormatError(
            "an integer with too many digits", got=len(text), want=f"<= {_LONGEST_INTEGER}"
        )
    return int(text)


def _refuse_lone_surrogates(value: Any, file: str) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise ModelFormatError("a lone surrogate in a string", where=file) from error
