"""Softmax over any axes, norms, einsum, batch normalisation and their like, by the core ops."""

from __future__ import annotations

from collections.abc import Sequence

from py_edge.errors import ShapeError, UnsupportedError
from py_edge.graph import Builder
from py_edge.graph.shapes import axis_of
from py_edge.tfjs.idioms import axes


def softmax(b: Builder, x: int, over: Sequence[int] = (-1,), log: bool = False) -> int:
    """Over one axis, or several taken together."""
    op = "log_softmax" if log else "softmax"
    if len(over) == 1:
        return axes.on_last(b, x, over[0], lambda v: b.op(op, v))
    peak = axes.reduce(b, "max", x, over, keepdims=True)
    shifted = b.op("sub", x, peak)
    power = b.op("exp", shifted)
    total = axes.reduce(b, "sum", power, over, keepdims=True)
    return b.op("sub", shifted, b.op("log", total)) if log else b.op("div", power, total)


def clip(b: Builder, x: int, low: float, high: float) -> int:
    return b.op("minimum", b.op("maximum", x, float(low)), float(high))


def moments(b: Builder, x: int, over: Sequence[int]) -> tuple[int, int]:
    """(mean, biased variance), dimensions kept."""
    mean = axes.reduce(b, "mean", x, over, keepdims=True)
    variance = axes.reduce(b, "mean", b.op("square", b.op("sub", x, mean)), over, keepdims=True)
    return mean, variance


def standardize(
    b: Builder, x: int, mean: int, variance: int, epsilon: float, scale: int | None, offset: int | None
) -> int:
    """(x - mean) / sqrt(variance + epsilon) * scale + offset, all broadcast against x."""
    factor = b.op("rsqrt", b.op("add", variance, float(epsilon)))
    y = b.op("mul", b.op("sub", x, mean), factor)
    y = b.op("mul", y, scale) if scale is not None else y
    return b.op("add", y, offset) if offset is not None else y


def as_affine(
    b: Builder, x: int, mean: int, variance: int, epsilon: float, scale: int | None, offset: int | None
) -> int:
    """The same as x * factor + shift, which folds into the layer before when the statistics are constants."""
    factor = b.op("rsqrt", b.op("add", variance, float(epsilon)))
    factor = b.op("mul", factor, scale) if scale is not None else factor
    shift = b.op("neg", b.op("mul", mean, factor))
    shift = b.op("add", shift, offset) if offset is not None else shift
    return b.op("add", b.op("mul", x, factor), shift)


def along(b: Builder, vector: int, axis: int, rank: int) -> int:
    """A vector laid along one axis of a rank, ready to broadcast."""
    axis = axis_of(axis, rank)
    if axis == rank - 1:
        return vector
    return axes.reshape(b, vector, [b.shape(vector)[0] if i == axis else 1 for i in range(rank)])


def l2_normalize(b: Builder, x: int, over: Sequence[int], epsilon: float = 1e-12) -> int:
    total = axes.reduce(b, "sum", b.op("square", x), over, keepdims=True)
    return b.op("mul", x, b.op("rsqrt", b.op("maximum", total, float(epsilon))))


def local_response(b: Builder, x: int, radius: int, bias: float, alpha: float, beta: float) -> int:
    """x / (bias + alpha * sum of squares over 2 radius + 1 channels) ** beta."""
    c = b.shape(x)[-1]
    squares = axes.pad_axis(b, b.op("square", x), -1, radius, radius)
    total = axes.cut(b, squares, -1, 0, c)
    for offset in range(1, 2 * radius + 1):
        total = b.op("add", total, axes.cut(b, squares, -1, offset, c))
    base = b.op("add", b.op("mul", total, float(alpha)), float(bias))
    return b.op("div", x, b.op("pow", base, float(beta)))


def einsum(b: Builder, equation: str, operands: Sequence[int]) -> int:
    """Einstein summation of one or two operands, ellipsis and repeated letters included, by one matmul."""
    inputs, _, result = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(operands):
        raise ShapeError("einsum wants another number of operands", got=len(operands), want=equation)
    terms, result = _name_ellipsis(b, terms, result, operands, "->" in equation)
    values = list(operands)
    for i, term in enumerate(terms):
        terms[i], values[i] = _diagonals(b, term, values[i])
        elsewhere = set(result).union(*(t for j, t in enumerate(terms) if j != i))
        gone = [axis for axis, letter in enumerate(terms[i]) if letter not in elsewhere]
        values[i] = axes.reduce(b, "sum", values[i], gone) if gone else values[i]
        terms[i] = "".join(letter for letter in terms[i] if letter in elsewhere)
    while len(terms) > 1:
        later = set(result).union(*terms[2:]) if len(terms) > 2 else set(result)
        out = "".join(dict.fromkeys(letter for letter in terms[0] + terms[1] if letter in later))
        values[:2] = [_contract(b, terms[0], values[0], terms[1], values[1], out)]
        terms[:2] = [out]
    return axes.transpose(b, values[0], [terms[0].index(letter) for letter in result])


def _name_ellipsis(
    b: Builder, terms: list[str], result: str, operands: Sequence[int], explicit: bool
) -> tuple[list[str], str]:
    spare = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    used = set("".join(terms) + result)
    fresh = [letter for letter in spare if letter not in used]
    width = max(
        (b.rank(x) - len(t.replace("...", "")) for t, x in zip(terms, operands, strict=True) if "..." in t),
        default=0,
    )
    if width > len(fresh):
        raise UnsupportedError("einsum with too many letters")
    names = "".join(fresh[:width])
    spelled = []
    for term, x in zip(terms, operands, strict=True):
        own = b.rank(x) - len(term.replace("...", ""))
        spelled.append(term.replace("...", names[width - own :]) if "..." in term else term)
        if len(spelled[-1]) != b.rank(x):
            raise ShapeError("einsum letters and axes differ", got=b.shape(x), want=term)
    if not explicit:
        letters = "".join(spelled)
        result = names + "".join(sorted(c for c in set(letters) - set(names) if letters.count(c) == 1))
    return spelled, result.replace("...", names)


def _diagonals(b: Builder, term: str, x: int) -> tuple[str, int]:
    """Letters that repeat within one term: keep only the diagonal, by a flat gather."""
    while len(set(term)) != len(term):
        letter = next(c for c in term if term.count(c) > 1)
        i, j = term.index(letter), term.rindex(letter)
        x = axes.move_axis(b, axes.move_axis(b, x, j, 0), i + 1, 1)
        n = b.shape(x)[0]
        flat = axes.reshape(b, x, [n * n, *b.shape(x)[2:]])
        x = axes.cut(b, flat, 0, 0, n, n + 1)
        term = letter + "".join(c for c in term if c != letter)
    return term, x


def _contract(b: Builder, ta: str, a: int, tb: str, w: int, out: str) -> int:
    """Two terms: shared letters that stay are batch, shared ones that go are summed; one matmul."""
    sizes = dict(zip(ta, b.shape(a), strict=True))
    for letter, size in zip(tb, b.shape(w), strict=True):
        if sizes.get(letter, size) not in (1, size) and size != 1:
            raise ShapeError("einsum sizes differ", got=(b.shape(a), b.shape(w)), want=f"{ta},{tb}")
        sizes[letter] = max(size, sizes.get(letter, 1))
    batch = [c for c in ta if c in tb and c in out]
    summed = [c for c in ta if c in tb and c not in out]
    rows = [c for c in ta if c not in tb]
    columns = [c for c in tb if c not in ta]

    def matrix(term: str, x: int, first: list[str], last: list[str]) -> int:
        x = axes.broadcast(b, x, [sizes[c] for c in term])
        x = axes.transpose(b, x, [term.index(c) for c in (*batch, *first, *last)])
        together = [_product(sizes, batch)] if batch else []
        return axes.reshape(b, x, [*together, _product(sizes, first), _product(sizes, last)])

    y = b.op("matmul", matrix(ta, a, rows, summed), matrix(tb, w, summed, columns))
    letters = [*batch, *rows, *columns]
    y = axes.reshape(b, y, [sizes[c] for c in letters])
    return axes.transpose(b, y, [letters.index(c) for c in out])


def _product(sizes: dict[str, int], letters: Sequence[str]) -> int:
    total = 1
    for letter in letters:
        total *= sizes[letter]
    return total
