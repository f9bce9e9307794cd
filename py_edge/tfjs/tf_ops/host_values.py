"""Concrete values as host steps take and give them: tensors and strings, flat, and back under a shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from py_edge.tensor import Tensor
from py_edge.tfjs.weights import Strings

Concrete = Tensor | Strings


def elements(x: Concrete) -> list[Any]:
    return list(x.values) if isinstance(x, Strings) else x.flat.tolist()


def like(x: Concrete, values: Sequence[Any], shape: Sequence[int]) -> Concrete:
    """Values of the same kind under a shape."""
    if isinstance(x, Strings):
        return Strings(tuple(values), tuple(shape))
    return Tensor.from_flat(values, tuple(shape), x.dtype)


def whole(values: Sequence[int], shape: Sequence[int] | None = None) -> Tensor:
    return Tensor.from_flat(values, tuple(shape) if shape is not None else (len(values),), "int32")
