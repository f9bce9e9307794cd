"""Constants of a shape, ranges, one-hot, random numbers, quantisation that is only simulated."""

from __future__ import annotations

import math

from py_edge.errors import LimitError, ShapeError
from py_edge.tensor import Tensor, count
from py_edge.tfjs.call import Call, Lower
from py_edge.tfjs.idioms import arithmetic, axes
from py_edge.tfjs.layers.call import draw_counter
from py_edge.tfjs.limits import DEFAULT
from py_edge.tfjs.trace import Cplx, Value


def _sizes(c: Call, place: int) -> list[int]:
    sizes = c.ints(place)
    if min(sizes, default=0) < 0 or count(sizes) > DEFAULT.elements:
        raise LimitError("a shape out of bounds", where=c.node.where, got=sizes)
    return sizes


def fill(c: Call) -> Value:
    value = c.values[1]
    sizes = _sizes(c, 0)
    if isinstance(value, Cplx):
        return Cplx(axes.broadcast(c.b, value.real, sizes), axes.broadcast(c.b, value.imag, sizes))
    return axes.broadcast(c.b, c.id(1), sizes)


def _constant(value: float) -> Lower:
    def lower(c: Call) -> Value:
        shape = c.row("shape") or (_sizes(c, 0) if c.n else [])
        return axes.full(c.b, [int(d) for d in shape], value, c.word("dtype", "float32"))

    return lower


def _like(value: float) -> Lower:
    def lower(c: Call) -> Value:
        given = c.values[0]
        if isinstance(given, Cplx):
            shape = c.b.shape(given.real)
            return Cplx(axes.full(c.b, shape, value), axes.full(c.b, shape, 0.0))
        return axes.full(c.b, c.shape(), value, c.dtype())

    return lower


def lin_space(c: Call) -> Value:
    start, stop, n = c.real(0), c.real(1), c.whole(2)
    c.bounded(n - 1)
    step = (stop - start) / (n - 1) if n > 1 else 0.0
    return c.trace.constant(
        [stop if i == n - 1 and n > 1 else start + i * step for i in range(n)], (n,), "float32"
    )


def range_(c: Call) -> Value:
    """start, limit and step must be known: they make the shape."""
    start, limit, step = (c.trace.known(c.id(i))[0] for i in range(3))
    if step == 0 or not all(map(math.isfinite, (start, limit, step))):
        raise ShapeError("a range without a step", where=c.node.where, got=(start, limit, step))
    n = max(0, math.ceil((limit - start) / step))
    c.bounded(n)
    return c.trace.constant([start + i * step for i in range(n)], (n,), c.dtype())


def one_hot(c: Call) -> Value:
    b, depth, axis = c.b, c.whole(1), c.typed("axis", int, -1)
    c.bounded(depth)
    return b.op("select", axes.one_hot(b, axes.cast(b, c.x, "int32"), depth, axis), c.id(2), c.id(3))


def _draw(c: Call, kind: str, shape: list[int], alpha: float = 0.0) -> int:
    c.trace.shared.draws += 1
    seed = (c.typed("seed", int, 0) * 31 + c.typed("seed2", int, 0) * 17 + c.trace.shared.draws) & 0x7FFFFFFF
    counter = draw_counter(c.b)
    return c.b.op("random", counter, shape=tuple(shape), kind=kind, seed=seed, alpha=alpha, dtype="float32")


def _random(kind: str) -> Lower:
    return lambda c: _draw(c, kind, _sizes(c, 0))


def random_int(c: Call) -> Value:
    """Whole numbers from minimum up to, without, maximum."""
    b = c.b
    width = axes.cast(b, b.op("sub", c.id(2), c.id(1)), "float32")
    steps = b.op("floor", b.op("mul", _draw(c, "uniform", _sizes(c, 0)), width))
    return b.op("add", axes.cast(b, steps, "int32"), c.id(1))


def truncated_normal(c: Call) -> Value:
    """A normal drawn again outside of two deviations: three draws, then clipped (1 in 10,000)."""
    b, shape = c.b, _sizes(c, 0)
    y = arithmetic.clip(b, _draw(c, "normal", shape), -2.0, 2.0)
    for _ in range(2):
        again = _draw(c, "normal", shape)
        y = b.op("select", b.op("less", b.op("abs", again), 2.0), again, y)
    return y


def multinomial(c: Call) -> Value:
    """Draws of class indices by logits (N, K): the largest of logit plus Gumbel noise."""
    b, n = c.b, c.whole(1)
    rows, classes = c.shape()
    uniform = b.op("maximum", _draw(c, "uniform", [rows, n, classes]), 1e-20)
    noise = b.op("neg", b.op("log", b.op("neg", b.op("log", uniform))))
    return b.op("arg_reduce", b.op("add", axes.expand(b, c.x, 1), noise), kind="max", axis=2)


def fake_quant(c: Call) -> Value:
    """Round to num_bits steps between min and max, both moved so that 0 is a step."""
    b, bits = c.b, c.typed("num_bits", int, 8)
    low_step, high_step = (1.0 if c.flag("narrow_range") else 0.0), float(2**bits - 1)
    low, high = c.id(1), c.id(2)
    scale = b.op("mul", b.op("sub", high, low), 1.0 / (high_step - low_step))
    zero = b.op("sub", low_step, b.op("div", low, scale))
    zero = arithmetic.clip(b, b.op("floor", b.op("add", zero, 0.5)), low_step, high_step)
    low, high = (b.op("mul", b.op("sub", step, zero), scale) for step in (low_step, high_step))
    inside = b.op("minimum", b.op("maximum", c.x, low), high)
    steps = b.op("floor", b.op("add", b.op("div", b.op("sub", inside, low), scale), 0.5))
    return b.op("add", b.op("mul", steps, scale), low)


def empty(c: Call) -> Value:
    return axes.full(c.b, _sizes(c, 0), 0, c.word("dtype", "float32"))


def diagonal(c: Call) -> Value:
    """A tensor along the diagonal of one of twice its rank."""
    b, n = c.b, count(c.shape())
    c.bounded(n, n)
    eye = b.constant(Tensor.from_flat([i == j for i in range(n) for j in range(n)], (n, n), "bool"))
    y = b.op("select", eye, axes.reshape(b, c.x, [n, 1]), b.scalar(0, c.dtype()))
    return axes.reshape(b, y, [*c.shape(), *c.shape()])


ROWS: dict[str, Lower] = {
    "Fill": fill, "Ones": _constant(1), "Zeros": _constant(0), "OnesLike": _like(1), "ZerosLike": _like(0),
    "LinSpace": lin_space, "Range": range_, "OneHot": one_hot, "RandomUniform": _random("uniform"),
    "RandomStandardNormal": _random("normal"), "RandomUniformInt": random_int, "TruncatedNormal": truncated_normal,
    "Multinomial": multinomial, "FakeQuantWithMinMaxVars": fake_quant, "Empty": empty, "Diag": diagonal,
}  # fmt: skip
