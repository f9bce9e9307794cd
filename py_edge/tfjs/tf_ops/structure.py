"""Slicing, joining, reshaping and the graph's own plumbing. Complex numbers go through part by part."""

from __future__ import annotations

from collections.abc import Sequence

from py_edge.errors import GraphError, ShapeError, UnsupportedError
from py_edge.graph.shapes import axis_of, broadcast
from py_edge.tensor import count
from py_edge.tfjs.call import Call, Lower
from py_edge.tfjs.idioms import axes
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


def identity(c: Call) -> Value:
    if not c.values:
        raise GraphError("an input is missing", where=c.node.where)
    return c.values[0]


def identity_n(c: Call) -> list[Value]:
    return c.values


def const(c: Call) -> Value:
    return c.trace.weight(c.node.name, c.node.where)


def no_op(c: Call) -> list[Value]:
    return []


def _shape_of(c: Call, value: Value) -> tuple[int, ...]:
    if isinstance(value, Cplx):
        return c.b.shape(value.real)
    if not isinstance(value, int):
        raise UnsupportedError("the shape of something that is no tensor", where=c.node.where)
    return c.b.shape(value)


def shape(c: Call) -> Value:
    return c.trace.constant(_shape_of(c, c.values[0]))


def shape_n(c: Call) -> list[Value]:
    return [c.trace.constant(_shape_of(c, value)) for value in c.values]


def rank(c: Call) -> Value:
    return c.trace.constant([len(_shape_of(c, c.values[0]))], ())


def size(c: Call) -> Value:
    return c.trace.constant([count(_shape_of(c, c.values[0]))], ())


def concat_v2(c: Call) -> Value:
    return _concat(c, c.ids(0, -1), -1)


def concat_v1(c: Call) -> Value:
    return _concat(c, c.ids(1), 0)


def _concat(c: Call, parts: Sequence[int], axis_place: int) -> Value:
    axis = c.axis(axis_place, c.b.rank(parts[0]))
    kept = [p for p in parts if c.b.shape(p)[axis]] or list(parts[:1])
    return axes.concat(c.b, kept, axis)


def gather_v2(c: Call) -> Value:
    """An index outside gives zeros, as on TensorFlow's GPU; a kernel cannot stop for it."""
    b, x = c.b, c.id(0)
    axis = c.axis(2, b.rank(x)) if c.n > 2 else 0
    batch = c.typed("batch_dims", int, 0)
    batch = batch + b.rank(c.id(1)) if batch < 0 else batch
    return b.op("gather", x, axes.cast(b, c.id(1), "int32"), axis=axis, batch_dims=batch, clip=True)


def _linear(c: Call, indices: int, sizes: Sequence[int]) -> int:
    """Index vectors (..., K) as places in the flattened first K axes."""
    b, total = c.b, 1
    steps = []
    for d in reversed(sizes):
        steps.append(total)
        total *= d
    weights = c.trace.constant(steps[::-1])
    return axes.reduce(b, "sum", b.op("mul", indices, weights), [-1])


def gather_nd(c: Call) -> Value:
    b, x, indices = c.b, c.id(0), c.id(1)
    shape_x, k = b.shape(x), b.shape(indices)[-1]
    flat = axes.reshape(b, x, [count(shape_x[:k]), *shape_x[k:]])
    return b.op("gather", flat, _linear(c, indices, shape_x[:k]), axis=0, batch_dims=0, clip=True)


def _scattered(c: Call, indices: int, updates: int, target: Sequence[int]) -> int:
    """Zeros of `target` with rows of updates added at index vectors."""
    b, k = c.b, c.b.shape(indices)[-1]
    rows, inner = count(target[:k]), list(target[k:])
    places = axes.reshape(b, _linear(c, indices, target[:k]), [-1])
    flat = axes.reshape(b, updates, [b.shape(places)[0], *inner])
    y = b.op("scatter_add", flat, places, shape=(rows, *inner), axis=0, batch_dims=0, clip=True)
    return axes.reshape(b, y, target)


def scatter_nd(c: Call) -> Value:
    return _scattered(c, c.id(0), c.id(1), c.ints(2))


def _written(c: Call, indices: int, target: Sequence[int]) -> int:
    """bool of `target`: where index vectors point."""
    b, k = c.b, c.b.shape(indices)[-1]
    ones = axes.full(c.b, [*b.shape(indices)[:-1], *target[k:]], 1.0)
    return b.op("greater", _scattered(c, indices, ones, target), 0.0)


def tensor_scatter_update(c: Call) -> Value:
    x, indices, updates = c.ids(0, 3)
    target = c.b.shape(x)
    return c.b.op("select", _written(c, indices, target), _scattered(c, indices, updates, target), x)


def tensor_scatter_add(c: Call) -> Value:
    return c.b.op("add", c.id(0), _scattered(c, c.id(1), c.id(2), c.shape()))


def sparse_to_dense(c: Call) -> Value:
    b, target = c.b, c.ints(1)
    indices, values, default = c.id(0), c.id(2), c.id(3)
    if b.rank(indices) < 2:
        indices = axes.reshape(b, indices, [b.spec(indices).size, 1])
    values = axes.broadcast(b, values, [b.shape(indices)[0]])
    found = _written(c, indices, target)
    return b.op("select", found, _scattered(c, indices, values, target), axes.broadcast(b, default, target))


def reverse_v2(c: Call) -> Value:
    rank_x = c.b.rank(c.x)
    return axes.flip(c.b, c.x, [axis_of(a, rank_x) for a in c.ints(1)])


def reverse_v1(c: Call) -> Value:
    return axes.flip(c.b, c.x, [i for i, flag in enumerate(c.ints(1)) if flag])


def slice_(c: Call) -> Value:
    """begin may depend on data when size does not: a gather then."""
    b, x = c.b, c.x
    shape_x, sizes = b.shape(x), c.ints(2)
    begins = c.trace.static(c.id(1))
    if begins is None and all(s >= 0 for s in sizes):
        for axis, n in enumerate(sizes):
            if n != shape_x[axis]:
                x = _window(c, x, axis, axes.pick(b, c.id(1), 0, axis), n)
        return x
    begins = c.ints(1) if begins is None else begins
    for axis, (begin, n) in enumerate(zip(begins, sizes, strict=True)):
        n = shape_x[axis] - begin if n == -1 else n
        if begin < 0 or n < 0 or begin + n > shape_x[axis]:
            raise ShapeError(
                "the slice leaves the tensor", where=c.node.where, got=(begin, n), want=shape_x[axis]
            )
        x = axes.cut(b, x, axis, begin, n)
    return x


def roll(c: Call) -> Value:
    x = c.x
    for shift, axis in zip(c.ints(1), c.ints(2), strict=True):
        x = axes.roll(c.b, x, axis_of(axis, c.b.rank(x)), shift)
    return x


def _window(c: Call, x: int, axis: int, begin: int, n: int) -> int:
    """n elements from a place that data tells."""
    at = c.b.op("add", axes.iota(c.b, n), begin)
    return c.b.op("gather", x, at, axis=axis, batch_dims=0, clip=True)


def strided_slice(c: Call) -> Value:
    """begin, end, strides with TensorFlow's five masks."""
    b, x = c.b, c.x
    begin, end = c.trace.static(c.id(1)), c.trace.static(c.id(2))
    masks = {k: c.typed(f"{k}_mask", int, 0) for k in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}
    n = c.b.shape(c.id(1))[0]
    if (begin is None or end is None) and masks["shrink_axis"] == (1 << n) - 1 and not masks["ellipsis"]:
        return _taken(c, x, n)
    begin = c.ints(1) if begin is None else begin
    end = c.ints(2) if end is None else end
    strides = c.ints(3) if c.n > 3 else [1] * n
    axis = 0
    ellipsis = masks["ellipsis"]
    for i in range(n):
        bit = 1 << i
        if bit & ellipsis:
            after = bin(masks["new_axis"] >> (i + 1)).count("1")
            axis = b.rank(x) - (n - i - 1 - after)
        elif bit & masks["new_axis"]:
            x, axis = axes.expand(b, x, axis), axis + 1
        elif axis >= b.rank(x):
            raise ShapeError("more indices than axes", where=c.node.where, got=n, want=b.rank(x))
        elif bit & masks["shrink_axis"]:
            d = b.shape(x)[axis]
            at = begin[i] + d if begin[i] < 0 else begin[i]
            if not 0 <= at < d:
                raise ShapeError("the index leaves the axis", where=c.node.where, got=begin[i], want=d)
            x = axes.pick(b, x, axis, at)
        else:
            if strides[i] == 0:
                raise ShapeError("a stride of 0", where=c.node.where)
            low = None if bit & masks["begin"] else begin[i]
            high = None if bit & masks["end"] else end[i]
            start, stop, step = slice(low, high, strides[i]).indices(b.shape(x)[axis])
            x = axes.cut(b, x, axis, start, len(range(start, stop, step)), step)
            axis += 1
    return x


def _taken(c: Call, x: int, n: int) -> int:
    """x[i, j, ...] at places that data tells."""
    b = c.b
    for i in range(n):
        at = axes.pick(b, c.id(1), 0, i)
        d = b.scalar(b.shape(x)[0], "int32")
        at = b.op("select", b.op("less", at, b.scalar(0, "int32")), b.op("add", at, d), at)
        x = b.op("gather", x, at, axis=0, batch_dims=0, clip=True)
    return x


def pack(c: Call) -> Value:
    axis = c.typed("axis", int, 0)
    return axes.stack(c.b, c.ids(), axis_of(axis, c.b.rank(c.x) + 1))


def unpack(c: Call) -> list[Value]:
    axis = axis_of(c.typed("axis", int, 0), c.b.rank(c.x))
    return [axes.pick(c.b, c.x, axis, i) for i in range(c.shape()[axis])]


def tile(c: Call) -> Value:
    times = c.ints(1)
    if len(times) != c.b.rank(c.x) or min(times, default=0) < 0:
        raise ShapeError("one multiple per axis", where=c.node.where, got=times, want=c.shape())
    return axes.tile(c.b, c.x, times)


def split(c: Call) -> list[Value]:
    x, n = c.id(1), c.typed("num_split", int, 1)
    axis = c.axis(0, c.b.rank(x))
    size_ = c.b.shape(x)[axis]
    if n < 1 or size_ % n:
        raise ShapeError("the axis does not split evenly", where=c.node.where, got=size_, want=n)
    return list(axes.split(c.b, x, axis, [size_ // n] * n))


def split_v(c: Call) -> list[Value]:
    axis, sizes = c.axis(2, c.b.rank(c.x)), c.ints(1)
    if -1 in sizes:
        sizes[sizes.index(-1)] = c.shape()[axis] - sum(sizes) - 1
    return list(axes.split(c.b, c.x, axis, sizes))


def cast(c: Call) -> Value:
    target = c.word("DstT", "float32")
    value = c.values[0]
    if isinstance(value, Cplx):
        return value if target == "complex64" else axes.cast(c.b, value.real, target)
    if target == "complex64":
        real = axes.cast(c.b, c.x, "float32")
        return Cplx(real, c.b.op("mul", real, 0.0))
    if target not in ("float32", "int32", "bool"):
        raise UnsupportedError("cast to this dtype", where=c.node.where, got=target)
    return axes.cast(c.b, c.x, target)


def expand_dims(c: Call) -> Value:
    return axes.expand(c.b, c.x, c.whole(1))


def squeeze(c: Call) -> Value:
    return axes.squeeze(c.b, c.x, [int(i) for i in c.row("squeeze_dims") or c.row("axis")])


def reshape(c: Call) -> Value:
    target = c.ints(1)
    if any(d < -1 for d in target):
        raise ShapeError("sizes are -1 or more", where=c.node.where, got=target)
    return c.b.op("reshape", c.x, shape=tuple(target))


def ensure_shape(c: Call) -> Value:
    want = c.attr("shape")
    have = c.shape()
    if want is not None and (
        len(want) != len(have) or any(d not in (None, h) for d, h in zip(want, have, strict=True))
    ):
        raise ShapeError("the tensor has another shape", where=c.node.where, got=have, want=want)
    return c.x


def _pairs(c: Call) -> list[tuple[int, int]]:
    flat = c.ints(1)
    if len(flat) != 2 * c.b.rank(c.x) or min(flat, default=0) < 0:
        raise ShapeError("a pair of paddings per axis", where=c.node.where, got=flat, want=c.shape())
    return [(flat[i], flat[i + 1]) for i in range(0, len(flat), 2)]


def pad(c: Call) -> Value:
    """Pad with zeros, PadV2 with its third input."""
    value = c.trace.static(c.id(2)) if c.n > 2 else [0]
    if value is not None:
        return axes.pad(c.b, c.x, _pairs(c), float(value[0]))
    shape_y = [d + a + z for d, (a, z) in zip(c.shape(), _pairs(c), strict=True)]
    inside = axes.pad(c.b, axes.full(c.b, c.shape(), 1.0), _pairs(c))
    keep = c.b.op("greater", inside, 0.0)
    return c.b.op("select", keep, axes.pad(c.b, c.x, _pairs(c)), axes.broadcast(c.b, c.id(2), shape_y))


def mirror_pad(c: Call) -> Value:
    return axes.mirror_pad(c.b, c.x, _pairs(c), c.word("mode").upper() == "SYMMETRIC")


def _blocks(c: Call) -> tuple[list[int], list[tuple[int, int]]]:
    block, flat = c.ints(1), c.ints(2)
    return block, [(flat[i], flat[i + 1]) for i in range(0, len(flat), 2)]


def space_to_batch(c: Call) -> Value:
    return axes.space_to_batch(c.b, c.x, *_blocks(c))


def batch_to_space(c: Call) -> Value:
    return axes.batch_to_space(c.b, c.x, *_blocks(c))


def depth_to_space(c: Call) -> Value:
    x = axes.channels_last(c.b, c.x) if c.first else c.x
    y = axes.depth_to_space(c.b, x, c.typed("block_size", int, 2))
    return axes.channels_first(c.b, y) if c.first else y


def space_to_depth(c: Call) -> Value:
    """x (N, H b, W b, C) -> (N, H, W, b^2 C)."""
    b, block = c.b, c.typed("block_size", int, 2)
    x = axes.channels_last(b, c.x) if c.first else c.x
    n, h, w, channels = b.shape(x)
    y = axes.reshape(b, x, [n, h // block, block, w // block, block, channels])
    y = axes.reshape(
        b, axes.transpose(b, y, [0, 1, 3, 2, 4, 5]), [n, h // block, w // block, block * block * channels]
    )
    return axes.channels_first(b, y) if c.first else y


def broadcast_to(c: Call) -> Value:
    return axes.broadcast(c.b, c.x, c.ints(1))


def broadcast_args(c: Call) -> Value:
    return c.trace.constant(broadcast(tuple(c.ints(0)), tuple(c.ints(1))))


def transpose(c: Call) -> Value:
    return axes.transpose(c.b, c.x, c.ints(1))


_PLAIN: dict[str, Lower] = {
    "ConcatV2": concat_v2, "Concat": concat_v1, "GatherV2": gather_v2, "Gather": gather_v2, "GatherNd": gather_nd,
    "ReverseV2": reverse_v2, "Reverse": reverse_v1, "Slice": slice_, "StridedSlice": strided_slice, "Pack": pack, "Roll": roll,
    "Unpack": unpack, "Tile": tile, "Split": split, "SplitV": split_v, "ExpandDims": expand_dims, "Squeeze": squeeze,
    "Reshape": reshape, "EnsureShape": ensure_shape, "Pad": pad, "PadV2": pad, "MirrorPad": mirror_pad,
    "SpaceToBatchND": space_to_batch, "BatchToSpaceND": batch_to_space, "BroadcastTo": broadcast_to,
    "Transpose": transpose, "ScatterNd": scatter_nd, "TensorScatterUpdate": tensor_scatter_update,
    "TensorScatterAdd": tensor_scatter_add, "SparseToDense": sparse_to_dense,
}  # fmt: skip
ROWS: dict[str, Lower] = {
    **{name: parted(lower) for name, lower in _PLAIN.items()},
    "Identity": identity, "Snapshot": identity, "StopGradient": identity, "Print": identity, "PreventGradient": identity,
    "CheckNumerics": identity, "PlaceholderWithDefault": identity, "IdentityN": identity_n, "Const": const, "NoOp": no_op,
    "Assert": no_op, "Shape": shape, "ShapeN": shape_n, "Rank": rank, "Size": size, "Cast": cast,
    "BroadcastArgs": broadcast_args, "DepthToSpace": depth_to_space, "SpaceToDepth": space_to_depth,
}  # fmt: skip
