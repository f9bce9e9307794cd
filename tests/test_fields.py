"""JSON from outside: the limits and the refusals that every border shares."""

from __future__ import annotations

import json

import pytest

from py_edge.errors import LimitError, ModelFormatError, PyEdgeError
from py_edge.fields import canonical_json, integer, nesting_depth, number, payload, read_json, text


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "E_FORMAT"),
        (b"<html>", "E_FORMAT"),
        (b'{"a":1', "E_FORMAT"),
        (b"\xff{}", "E_FORMAT"),
        ("{}".encode("utf-16"), "E_FORMAT"),
        (b'\xef\xbb\xbf{"a":1}', "E_FORMAT"),
        (b'{"a":1,"b":{"c":1,"c":2}}', "E_FORMAT"),
        (b"[NaN]", "E_FORMAT"),
        (b"[-Infinity]", "E_FORMAT"),
        (b"[" + b"1" * 4301 + b"]", "E_FORMAT"),
        (b"[" * 65 + b"]" * 65, "E_LIMIT"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "E_LIMIT"),
        (b'"' + b"x" * 2000 + b'"', "E_LIMIT"),
    ],
)
def test_hostile_json_is_refused(data: bytes, code: str) -> None:
    """Every case ends in one of our errors with its code, never in another exception."""
    with pytest.raises(ModelFormatError) as caught:
        read_json(data, limit_bytes=1000 if code == "E_LIMIT" and b"x" in data else 16 << 20)
    assert caught.value.code == code


def test_brackets_inside_strings_do_not_count() -> None:
    """Depth is that of the structure; text may hold what it likes."""
    value = {"a": "[" * 500 + '\\"' + "{" * 500, "b": [[1]]}
    assert read_json(json.dumps(value)) == value
    assert nesting_depth(json.dumps([[[]] * 100]).encode()) == 3
    assert read_json("[" * 64 + "]" * 64)


def test_a_text_that_never_ends_is_looked_at_once() -> None:
    """Escaped quotes by the hundred thousand in an open string: its depth is told at once, not after hours."""
    assert nesting_depth(b"[" * 65 + b'"' + b'\\"' * 400_000) == 65
    with pytest.raises(ModelFormatError):
        read_json(b"[" * 10 + b"[]," * 60 + b'"' + b'\\"' * 400_000)


def test_canonical_json_has_one_spelling() -> None:
    """Order and spaces of the sender do not matter."""
    assert canonical_json({"b": 1.5, "a": ["é"]}) == '{"a":["é"],"b":1.5}'.encode()
    assert canonical_json(read_json('{ "b": 1.50, "a": ["\\u00e9"] }')) == '{"a":["é"],"b":1.5}'.encode()


@pytest.mark.parametrize("value", [True, 3.0, "3", None, -1, 11, 2**60])
def test_an_integer_is_a_whole_number_in_its_range(value: object) -> None:
    """true, 3.0 and "3" are not integers."""
    with pytest.raises(PyEdgeError):
        integer(0, 10).read(value, "/x")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "1", True, 1.01])
def test_a_number_is_finite(value: object) -> None:
    """Not finite or out of range is refused."""
    with pytest.raises(PyEdgeError):
        number(0, 1).read(value, "/x")


@pytest.mark.parametrize("value", ["a\nb", "a\x00", "\ud800", "x" * 201, 5])
def test_text_has_no_control_characters(value: object) -> None:
    """Nor lone surrogates, nor more than its length."""
    with pytest.raises(PyEdgeError):
        text().read(value, "/x")


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "float99"},
        {"shape": [2]},
        {"shape": [-1]},
        {"shape": [1] * 9},
        {"shape": [2**31, 2**31]},
        {"shape": "1"},
        {"data": "AAAA"},
        {"data": "AAAAA==="},
        {"data": "AAAAA$=="},
        {"data": "AAAAAB=="},
        {"data": 7},
    ],
)
def test_a_payload_fits_its_shape(change: dict[str, object]) -> None:
    """Length, base64, dtype and shape must agree, before anything is allocated."""
    good: dict[str, object] = {"shape": [1], "dtype": "float32", "data": "AAAAAA=="}
    assert payload().read(good, "/input") == good
    with pytest.raises(PyEdgeError) as caught:
        payload().read(good | change, "/input")
    assert caught.value.where.startswith("/input")


def test_an_error_never_carries_a_hostile_megabyte() -> None:
    """What came is shortened before it is shown."""
    with pytest.raises(LimitError) as caught:
        text().read("x" * 1_000_000, "/label")
    assert len(str(caught.value)) < 300
