"""Reading and writing at places: slices, gather and scatter, where numbers of the file or data tell the place."""

from __future__ import annotations

from collections.abc import Sequence

from py_edge.errors import ShapeError
from py_edge.tensor import count
from py_edge.tfjs.call import Call, Lower
from py_edge.tfjs.idioms import axes
from py_edge.tfjs.tf_ops.complex_parts import parted
from py_edge.tfjs.trace import Value


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


def gather_v2(c: Call) -> Value:
    """An index outside gives zeros, as on TensorFlow's GPU; a kernel cannot stop for it."""
    b, x = c.b, c.id(0)
    axis = c.axis(2, b.rank(x)) if c.n > 2 else 0
    batch = c.typed("batch_dims", int, 0)
    batch = batch + b.rank(c.id(1)) if batch < 0 else batch
    return b.op("gather", x, axes.cast(b, c.id(1), "int32"), axis=axis, batch_dims=batch, clip=True)


def gather_nd(c: Call) -> Value:
    b, x, indices = c.b, c.id(0), c.id(1)
    shape_x, k = b.shape(x), b.shape(indices)[-1]
    flat = axes.reshape(b, x, [count(shape_x[:k]), *shape_x[k:]])
    return b.op("gather", flat, _linear(c, indices, shape_x[:k]), axis=0, batch_dims=0, clip=True)


def _linear(c: Call, indices: int, sizes: Sequence[int]) -> int:
    """Index vectors (..., K) as places in the flattened first K axes."""
    b, total = c.b, 1
    steps = []
    for d in reversed(sizes):
        steps.append(total)
        total *= d
    weights = c.trace.constant(steps[::-1])
    return axes.reduce(b, "sum", b.op("mul", indices, weights), [-1])


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


_PLAIN: dict[str, Lower] = {
    "Slice": slice_, "StridedSlice": strided_slice, "GatherV2": gather_v2, "Gather": gather_v2, "GatherNd": gather_nd,
    "ScatterNd": scatter_nd, "TensorScatterUpdate": tensor_scatter_update, "TensorScatterAdd": tensor_scatter_add,
    "SparseToDense": sparse_to_dense,
}  # fmt: skip
ROWS: dict[str, Lower] = {name: parted(lower) for name, lower in _PLAIN.items()}
