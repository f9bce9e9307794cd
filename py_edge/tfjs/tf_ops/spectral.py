"""Fourier transforms along the last axis, as products with constant matrices of cosines and sines."""

from __future__ import annotations

import math

from py_edge.errors import UnsupportedError
from py_edge.graph import Builder
from py_edge.tensor import Tensor
from py_edge.tfjs.call import Call, Lower
from py_edge.tfjs.idioms import axes
from py_edge.tfjs.trace import Cplx, Value

_LONGEST = 4096


def _waves(b: Builder, rows: int, columns: int, n: int) -> tuple[int, int]:
    """cos and sin of 2 pi j k / n, (rows, columns)."""
    if max(rows, columns) > _LONGEST:
        raise UnsupportedError("a Fourier transform this long", got=n, want=f"<= {_LONGEST}")
    angles = [2 * math.pi * ((j * k) % n) / n for j in range(rows) for k in range(columns)]
    cosine = b.constant(Tensor.from_flat([math.cos(a) for a in angles], (rows, columns)))
    return cosine, b.constant(Tensor.from_flat([math.sin(a) for a in angles], (rows, columns)))


def _product(b: Builder, x: int, matrix: int) -> int:
    flat = b.rank(x) == 1
    y = b.op("matmul", axes.expand(b, x, 0) if flat else x, matrix)
    return axes.squeeze(b, y, [0]) if flat else y


def transform(b: Builder, z: Cplx, inverse: bool) -> Cplx:
    n = b.shape(z.real)[-1]
    cosine, sine = _waves(b, n, n, n)
    sign = "sub" if inverse else "add"
    real = b.op(sign, _product(b, z.real, cosine), _product(b, z.imag, sine))
    turned = _product(b, z.real, sine)
    imag = b.op("add" if inverse else "sub", _product(b, z.imag, cosine), turned)
    if not inverse:
        return Cplx(real, imag)
    return Cplx(b.op("mul", real, 1 / n), b.op("mul", imag, 1 / n))


def _fft(inverse: bool) -> Lower:
    def lower(c: Call) -> Value:
        value = c.values[0]
        value = value if isinstance(value, Cplx) else Cplx(c.x, c.b.op("mul", c.x, 0.0))
        return transform(c.b, value, inverse)

    return lower


def _fitted(b: Builder, x: int, n: int) -> int:
    """Cut or padded with zeros to length n."""
    have = b.shape(x)[-1]
    return axes.cut(b, x, -1, 0, n) if n <= have else axes.pad_axis(b, x, -1, 0, n - have)


def rfft(c: Call) -> Value:
    b = c.b
    n = c.ints(1)[-1] if c.n > 1 else c.shape()[-1]
    x, half = _fitted(b, c.x, n), n // 2 + 1
    cosine, sine = _waves(b, n, half, n)
    return Cplx(_product(b, x, cosine), b.op("neg", _product(b, x, sine)))


def irfft(c: Call) -> Value:
    """Of half a spectrum: every inner frequency counts twice."""
    b, value = c.b, c.values[0]
    value = value if isinstance(value, Cplx) else Cplx(c.x, c.b.op("mul", c.x, 0.0))
    n = c.ints(1)[-1] if c.n > 1 else 2 * (b.shape(value.real)[-1] - 1)
    half = n // 2 + 1
    cosine, sine = _waves(b, half, n, n)
    twice = [1.0 if k == 0 or (n % 2 == 0 and k == half - 1) else 2.0 for k in range(half)]
    weights = b.constant(Tensor.from_flat([w / n for w in twice], (half, 1)))
    real = _product(b, _fitted(b, value.real, half), b.op("mul", cosine, weights))
    return b.op("sub", real, _product(b, _fitted(b, value.imag, half), b.op("mul", sine, weights)))


ROWS: dict[str, Lower] = {"FFT": _fft(False), "IFFT": _fft(True), "RFFT": rfft, "IRFFT": irfft}
