"""Host steps on sparse and ragged tensors, as TensorFlow's kernels define them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from py_edge.errors import LimitError, ShapeError, UnsupportedError
from py_edge.tensor import Tensor, count
from py_edge.tfjs.limits import DEFAULT
from py_edge.tfjs.static_values import places
from py_edge.tfjs.tf_ops.host_values import elements, like, whole


def sparse_fill_empty_rows(inputs: list[Any]) -> list[Any]:
    """indices, values, dense_shape, default -> indices, values, which rows were empty, where each value went."""
    indices, values, shape, default = inputs
    rows, columns = elements(shape)[0], indices.shape[1] if len(indices.shape) > 1 else 1
    flat, items, fill = elements(indices), elements(values), elements(default)[0]
    _bounded(rows)
    by_row: list[list[tuple[list[int], Any, int]]] = [[] for _ in range(rows)]
    for k, item in enumerate(items):
        place = flat[k * columns : (k + 1) * columns]
        if not 0 <= place[0] < rows:
            raise ShapeError("a sparse index leaves its shape", got=place[0], want=rows)
        by_row[place[0]].append((place, item, k))
    empty = [not row for row in by_row]
    reverse = [0] * len(items)
    out_indices: list[int] = []
    out_values: list[Any] = []
    for r, row in enumerate(by_row):
        for place, item, k in row or [([r] + [0] * (columns - 1), fill, -1)]:
            if k >= 0:
                reverse[k] = len(out_values)
            out_indices += place
            out_values.append(item)
    n = len(out_values)
    flags = Tensor.from_flat(empty, (rows,), "bool")
    return [whole(out_indices, (n, columns)), like(values, out_values, (n,)), flags, whole(reverse)]


def _bounded(n: int) -> None:
    if n < 0 or n > DEFAULT.elements:
        raise LimitError("a size out of bounds", got=n)


def sparse_reshape(inputs: list[Any]) -> list[Any]:
    indices, shape, target = elements(inputs[0]), elements(inputs[1]), elements(inputs[2])
    total = count(shape)
    if -1 in target:
        known = count(d for d in target if d != -1)
        target[target.index(-1)] = total // known if known else 0
    if count(target) != total:
        raise ShapeError("reshape keeps the number of elements", got=target, want=shape)
    old, new, rank = places(shape), places(target), len(shape)
    rows = []
    for k in range(0, len(indices), rank):
        flat = sum(i * s for i, s in zip(indices[k : k + rank], old, strict=True))
        rows += [(flat // s) % d for s, d in zip(new, target, strict=True)]
    return [whole(rows, (len(indices) // rank if rank else 0, len(target))), whole(target)]


def _segments(inputs: list[Any], mean: bool) -> list[Any]:
    data, indices, segments = inputs[0], elements(inputs[1]), elements(inputs[2])
    width = count(data.shape[1:])
    n = max(segments, default=-1) + 1
    _bounded(n * width)
    sums, counts, flat = [0.0] * (n * width), [0] * n, data.flat
    for i, s in zip(indices, segments, strict=True):
        if not 0 <= i < data.shape[0] or s < 0:
            raise ShapeError("a segment index leaves its tensor", got=i, want=data.shape[0])
        counts[s] += 1
        for k in range(width):
            sums[s * width + k] += flat[i * width + k]
    if mean:
        sums = [v / max(counts[k // width], 1) for k, v in enumerate(sums)]
    return [Tensor.from_flat(sums, (n, *data.shape[1:]), data.dtype)]


def sparse_segment_sum(inputs: list[Any]) -> list[Any]:
    return _segments(inputs, False)


def sparse_segment_mean(inputs: list[Any]) -> list[Any]:
    return _segments(inputs, True)


def ragged_range(inputs: list[Any]) -> list[Any]:
    """starts, limits, deltas (numbers or rows) -> row splits, values."""
    rows = [elements(x) for x in inputs]
    n = max(len(r) if x.shape else 1 for r, x in zip(rows, inputs, strict=True))
    n = next((len(r) for r, x in zip(rows, inputs, strict=True) if x.shape), n)
    starts, limits, deltas = ([r[0]] * n if not x.shape else r for r, x in zip(rows, inputs, strict=True))
    splits, values = [0], list[Any]()
    for start, limit, delta in zip(starts, limits, deltas, strict=True):
        if delta == 0:
            raise ShapeError("a range without a step")
        size = max(0, math.ceil((limit - start) / delta))
        _bounded(size + len(values))
        values += [start + k * delta for k in range(size)]
        splits.append(len(values))
    return [whole(splits), like(inputs[0], values, (len(values),))]


def ragged_gather(nested: int, inputs: list[Any]) -> list[Any]:
    """Rows of a ragged tensor by index: nested splits, values, indices -> nested splits, values."""
    splits = [elements(x) for x in inputs[:nested]]
    values, indices = inputs[nested], elements(inputs[nested + 1])
    ranges = []
    for i in indices:
        if not 0 <= i < len(splits[0]) - 1:
            raise ShapeError("a ragged index leaves its tensor", got=i, want=len(splits[0]) - 1)
        ranges.append((splits[0][i], splits[0][i + 1]))
    out: list[Any] = []
    shape = inputs[nested + 1].shape
    for level in range(len(shape) - 1):
        out.append(whole([k * shape[level + 1] for k in range(count(shape[: level + 1]) + 1)]))
    for level in range(nested):
        total, row = 0, [0]
        for low, high in ranges:
            total += high - low
            row.append(total)
        out.append(whole(row))
        if level + 1 < nested:
            ranges = [
                (splits[level + 1][k], splits[level + 1][k + 1])
                for low, high in ranges
                for k in range(low, high)
            ]
    width, flat = count(values.shape[1:]), elements(values)
    rows = [flat[k * width + e] for low, high in ranges for k in range(low, high) for e in range(width)]
    out.append(like(values, rows, (sum(h - lo for lo, h in ranges), *values.shape[1:])))
    return out


def ragged_to_tensor(types: Sequence[str], inputs: list[Any]) -> list[Any]:
    """shape, values, default, row partitions... -> dense tensor filled up with the default.

    A partition is FIRST_DIM_SIZE, ROW_SPLITS or VALUE_ROWIDS. Source: TensorFlow's RaggedTensorToTensorOp.
    """
    shape, values, default = elements(inputs[0]), inputs[1], inputs[2]
    parts = list(zip(types, inputs[3:], strict=True))
    first = None
    if parts and parts[0][0] == "FIRST_DIM_SIZE":
        first = elements(parts[0][1])[0]
        parts = parts[1:]
    levels = [
        _lengths(kind, elements(part), first if i == 0 else None) for i, (kind, part) in enumerate(parts)
    ]
    _fill_lengths(levels, parts)
    rows = len(levels[0]) if levels else values.shape[0]
    inner = list(values.shape[1:])
    natural = [rows, *(max(level, default=0) for level in levels), *inner]
    want = [natural[i] if i >= len(shape) or shape[i] < 0 else shape[i] for i in range(len(natural))]
    _bounded(count(want))
    width, flat = count(inner), elements(values)
    fill = elements(default)
    fill = [fill[0]] * width if len(fill) == 1 else fill
    blank = fill * count(want[: len(levels) + 1])
    steps = places(want[: len(levels) + 1])
    positions = [(k * steps[0], k < want[0]) for k in range(rows)]
    for depth, level in enumerate(levels, start=1):
        positions = [
            (start + j * steps[depth], good and j < want[depth])
            for (start, good), n in zip(positions, level, strict=False) for j in range(n)
        ]  # fmt: skip
    for k, (start, good) in enumerate(positions):
        if good and (k + 1) * width <= len(flat):
            blank[start * width : (start + 1) * width] = flat[k * width : (k + 1) * width]
    return [like(values, blank, want)]


def _lengths(kind: str, part: list[int], rows: int | None) -> list[int]:
    if kind == "ROW_SPLITS":
        return [b - a for a, b in pairwise(part)]
    if kind in ("VALUE_ROWIDS", "ROW_LENGTHS"):
        n = rows if rows is not None else max(part, default=-1) + 1
        _bounded(n)
        found = [0] * n
        for row in part:
            if 0 <= row < n:
                found[row] += 1
        return found
    raise UnsupportedError("row partition", got=kind, want="FIRST_DIM_SIZE, ROW_SPLITS or VALUE_ROWIDS")


def _fill_lengths(levels: list[list[int]], parts: Sequence[Any]) -> None:
    """Empty rows at the end of a deeper level are not named by row ids: as many as the level above counts."""
    for above, level, (kind, _) in zip(levels, levels[1:], parts[1:], strict=False):
        if kind == "VALUE_ROWIDS":
            level += [0] * (sum(above) - len(level))
