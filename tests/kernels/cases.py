"""Cases for kernels: code, an arena, and what must be in it afterwards. Any runtime that can run code can be judged by them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from py_edge.kernels.load import Library

Array = np.ndarray[Any, np.dtype[Any]]
Rng = np.random.Generator

KERNELS = [
    "copy",
    "fill",
    "elementwise",
    "pack_b",
    "matmul",
    "conv2d",
    "depthwise_conv2d",
    "pool2d",
    "pool2d_grad",
    "conv2d_input_grad",
    "conv2d_filter_grad",
    "depthwise_input_grad",
    "depthwise_filter_grad",
    "reduce",
    "cumulate",
    "softmax",
    "top_k",
    "gather",
    "scatter_add",
    "resize",
    "resize_grad",
    "random",
    "scan",
    "cond",
    "while",
    "normalize",
    "pack_winograd",
    "conv2d_winograd",
    "adam",
]
NUMBER = {name: i + 1 for i, name in enumerate(KERNELS)}
NONE = -1
# Relative to the size of what is summed: float32 sums of a few thousand products, and the polynomials.
RELATIVE, ABSOLUTE = 1e-5, 1e-6


@dataclass
class Expected:
    offset: int
    value: Array
    relative: float
    absolute: float
    name: str
    spread: bool


@dataclass
class Case:
    """One program. `panel`: columns of a packed panel of the build that will run it."""

    name: str
    panel: int
    code: list[int] = field(default_factory=list)
    arena: bytearray = field(default_factory=bytearray)
    expected: list[Expected] = field(default_factory=list)
    status: int = 0

    def space(self, size_bytes: int, guard: int = 64) -> int:
        """A zeroed place, and behind it `guard` bytes that nobody may touch; the operand is its offset."""
        offset = len(self.arena)
        self.arena += bytes(size_bytes)
        self.arena += b"\xa5" * (guard + -(size_bytes + guard) % 64)
        return offset

    def put(self, array: Any, dtype: Any = np.float32) -> int:
        data = np.ascontiguousarray(array, dtype).tobytes()
        offset = self.space(len(data))
        self.arena[offset : offset + len(data)] = data
        return offset

    def result(
        self,
        value: Any,
        dtype: Any = np.float32,
        relative: float = RELATIVE,
        name: str = "",
        spread: bool = False,
    ) -> int:
        """A place whose content must be `value` at the end; spread: errors are relative to the largest element (sums)."""
        value = np.asarray(value)
        offset = self.space(value.size * np.dtype(dtype).itemsize)
        with np.errstate(all="ignore"):
            self.expect(offset, value.astype(dtype), relative, name, spread)
        return offset

    def expect(
        self, offset: int, value: Array, relative: float = RELATIVE, name: str = "", spread: bool = False
    ) -> None:
        self.expected.append(Expected(offset, value, relative, ABSOLUTE, name, spread))

    def step(self, kernel: str, *params: Any) -> None:
        words = [word for param in params for word in _words(param)]
        self.code += [NUMBER[kernel], len(words), *words]

    def judge(self, status: int, arena: bytes) -> None:
        """Assert that a runtime did what is wanted: status, values, and no byte beside the results."""
        assert self.status == status, f"{self.name}: status {status}"
        if status:
            return
        for want in self.expected:
            got = np.frombuffer(arena, want.value.dtype, want.value.size, want.offset).reshape(
                want.value.shape
            )
            note = f"{self.name} {want.name}"
            if want.value.dtype == np.float32:
                largest = (
                    float(np.max(np.abs(want.value[np.isfinite(want.value)]), initial=0))
                    if want.spread
                    else 0.0
                )
                near = want.absolute + want.relative * largest
                np.testing.assert_allclose(got, want.value, rtol=want.relative, atol=near, err_msg=note)
            else:
                np.testing.assert_array_equal(got, want.value, err_msg=note)
        self._judge_guards(arena)

    def _judge_guards(self, arena: bytes) -> None:
        before = np.frombuffer(bytes(self.arena), np.uint8)
        after = np.frombuffer(arena, np.uint8)
        guards = np.zeros(len(before), bool)
        run = (before == 0xA5).astype(np.int8)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], run, [0]])))
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            guards[begin:end] = end - begin >= 64
        assert (after[guards] == 0xA5).all(), f"{self.name}: wrote beside its result"


def _words(param: Any) -> Iterator[int]:
    if isinstance(param, (list, tuple)):
        for item in param:
            yield from _words(item)
    elif isinstance(param, (float, np.floating)):
        yield int(np.float32(param).view(np.int32))
    else:
        yield int(param)


def padded(values: Any, length: int = 8, fill: int = 0) -> list[int]:
    """A list of fixed length, as arrays in the structs are."""
    return [*values, *[fill] * (length - len(values))]


Maker = Callable[[Rng, int], Case]


def run_native(library: Library, case: Case) -> tuple[int, bytes]:
    code = (ctypes.c_int32 * max(len(case.code), 1))(*case.code)
    size = len(case.arena) + 64
    memory = ctypes.create_string_buffer(size + 64)
    base = ctypes.addressof(memory) + -ctypes.addressof(memory) % 64
    ctypes.memmove(base, bytes(case.arena), len(case.arena))
    status = library.run(ctypes.addressof(code), 0, len(case.code), base, base, base)
    return status, ctypes.string_at(base, len(case.arena))


def check(library: Library, make: Maker, seed: int) -> None:
    case = make(np.random.default_rng(seed), library.panel)
    case.judge(*run_native(library, case))


@contextmanager
def quiet() -> Iterator[None]:
    with np.errstate(all="ignore"):
        yield
