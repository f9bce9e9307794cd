"""Dense, shapes, embedding, masking, dropout and noise."""

from __future__ import annotations

import math

from py_edge.errors import ShapeError, ValueRangeError
from py_edge.tensor import count
from py_edge.tfjs.idioms import arithmetic, axes
from py_edge.tfjs.layers.activations import activate
from py_edge.tfjs.layers.call import Call, Lower


def dense(c: Call) -> int:
    """activation(x kernel + bias): x (N, ..., C), kernel (C, U)."""
    b, units = c.b, c.whole("units")
    if c.rank < 2:
        raise ShapeError("Dense wants a batch and features", where=c.where, got=c.shape)
    kernel = c.weight("kernel", (c.shape[-1], units))
    y = b.op("matmul", c.x, kernel)
    if c.flag("use_bias", True):
        y = b.op("add", y, c.weight("bias", (units,), default="zeros"))
    return activate(c, y)


def einsum_dense(c: Call) -> int:
    """einsum(equation, x, kernel) + bias, its shape read off the equation."""
    b, equation = c.b, str(c.get("equation"))
    inputs, out = equation.replace(" ", "").split("->")
    left, right = inputs.split(",")
    full = _named_axes(c, left, right, out)
    kernel = c.weight("kernel", [full[letter] for letter in right])
    y = arithmetic.einsum(b, equation, [c.x, kernel])
    letters = c.get("bias_axes")
    if letters:
        first = min(out.replace("...", "").index(letter) for letter in letters)
        tail = out.replace("...", "")[first:]
        shape = [full[letter] if letter in letters else 1 for letter in tail]
        y = b.op("add", y, c.weight("bias", shape, default="zeros"))
    return activate(c, y)


def _named_axes(c: Call, left: str, right: str, out: str) -> dict[str, int]:
    shape = c.get("output_shape")
    target = list(shape) if isinstance(shape, (list, tuple)) else [shape]
    sizes: dict[str, int] = {}
    if "..." in left:
        head, _, tail = left.partition("...")
        sizes |= dict(zip(head, c.shape, strict=False))
        sizes |= dict(zip(reversed(tail), reversed(c.shape), strict=False))
    else:
        sizes |= dict(zip(left, c.shape, strict=False))
    for letter, size in zip(reversed(out.replace("...", "")), reversed(target), strict=False):
        if isinstance(size, int):
            sizes.setdefault(letter, size)
    if any(letter not in sizes for letter in right):
        raise ShapeError(
            "the equation leaves an axis of the kernel open", where=c.where, got=f"{left},{right}->{out}"
        )
    return sizes


def flatten(c: Call) -> int:
    c.out_mask = False
    x = axes.channels_last(c.b, c.x) if c.first and c.rank > 2 else c.x
    return axes.reshape(c.b, x, [c.shape[0], count(c.shape[1:])])


def reshape(c: Call) -> int:
    c.out_mask = False
    target = c.get("target_shape", default=[])
    if not isinstance(target, (list, tuple)) or any(
        type(d) is not int or (d < 1 and d != -1) for d in target
    ):
        raise ShapeError("target_shape", where=c.where, got=target, want="whole numbers, one may be -1")
    return c.b.op("reshape", c.x, shape=(c.shape[0], *target))


def permute(c: Call) -> int:
    c.out_mask = False
    dims = c.wholes("dims", c.rank - 1)
    return axes.transpose(c.b, c.x, [0, *dims])


def repeat_vector(c: Call) -> int:
    n = c.whole("n")
    return axes.broadcast(c.b, axes.expand(c.b, c.x, 1), (c.shape[0], n, c.shape[1]))


def embedding(c: Call) -> int:
    """Rows of the table; with mask_zero, token 0 is padding."""
    b = c.b
    rows, width = c.whole("input_dim", high=1 << 28), c.whole("output_dim")
    table = c.weight("embeddings", (rows, width), default="random_uniform")
    tokens = axes.cast(b, c.x, "int32")
    if c.flag("mask_zero"):
        c.out_mask = b.op("not_equal", tokens, b.scalar(0, "int32"))
    return b.op("gather", table, tokens, axis=0, batch_dims=0)


def reversible_embedding(c: Call) -> int:
    """The table, or back from features to tokens by its transpose or by a second table."""
    if not c.argument("reverse", 1):
        return embedding(c)
    b, rows, width = c.b, c.whole("input_dim", high=1 << 28), c.whole("output_dim")
    tied = c.flag("tie_weights", True)
    role, shape = ("embeddings", (rows, width)) if tied else ("reverse_embeddings", (width, rows))
    c.weight("embeddings", (rows, width), default="random_uniform")
    y = b.op("matmul", c.x, c.weight(role, shape, default="random_uniform"), transpose_b=tied)
    cap = c.number("logit_soft_cap", default=0.0)
    return b.op("mul", b.op("tanh", b.op("div", y, cap)), cap) if cap else y


def masking(c: Call) -> int:
    """Steps whose features all equal mask_value are masked and set to zero."""
    b = c.b
    differs = b.op("not_equal", c.x, c.number("mask_value", default=0.0))
    keep = axes.reduce(b, "any", differs, [-1], keepdims=True)
    c.out_mask = axes.squeeze(b, keep, [-1])
    return b.op("mul", c.x, axes.cast(b, keep, "float32"))


def _rate(c: Call) -> float:
    rate = c.number("rate")
    if not 0 <= rate < 1:
        raise ValueRangeError("config `rate`", where=c.where, got=rate, want="0 <= rate < 1")
    return rate


def drop(c: Call, x: int, rate: float, noise_shape: tuple[int, ...] | None = None) -> int:
    """In training: a share `rate` is zeroed and the rest scaled up to keep the mean."""
    b = c.b
    if not c.active or rate == 0:
        return x
    kept = c.random("bernoulli", noise_shape or b.shape(x), alpha=1 - rate)
    return b.op("mul", x, b.op("mul", kept, 1 / (1 - rate)))


def dropout(c: Call) -> int:
    shape = c.get("noise_shape")
    noise = None
    if isinstance(shape, (list, tuple)):
        noise = tuple(d if isinstance(d, int) else size for d, size in zip(shape, c.shape, strict=True))
    return drop(c, c.x, _rate(c), noise)


def spatial_dropout(c: Call) -> int:
    """Whole channels at once."""
    n = c.shape[0]
    last = not (c.kind != "SpatialDropout1D" and c.first)
    shape = (n, *[1] * (c.rank - 2), c.shape[-1]) if last else (n, c.shape[1], *[1] * (c.rank - 2))
    return drop(c, c.x, _rate(c), shape)


def gaussian_noise(c: Call) -> int:
    deviation = c.number("stddev", low=0.0)
    if not c.active or deviation == 0:
        return c.x
    return c.b.op("add", c.x, c.b.op("mul", c.random("normal", c.shape), deviation))


def gaussian_dropout(c: Call) -> int:
    """Times a normal around 1 with variance rate / (1 - rate)."""
    rate = _rate(c)
    if not c.active or rate == 0:
        return c.x
    noise = c.b.op("mul", c.random("normal", c.shape), math.sqrt(rate / (1 - rate)))
    return c.b.op("mul", c.x, c.b.op("add", noise, 1.0))


def alpha_dropout(c: Call) -> int:
    """Klambauer et al. 2017: dropped to -alpha', then an affine map keeps mean and variance."""
    b, rate = c.b, _rate(c)
    if not c.active or rate == 0:
        return c.x
    low = -1.6732632423543772 * 1.0507009873554805
    factor = 1 / math.sqrt((1 - rate) * (1 + rate * low * low))
    kept = c.random("bernoulli", c.shape, alpha=1 - rate)
    y = b.op("add", b.op("mul", c.x, kept), b.op("mul", b.op("sub", 1.0, kept), low))
    return b.op("add", b.op("mul", y, factor), -factor * low * rate)


def identity(c: Call) -> int:
    return c.x


ROWS: dict[str, Lower] = {
    "Dense": dense, "EinsumDense": einsum_dense, "Flatten": flatten, "Reshape": reshape, "Permute": permute,
    "RepeatVector": repeat_vector, "Embedding": embedding, "ReversibleEmbedding": reversible_embedding, "Masking": masking, "Dropout": dropout,
    "SpatialDropout1D": spatial_dropout, "SpatialDropout2D": spatial_dropout, "SpatialDropout3D": spatial_dropout,
    "GaussianNoise": gaussian_noise, "GaussianDropout": gaussian_dropout, "AlphaDropout": alpha_dropout,
    "ActivityRegularization": identity, "Identity": identity,
}  # fmt: skip
