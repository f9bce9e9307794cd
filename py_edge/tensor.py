"""A tensor: bytes, shape, dtype. It speaks the buffer protocol and `__array_interface__`, and needs no numpy.

Letters: a shape is written (d0, d1, ...), row-major, little-endian, always contiguous.
"""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from py_edge.errors import ShapeError, UnsupportedError, ValueRangeError

ITEM_BYTES = {"float32": 4, "int32": 4, "bool": 1, "uint8": 1}
_FORMAT = {"float32": "f", "int32": "i", "bool": "B", "uint8": "B"}
_TYPESTR = {"float32": "<f4", "int32": "<i4", "bool": "|b1", "uint8": "|u1"}
_SOURCE_FORMAT = {
    "f": "float32", "d": "float32", "e": "float32", "?": "bool", "B": "uint8",
    "b": "int32", "h": "int32", "H": "int32", "i": "int32", "I": "int32",
    "l": "int32", "L": "int32", "q": "int32", "Q": "int32",
}  # fmt: skip


def count(shape: Iterable[int]) -> int:
    """How many elements a shape holds; 1 for the empty shape."""
    return math.prod(shape)


@dataclass(frozen=True, slots=True)
class Tensor:
    """data: contiguous bytes, row-major; shape: (d0, d1, ...); dtype: one of ITEM_BYTES."""

    data: memoryview
    shape: tuple[int, ...]
    dtype: str

    def __post_init__(self) -> None:
        if self.dtype not in ITEM_BYTES:
            raise UnsupportedError("unknown dtype", got=self.dtype, want=sorted(ITEM_BYTES))
        want = count(self.shape) * ITEM_BYTES[self.dtype]
        if self.data.nbytes != want:
            raise ShapeError(
                f"shape {self.shape} of {self.dtype} needs other bytes", got=self.data.nbytes, want=want
            )

    @classmethod
    def of(cls, source: Any, dtype: str | None = None) -> Tensor:
        """A tensor from a tensor, what has the buffer protocol (numpy) or `__array__` (pandas), or nested lists.

        float64 and float16 become float32, other integers int32. dtype converts on top of that.
        Raises UnsupportedError: no numbers; ShapeError: rows of unequal length; ValueRangeError: beyond int32.
        """
        if isinstance(source, Tensor):
            return source if dtype in (None, source.dtype) else source.astype(dtype)
        try:
            view = memoryview(source.__array__() if hasattr(source, "__array__") else source)
        except TypeError:
            return cls._from_nested(source, dtype)
        except ValueError as error:  # numpy's times and dates
            raise _no_numbers(str(getattr(source, "dtype", type(source).__name__))) from error
        order, letter = _byte_order(view.format)
        if letter not in _SOURCE_FORMAT:
            raise _no_numbers(str(getattr(source, "dtype", view.format)))
        found = _SOURCE_FORMAT[letter]
        shape = tuple(view.shape or ())
        if not order and letter in (_FORMAT[found], "?"):
            tensor = cls(memoryview(view.tobytes()), shape, found)
        else:
            values = struct.unpack(f"{order}{count(shape)}{letter}", view.tobytes())
            tensor = cls.from_flat(values, shape, found)
        return tensor if dtype in (None, found) else tensor.astype(dtype)

    @classmethod
    def from_flat(cls, values: Iterable[float], shape: Sequence[int], dtype: str = "float32") -> Tensor:
        """values: one number per element in row-major order."""
        items = values if dtype == "float32" else (int(value) for value in values)
        try:
            flat = array(_FORMAT[dtype], items)
        except OverflowError as error:
            raise ValueRangeError(f"a value does not fit {dtype}") from error
        except (TypeError, ValueError) as error:
            raise _no_numbers(str(error)) from error
        return cls(memoryview(flat).cast("B"), tuple(shape), dtype)

    @classmethod
    def _from_nested(cls, source: Any, dtype: str | None) -> Tensor:
        shape, level = [], source
        while isinstance(level := _plain(level), (list, tuple)):
            shape.append(len(level))
            level = level[0] if level else 0.0
        flat = list(_flatten(source))
        if len(flat) != count(shape):
            raise ShapeError("nested lists of unequal length", got=len(flat), want=tuple(shape))
        if dtype is None:
            kinds = {type(value) for value in flat}
            dtype = "bool" if kinds == {bool} else "int32" if kinds and kinds <= {int} else "float32"
        return cls.from_flat(flat, shape, dtype)

    @classmethod
    def zeros(cls, shape: Sequence[int], dtype: str = "float32") -> Tensor:
        """All elements 0 (or False)."""
        return cls(memoryview(bytearray(count(shape) * ITEM_BYTES[dtype])), tuple(shape), dtype)

    @property
    def size(self) -> int:
        """How many elements."""
        return count(self.shape)

    @property
    def nbytes(self) -> int:
        """How many bytes, as numpy calls it."""
        return self.data.nbytes

    @property
    def flat(self) -> memoryview[Any]:
        """The elements as a one-dimensional typed view, no copy."""
        if not self.nbytes:
            return memoryview(array(_FORMAT[self.dtype]))
        raw = self.data.cast("B")
        return raw.cast("f") if self.dtype == "float32" else raw.cast("i") if self.dtype == "int32" else raw

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return {
            "version": 3,
            "shape": self.shape,
            "typestr": _TYPESTR[self.dtype],
            "data": self.data.cast("B"),
        }

    def __repr__(self) -> str:
        few = [f"{value:.4g}" for value in self.flat[:6]]
        more = ", ..." if self.size > len(few) else ""
        return f"Tensor(shape={self.shape}, dtype={self.dtype}, values={', '.join(few)}{more})"

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a tensor of shape () has no length")
        return self.shape[0]

    def __getitem__(self, index: int) -> Any:
        """One entry of the first axis: a tensor of the axes left, no copy, or a plain number if none is."""
        n = len(self)
        if not -n <= index < n:
            raise IndexError(f"index {index} of {n}")
        width = count(self.shape[1:])
        begin = (index % n) * width
        if len(self.shape) == 1:
            return bool(self.flat[begin]) if self.dtype == "bool" else self.flat[begin]
        size = ITEM_BYTES[self.dtype]
        part = self.data.cast("B")[begin * size : (begin + width) * size] if width else memoryview(b"")
        return Tensor(part, self.shape[1:], self.dtype)

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))

    def __reduce__(self) -> Any:
        return _of_bytes, (self.tobytes(), self.shape, self.dtype)

    def reshape(self, shape: Sequence[int]) -> Tensor:
        """The same bytes under another shape of the same size."""
        return Tensor(self.data, tuple(shape), self.dtype)

    def astype(self, dtype: str) -> Tensor:
        """Converted element by element; float to integer cuts towards zero."""
        values: Iterable[float] = self.flat if dtype != "bool" else (value != 0 for value in self.flat)
        return Tensor.from_flat(values, self.shape, dtype)

    def tolist(self) -> Any:
        """Nested lists; a plain number for the empty shape."""
        values: list[Any] = [bool(v) for v in self.flat] if self.dtype == "bool" else self.flat.tolist()
        for width in reversed(self.shape[1:]):
            values = [values[i : i + width] for i in range(0, len(values), width)] if width else values
        return values if self.shape else values[0]

    def tobytes(self) -> bytes:
        """A copy of the bytes, row-major, as numpy calls it."""
        return self.data.tobytes()


def _flatten(nested: Any) -> Iterable[float]:
    nested = _plain(nested)
    if isinstance(nested, (list, tuple)):
        for item in nested:
            yield from _flatten(item)
    else:
        yield nested


def _plain(value: Any) -> Any:
    """An array or tensor within a list as a list."""
    return value if isinstance(value, (int, float, list)) or not hasattr(value, "tolist") else value.tolist()


def _byte_order(kind: str) -> tuple[str, str]:
    """A buffer's format as struct's sign of the byte order and the kind of number."""
    return (kind[0], kind[1:]) if kind[0] in "<>=!" else ("", kind)


def _of_bytes(data: bytes, shape: tuple[int, ...], dtype: str) -> Tensor:
    return Tensor(memoryview(data), shape, dtype)


def _no_numbers(got: str) -> UnsupportedError:
    return UnsupportedError(
        "these are no numbers",
        got=got,
        want="float, integer or bool",
        remedy="convert it, as by astype('float32')",
    )
