"""Joining, cutting and turning whole tensors: concat, split, tile, pad, transpose, blocks of space and batch."""

from __future__ import annotations

from collections.abc import Sequence

from py_edge.errors import ShapeError
from py_edge.graph.shapes import axis_of
from py_edge.tfjs.call import Call, Lower
from py_edge.tfjs.idioms import axes
from py_edge.tfjs.tf_ops.complex_parts import parted
from py_edge.tfjs.trace import Value


def concat_v2(c: Call) -> Value:
    return _concat(c, c.ids(0, -1), -1)


def concat_v1(c: Call) -> Value:
    return _concat(c, c.ids(1), 0)


def _concat(c: Call, parts: Sequence[int], axis_place: int) -> Value:
    axis = c.axis(axis_place, c.b.rank(parts[0]))
    kept = [p for p in parts if c.b.shape(p)[axis]] or list(parts[:1])
    return axes.concat(c.b, kept, axis)


def pack(c: Call) -> Value:
    axis = c.typed("axis", int, 0)
    return axes.stack(c.b, c.ids(), axis_of(axis, c.b.rank(c.x) + 1))


def unpack(c: Call) -> list[Value]:
    axis = axis_of(c.typed("axis", int, 0), c.b.rank(c.x))
    return [axes.pick(c.b, c.x, axis, i) for i in range(c.shape()[axis])]


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


def tile(c: Call) -> Value:
    times = c.ints(1)
    if len(times) != c.b.rank(c.x) or min(times, default=0) < 0:
        raise ShapeError("one multiple per axis", where=c.node.where, got=times, want=c.shape())
    return axes.tile(c.b, c.x, times)


def reverse_v2(c: Call) -> Value:
    rank_x = c.b.rank(c.x)
    return axes.flip(c.b, c.x, [axis_of(a, rank_x) for a in c.ints(1)])


def reverse_v1(c: Call) -> Value:
    return axes.flip(c.b, c.x, [i for i, flag in enumerate(c.ints(1)) if flag])


def roll(c: Call) -> Value:
    x = c.x
    for shift, axis in zip(c.ints(1), c.ints(2), strict=True):
        x = axes.roll(c.b, x, axis_of(axis, c.b.rank(x)), shift)
    return x


def transpose(c: Call) -> Value:
    return axes.transpose(c.b, c.x, c.ints(1))


def broadcast_to(c: Call) -> Value:
    return axes.broadcast(c.b, c.x, c.ints(1))


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


_PLAIN: dict[str, Lower] = {
    "ConcatV2": concat_v2, "Concat": concat_v1, "Pack": pack, "Unpack": unpack, "Split": split, "SplitV": split_v,
    "Tile": tile, "ReverseV2": reverse_v2, "Reverse": reverse_v1, "Roll": roll, "Transpose": transpose,
    "BroadcastTo": broadcast_to, "Pad": pad, "PadV2": pad, "MirrorPad": mirror_pad, "SpaceToBatchND": space_to_batch,
    "BatchToSpaceND": batch_to_space,
}  # fmt: skip
ROWS: dict[str, Lower] = {
    **{name: parted(lower) for name, lower in _PLAIN.items()},
    "DepthToSpace": depth_to_space, "SpaceToDepth": space_to_depth,
}  # fmt: skip
