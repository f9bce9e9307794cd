"""Moving, cutting and repeating axes with the core ops. Every function takes the builder and value ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from py_edge.errors import ShapeError
from py_edge.graph import Builder
from py_edge.graph.shapes import axis_of
from py_edge.tensor import Tensor, count


def transpose(b: Builder, x: int, perm: Sequence[int]) -> int:
    perm = tuple(axis_of(axis, b.rank(x)) for axis in perm)
    return x if perm == tuple(range(b.rank(x))) else b.op("transpose", x, perm=perm)


def reshape(b: Builder, x: int, shape: Sequence[int]) -> int:
    return x if tuple(shape) == b.shape(x) else b.op("reshape", x, shape=tuple(shape))


def move_axis(b: Builder, x: int, source: int, target: int) -> int:
    """numpy.moveaxis for one axis."""
    rank = b.rank(x)
    source, target = axis_of(source, rank), axis_of(target, rank)
    order = [axis for axis in range(rank) if axis != source]
    order.insert(target, source)
    return transpose(b, x, order)


def on_last(b: Builder, x: int, axis: int, function: Callable[[int], int]) -> int:
    """Apply a function that works along the last axis to another axis."""
    return move_axis(b, function(move_axis(b, x, axis, -1)), -1, axis)


def channels_last(b: Builder, x: int) -> int:
    """(N, C, ...) -> (N, ..., C)."""
    return move_axis(b, x, 1, -1)


def channels_first(b: Builder, x: int) -> int:
    """(N, ..., C) -> (N, C, ...)."""
    return move_axis(b, x, -1, 1)


def expand(b: Builder, x: int, *axes: int) -> int:
    """New axes of size 1, at places of the result."""
    shape = list(b.shape(x))
    rank = len(shape) + len(axes)
    for axis in sorted(axis_of(axis, rank) for axis in axes):
        shape.insert(axis, 1)
    return reshape(b, x, shape)


def squeeze(b: Builder, x: int, axes: Sequence[int] = ()) -> int:
    """Without axes of size 1: those given, or all."""
    shape = b.shape(x)
    gone = {axis_of(axis, len(shape)) for axis in axes} or {i for i, d in enumerate(shape) if d == 1}
    if any(shape[axis] != 1 for axis in gone):
        raise ShapeError("only an axis of size 1 can be squeezed", got=shape, want=sorted(gone))
    return reshape(b, x, [d for i, d in enumerate(shape) if i not in gone])


def cut(b: Builder, x: int, axis: int, begin: int, size: int, stride: int = 1) -> int:
    """`size` elements along one axis, from `begin`."""
    shape = b.shape(x)
    axis = axis_of(axis, len(shape))
    if begin == 0 and size == shape[axis] and stride == 1:
        return x
    begins = [begin if i == axis and size else 0 for i in range(len(shape))]
    sizes = [size if i == axis else d for i, d in enumerate(shape)]
    strides = [stride if i == axis else 1 for i in range(len(shape))]
    return b.op("slice", x, begin=tuple(begins), size=tuple(sizes), strides=tuple(strides))


def pick(b: Builder, x: int, axis: int, index: int) -> int:
    """One index of one axis; the axis goes."""
    return squeeze(b, cut(b, x, axis, index, 1), [axis])


def flip(b: Builder, x: int, axes: Sequence[int]) -> int:
    for axis in axes:
        size = b.shape(x)[axis]
        if size > 1:
            x = cut(b, x, axis, size - 1, size, -1)
    return x


def roll(b: Builder, x: int, axis: int, shift: int) -> int:
    """Elements move on by `shift` places; those that leave the end come in at the front."""
    n = b.shape(x)[axis]
    at = -shift % n if n else 0
    return concat(b, [cut(b, x, axis, at, n - at), cut(b, x, axis, 0, at)], axis) if at else x


def split(b: Builder, x: int, axis: int, sizes: Sequence[int]) -> list[int]:
    total = b.shape(x)[axis_of(axis, b.rank(x))]
    if sum(sizes) != total:
        raise ShapeError("the parts do not add up to the axis", got=sum(sizes), want=total)
    begins = [sum(sizes[:i]) for i in range(len(sizes))]
    return [cut(b, x, axis, begin, size) for begin, size in zip(begins, sizes, strict=True)]


def concat(b: Builder, parts: Sequence[int], axis: int) -> int:
    return parts[0] if len(parts) == 1 else b.op("concat", *parts, axis=axis_of(axis, b.rank(parts[0])))


def stack(b: Builder, parts: Sequence[int], axis: int = 0) -> int:
    """Along a new axis; a value that stands there many times is given its axis once."""
    own = {part: expand(b, part, axis) for part in dict.fromkeys(parts)}
    return concat(b, [own[part] for part in parts], axis)


def broadcast(b: Builder, x: int, shape: Sequence[int]) -> int:
    return x if tuple(shape) == b.shape(x) else b.op("broadcast_to", x, shape=tuple(shape))


def tile(b: Builder, x: int, multiples: Sequence[int]) -> int:
    """numpy.tile: each axis becomes (multiple, size), then flat again."""
    shape = b.shape(x)
    pairs = [(m, d) for m, d in zip(multiples, shape, strict=True)]
    spread = reshape(b, x, [n for _, d in pairs for n in (1, d)])
    spread = (
        broadcast(b, spread, [n for m, d in pairs for n in (m, d)])
        if len(pairs) <= 4
        else _tile_axes(b, x, multiples)
    )
    return reshape(b, spread, [m * d for m, d in pairs])


def _tile_axes(b: Builder, x: int, multiples: Sequence[int]) -> int:
    for axis, times in enumerate(multiples):
        if times != 1:
            x = concat(b, [x] * times, axis) if times else cut(b, x, axis, 0, 0)
    return x


def repeat(b: Builder, x: int, axis: int, times: int) -> int:
    """numpy.repeat: every element `times` times in place."""
    shape = b.shape(x)
    axis = axis_of(axis, len(shape))
    spread = broadcast(b, expand(b, x, axis + 1), [*shape[: axis + 1], times, *shape[axis + 1 :]])
    return reshape(b, spread, [*shape[:axis], shape[axis] * times, *shape[axis + 1 :]])


def pad(b: Builder, x: int, paddings: Sequence[tuple[int, int]], value: float = 0.0) -> int:
    if not any(map(sum, paddings)):
        return x
    fill = value if b.dtype(x) == "float32" else int(value)
    return b.op("pad", x, paddings=tuple((int(a), int(z)) for a, z in paddings), value=fill)


def pad_axis(b: Builder, x: int, axis: int, before: int, after: int, value: float = 0.0) -> int:
    axis = axis_of(axis, b.rank(x))
    return pad(b, x, [(before, after) if i == axis else (0, 0) for i in range(b.rank(x))], value)


def mirror_pad(b: Builder, x: int, paddings: Sequence[tuple[int, int]], symmetric: bool) -> int:
    """Reflect around the border; symmetric repeats the border itself."""
    skip = 0 if symmetric else 1
    for axis, (before, after) in enumerate(paddings):
        size = b.shape(x)[axis]
        if max(before, after) > size - skip:
            raise ShapeError(
                "mirrored padding is longer than the axis", got=(before, after), want=f"<= {size - skip}"
            )
        parts = [cut(b, x, axis, before - 1 + skip, before, -1)] if before else []
        parts.append(x)
        parts += [cut(b, x, axis, size - 1 - skip, after, -1)] if after else []
        x = concat(b, parts, axis)
    return x


def interleave_zeros(b: Builder, x: int, axis: int, step: int) -> int:
    """step - 1 zeros after every element along one axis."""
    if step == 1:
        return x
    shape = b.shape(x)
    axis = axis_of(axis, len(shape))
    spread = pad_axis(b, expand(b, x, axis + 1), axis + 1, 0, step - 1)
    return reshape(b, spread, [*shape[:axis], shape[axis] * step, *shape[axis + 1 :]])


def iota(b: Builder, n: int, dtype: str = "int32") -> int:
    """0, 1, ..., n - 1."""
    return b.constant(Tensor.from_flat(range(n), (n,), dtype))


def full(b: Builder, shape: Sequence[int], value: float, dtype: str = "float32") -> int:
    """A constant filled with one value, stored as one number."""
    return broadcast(b, b.scalar(value, dtype), shape)


def cast(b: Builder, x: int, dtype: str) -> int:
    return x if b.dtype(x) == dtype else b.op("cast", x, dtype=dtype)


def one_hot(b: Builder, indices: int, depth: int, axis: int = -1) -> int:
    """bool, new axis of `depth`; an index outside gives only False."""
    axis = axis_of(axis, b.rank(indices) + 1)
    places = reshape(b, iota(b, depth), [depth if i == axis else 1 for i in range(b.rank(indices) + 1)])
    return b.op("equal", expand(b, indices, axis), places)


def reduce(b: Builder, kind: str, x: int, axes: Sequence[int] | None = None, keepdims: bool = False) -> int:
    """axes None: all of them."""
    rank = b.rank(x)
    axes = range(rank) if axes is None else sorted({axis_of(axis, rank) for axis in axes})
    return b.op("reduce", x, kind=kind, axes=tuple(axes), keepdims=keepdims) if axes else x


def space_to_batch(b: Builder, x: int, block: Sequence[int], pads: Sequence[tuple[int, int]]) -> int:
    """TensorFlow's SpaceToBatchND: x (N, S..., R...) -> (N * prod(block), S'..., R...)."""
    m = len(block)
    x = pad(b, x, [(0, 0), *pads, *[(0, 0)] * (b.rank(x) - 1 - m)])
    n, *rest = b.shape(x)
    if any(rest[i] % block[i] for i in range(m)):
        raise ShapeError("the padded size is no multiple of the block", got=rest[:m], want=tuple(block))
    parts = [v for i in range(m) for v in (rest[i] // block[i], block[i])]
    y = reshape(b, x, [n, *parts, *rest[m:]])
    inner = list(range(2 * m + 1, b.rank(y)))
    y = transpose(b, y, [*[2 + 2 * i for i in range(m)], 0, *[1 + 2 * i for i in range(m)], *inner])
    return reshape(b, y, [n * count(block), *[rest[i] // block[i] for i in range(m)], *rest[m:]])


def batch_to_space(b: Builder, x: int, block: Sequence[int], crops: Sequence[tuple[int, int]]) -> int:
    """TensorFlow's BatchToSpaceND, the inverse of space_to_batch."""
    m, shape = len(block), b.shape(x)
    n, rest = shape[0] // count(block), shape[1:]
    if n * count(block) != shape[0]:
        raise ShapeError("the batch is no multiple of the block", got=shape[0], want=tuple(block))
    y = reshape(b, x, [*block, n, *rest])
    order = [m, *[v for i in range(m) for v in (m + 1 + i, i)], *range(2 * m + 1, b.rank(y))]
    y = reshape(b, transpose(b, y, order), [n, *[rest[i] * block[i] for i in range(m)], *rest[m:]])
    for i, (before, after) in enumerate(crops):
        y = cut(b, y, 1 + i, before, rest[i] * block[i] - before - after)
    return y


def depth_to_space(b: Builder, x: int, block: int) -> int:
    """x (N, H, W, C) -> (N, H b, W b, C / b^2)."""
    n, h, w, c = b.shape(x)
    if c % (block * block):
        raise ShapeError("channels are no multiple of the block squared", got=c, want=block * block)
    y = reshape(b, x, [n, h, w, block, block, c // (block * block)])
    return reshape(b, transpose(b, y, [0, 1, 3, 2, 4, 5]), [n, h * block, w * block, c // (block * block)])
