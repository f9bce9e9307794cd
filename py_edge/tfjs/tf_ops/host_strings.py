"""Host steps on strings and hash tables, as TensorFlow's kernels define them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from py_edge.errors import GraphError, ShapeError, UnsupportedError
from py_edge.tensor import Tensor
from py_edge.tfjs.tf_ops.host_values import elements, whole
from py_edge.tfjs.weights import Strings


def string_split(skip_empty: bool, inputs: list[Any]) -> list[Any]:
    """(indices (n, 2), pieces, shape); an empty delimiter gives single bytes, several split at any of their bytes."""
    texts, delimiter = elements(inputs[0]), elements(inputs[1])[0]
    rows: list[list[bytes]] = []
    for text in texts:
        if not delimiter or not text:
            pieces = [text[i : i + 1] for i in range(len(text))]
        else:
            pieces = re.split(b"[" + re.escape(delimiter) + b"]", text)
        rows.append([p for p in pieces if p] if skip_empty else pieces)
    indices = [v for r, row in enumerate(rows) for k in range(len(row)) for v in (r, k)]
    flat = [piece for row in rows for piece in row]
    shape = [len(rows), max(map(len, rows), default=0)]
    return [whole(indices, (len(flat), 2)), Strings(tuple(flat), (len(flat),)), whole(shape)]


def string_ngrams(
    separator: bytes,
    widths: Sequence[int],
    left: bytes,
    right: bytes,
    pad: int,
    short: bool,
    inputs: list[Any],
) -> list[Any]:
    """Runs of neighbouring strings of each row, joined. Source: TensorFlow's StringNGramsOp."""
    data, splits = elements(inputs[0]), elements(inputs[1])
    if not splits and not data:
        return [Strings((), (0,)), whole([])]
    if not splits or splits[0] != 0 or splits[-1] != len(data) or any(a > b for a, b in pairwise(splits)):
        raise ShapeError("row splits do not fit the data", got=splits[:8], want=len(data))
    grams, ends = list[bytes](), [0]
    for begin, end in pairwise(splits):
        row = data[begin:end]
        made = [g for width in widths for g in _grams(row, width, left, right, pad, separator)]
        if short and not made and row:
            around = max(min(pad if pad >= 0 else min(widths) - 1, min(widths) - 1), 0)
            made = [separator.join([left] * around + row + [right] * around)]
        grams += made
        ends.append(len(grams))
    return [Strings(tuple(grams), (len(grams),)), whole(ends)]


def _grams(
    row: list[bytes], width: int, left: bytes, right: bytes, pad: int, separator: bytes
) -> list[bytes]:
    around = max(min(pad if pad >= 0 else width - 1, width - 1), 0)
    padded = [left] * around + row + [right] * around
    return (
        [separator.join(padded[i : i + width]) for i in range(len(padded) - width + 1)]
        if row or around
        else []
    )


def compile_pattern(pattern: str, where: str) -> re.Pattern[bytes]:
    """RE2 as Python's re: the same for what models use. Patterns that may run forever are refused."""
    if len(pattern) > 1000 or re.search(r"[+*}]\)[+*{]", pattern):
        raise UnsupportedError("a pattern with nested repeats", where=where, got=pattern)
    translated = pattern.replace("[[:punct:]]", r"[!-/:-@\[-`{-~]").replace("[[:space:]]", r"\s")
    translated = (
        translated.replace("[:punct:]", r"!-/:-@\[-`{-~").replace("[:space:]", r"\s").replace(r"\z", r"\Z")
    )
    try:
        return re.compile(translated.encode("utf-8", "surrogateescape"))
    except re.error as error:
        raise GraphError("not a pattern", where=where, got=pattern) from error


def regex_replace(pattern: re.Pattern[bytes], rewrite: str, everywhere: bool, inputs: list[Any]) -> list[Any]:
    r"""rewrite: text with \0 for the match and \1 ... for groups."""

    def put(match: re.Match[bytes]) -> bytes:
        parts = re.split(r"\\(\d|\\)", rewrite)
        out = b""
        for k, part in enumerate(parts):
            if k % 2 == 0:
                out += part.encode("utf-8", "surrogateescape")
            else:
                out += b"\\" if part == "\\" else match.group(int(part)) or b""
        return out

    x = inputs[0]
    return [Strings(tuple(pattern.sub(put, text, 0 if everywhere else 1) for text in x.values), x.shape)]


def _texts(x: Any) -> Sequence[bytes]:
    """Strings, or whole numbers in decimal."""
    return x.values if isinstance(x, Strings) else [str(int(v)).encode() for v in x.flat]


def as_string(inputs: list[Any]) -> list[Any]:
    return [Strings(tuple(_texts(inputs[0])), inputs[0].shape)]


def hash_bucket(buckets: int, hash_: Callable[[bytes], int], inputs: list[Any]) -> list[Any]:
    if buckets < 1:
        raise ShapeError("at least one bucket", got=buckets)
    x = inputs[0]
    return [whole([hash_(text) % buckets for text in _texts(x)], x.shape)]


def table_find(entries: Mapping[Any, Any], default: Any, dtype: str, inputs: list[Any]) -> list[Any]:
    x = inputs[0]
    found = [entries.get(key, default) for key in elements(x)]
    if dtype == "string":
        return [Strings(tuple(found), x.shape)]
    return [Tensor.from_flat(found, x.shape, dtype)]
