"""Bytes at an aligned address, as the kernels want them."""

from __future__ import annotations

import ctypes

from py_edge.errors import LimitError
from py_edge.plan.arena import ALIGN


class Memory:
    """Zeroed bytes at an aligned address."""

    def __init__(self, size: int) -> None:
        try:
            self._raw = bytearray(size + ALIGN)
        except MemoryError as error:
            raise LimitError("not enough memory for this plan", got=size) from error
        base = ctypes.addressof((ctypes.c_char * len(self._raw)).from_buffer(self._raw))
        skip = -base % ALIGN
        self.address = base + skip
        self.view = memoryview(self._raw)[skip : skip + size]
