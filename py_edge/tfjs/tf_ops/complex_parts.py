"""Complex numbers are two tensors: what only moves elements is done to each part."""

from __future__ import annotations

from py_edge.tfjs.call import Call, Lower
from py_edge.tfjs.trace import Cplx, Value


def parted(lower: Lower) -> Lower:
    """Movement of complex numbers: once for each part."""

    def both(c: Call) -> Value | list[Value]:
        if not any(isinstance(v, Cplx) for v in c.values):
            return lower(c)
        real = lower(Call(c.run, c.node, [v.real if isinstance(v, Cplx) else v for v in c.values]))
        imag = lower(Call(c.run, c.node, [v.imag if isinstance(v, Cplx) else v for v in c.values]))
        pairs = zip(_rows(real), _rows(imag), strict=True)
        joined: list[Value] = [Cplx(r, i) for r, i in pairs if isinstance(r, int) and isinstance(i, int)]
        return joined if isinstance(real, list) else joined[0]

    return both


def _rows(value: Value | list[Value]) -> list[Value]:
    return value if isinstance(value, list) else [value]
