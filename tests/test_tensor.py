"""Tensors read and give numbers without numpy, and share bytes with it where it is there."""

from __future__ import annotations

import pickle
from array import array

import numpy as np
import pytest

from py_edge.errors import ShapeError, UnsupportedError, ValueRangeError
from py_edge.tensor import Tensor


def test_nested_lists_find_their_dtype() -> None:
    """Integers become int32, booleans bool, anything with a fraction float32."""
    kinds = [Tensor.of(value).dtype for value in ([[1, 2]], [True, False], [1, 2.5], 3, [])]

    assert kinds == ["int32", "bool", "float32", "int32", "float32"]


def test_numpy_arrays_pass_through_both_ways() -> None:
    """Any numeric array comes in (float64 as float32), and a tensor goes out to numpy without a copy."""
    source = np.arange(6).reshape(2, 3)

    for dtype, want in (
        (np.float64, "float32"),
        (np.int64, "int32"),
        (np.uint8, "uint8"),
        (np.bool_, "bool"),
    ):
        tensor = Tensor.of(source.astype(dtype))
        assert (tensor.dtype, tensor.shape) == (want, (2, 3))
        assert np.asarray(tensor).tolist() == source.astype(dtype).tolist()


def test_a_transposed_array_is_read_in_its_own_order() -> None:
    """Strided buffers are copied row-major."""
    source = np.arange(6, dtype=np.float32).reshape(2, 3).T

    assert Tensor.of(source).tolist() == source.tolist()


def test_lists_and_flat_agree() -> None:
    """tolist gives back what came in, for every rank."""
    for value in (1.5, [1.0, 2.0], [[1.0], [2.0]], [[[1.0, 2.0]], [[3.0, 4.0]]]):
        assert Tensor.of(value).tolist() == value


def test_float_to_integer_cuts_towards_zero() -> None:
    """astype cuts, and to bool asks whether it is zero."""
    tensor = Tensor.of(array("f", [-1.7, 0.0, 2.9]))

    assert tensor.astype("int32").tolist() == [-1, 0, 2]
    assert tensor.astype("bool").tolist() == [True, False, True]


def test_bad_input_is_named() -> None:
    """Ragged lists, text, other bytes than the shape needs, and numbers that do not fit each have their error."""
    with pytest.raises(ShapeError):
        Tensor.of([[1, 2], [3]])
    with pytest.raises(UnsupportedError):
        Tensor.of(np.array(["a"]))
    with pytest.raises(ShapeError):
        Tensor(memoryview(b"1234"), (2,), "float32")
    with pytest.raises(ValueRangeError):
        Tensor.of([1 << 40])


def test_what_people_hold_becomes_a_tensor() -> None:
    """Half floats, the other byte order, lists of arrays or tensors, and whatever gives an array (pandas, say)."""
    source = np.array([[0.5, -1.5], [2.0, 0.25]], np.float32)

    class Frame:
        def __array__(self) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
            return source

    kinds = [source.astype(np.float16), source.astype(">f4"), source.astype(">f8"), list(source), Frame(),
             [Tensor.of(row) for row in source], [[np.float32(v) for v in row] for row in source]]  # fmt: skip

    assert [(Tensor.of(kind).dtype, Tensor.of(kind).tolist()) for kind in kinds] == [
        ("float32", source.tolist())
    ] * len(kinds)


@pytest.mark.parametrize(
    "value",
    [None, "abc", [["a"]], [1, None], np.array([1, "a"], object), np.array(["2026-01-01"], "M8[D]"), 1j],
)
def test_what_holds_no_numbers_is_said(value: object) -> None:
    """One error of ours, whichever way the values came."""
    with pytest.raises(UnsupportedError, match="no numbers"):
        Tensor.of(value)


def test_a_tensor_is_read_like_a_list() -> None:
    """Length, index from both ends, iteration; the last axis gives plain numbers; beyond it is an IndexError."""
    source = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    tensor = Tensor.of(source)

    assert (len(tensor), tensor[1].shape, tensor[1][-1][2]) == (2, (3, 4), source[1, -1, 2])
    assert [row.tolist() for row in tensor] == source.tolist()
    assert list(Tensor.of([True, False])) == [True, False]
    assert Tensor.zeros((2, 0))[1].tolist() == []
    with pytest.raises(IndexError):
        tensor[2]
    with pytest.raises(TypeError):
        len(Tensor.of(1.0))


def test_a_tensor_shows_its_values_and_survives_a_pickle() -> None:
    """The text names shape, dtype and the first values; a copy has the same bytes."""
    tensor = Tensor.of([[0.5] * 4] * 3)

    assert repr(tensor) == "Tensor(shape=(3, 4), dtype=float32, values=0.5, 0.5, 0.5, 0.5, 0.5, 0.5, ...)"
    assert pickle.loads(pickle.dumps(tensor)) == tensor


def test_the_empty_shapes_work() -> None:
    """No elements, and a single one without axes."""
    assert Tensor.zeros((0, 3)).tolist() == []
    assert Tensor.of(np.float32(2)).tolist() == 2.0
    assert np.asarray(Tensor.zeros((2, 0))).shape == (2, 0)
