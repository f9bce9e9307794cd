"""Resizing by a matrix per axis: every interpolation that has no kernel of its own becomes two products."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from py_edge.errors import UnsupportedError
from py_edge.graph import Builder
from py_edge.tensor import Tensor
from py_edge.tfjs.idioms import axes


def _cubic(x: float, a: float = -0.5) -> float:
    """Keys 1981."""
    x = abs(x)
    if x < 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a if x < 2 else 0.0


def _lanczos(radius: int) -> Callable[[float], float]:
    def kernel(x: float) -> float:
        if abs(x) >= radius:
            return 0.0
        return (
            1.0
            if abs(x) < 1e-8
            else radius * math.sin(math.pi * x) * math.sin(math.pi * x / radius) / (math.pi * x) ** 2
        )

    return kernel


def _mitchell(x: float) -> float:
    x = abs(x)
    if x < 1:
        return ((7 * x - 12) * x * x + 16 / 3) / 6
    return (((-7 / 3 * x + 12) * x - 20) * x + 32 / 3) / 6 if x < 2 else 0.0


def _gaussian(x: float) -> float:
    return math.exp(-2 * x * x) if abs(x) < 1.5 else 0.0


_KERNELS: dict[str, tuple[Callable[[float], float], float]] = {
    "bicubic": (_cubic, 2), "lanczos3": (_lanczos(3), 3), "lanczos5": (_lanczos(5), 5),
    "mitchellcubic": (_mitchell, 2), "gaussian": (_gaussian, 1.5),
}  # fmt: skip


def _cubic_row(i: int, scale: float, size: int) -> list[float]:
    """As TensorFlow's ResizeBicubic: the offset is rounded to 1/1024, what lies outside weighs nothing."""
    place = (i + 0.5) * scale - 0.5
    first = math.floor(place)
    part = round((place - first) * 1024) / 1024
    row = [0.0] * size
    for step in (-1, 0, 1, 2):
        if 0 <= first + step < size:
            row[first + step] = _cubic(step - part)
    return row


def matrix(method: str, size: int, out: int) -> list[list[float]]:
    """(out, size): rows of weights that sum to one, half-pixel centres."""
    scale = size / out
    rows = []
    for i in range(out):
        if method == "area":
            low, high = i * scale, (i + 1) * scale
            row = [max(0.0, min(high, j + 1) - max(low, j)) for j in range(size)]
        elif method == "bicubic":
            row = _cubic_row(i, scale, size)
        else:
            kernel, radius = _KERNELS[method]
            centre = (i + 0.5) * scale - 0.5
            row = [kernel(j - centre) if abs(j - centre) <= radius else 0.0 for j in range(size)]
        total = sum(row)
        rows.append([w / total for w in row] if total else row)
    return rows


def resize(b: Builder, x: int, size: Sequence[int], method: str) -> int:
    """x (N, H, W, C) to `size` (height, width), as Keras' Resizing and tf.image.resize do it."""
    n, h, w, c = b.shape(x)
    if method in ("bilinear", "nearest"):
        x = axes.cast(b, x, "float32")
        return b.op("resize", x, size=tuple(size), method=method, align_corners=False, half_pixel=True)
    if method not in (*_KERNELS, "area"):
        raise UnsupportedError(
            "unknown interpolation", got=method, want=["bilinear", "nearest", "area", *_KERNELS]
        )
    rows = b.constant(Tensor.of(matrix(method, h, size[0]), "float32"))
    columns = b.constant(Tensor.of(matrix(method, w, size[1]), "float32"))
    y = axes.reshape(b, b.op("matmul", rows, axes.reshape(b, x, [n, h, w * c])), [n * size[0], w, c])
    return axes.reshape(b, b.op("matmul", columns, y), [n, size[0], size[1], c])
