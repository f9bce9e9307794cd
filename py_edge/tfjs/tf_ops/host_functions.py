"""Host steps: plain Python on concrete tensors and strings, as TensorFlow's kernels define them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from py_edge.errors import GraphError, LimitError, ShapeError, UnsupportedError
from py_edge.tensor import Tensor, count
from py_edge.tfjs.limits import DEFAULT
from py_edge.tfjs.static_values import places, walk
from py_edge.tfjs.weights import Strings

Concrete = Tensor | Strings


def elements(x: Concrete) -> list[Any]:
    return list(x.values) if isinstance(x, Strings) else x.flat.tolist()


def like(x: Concrete, values: Sequence[Any], shape: Sequence[int]) -> Concrete:
    """Values of the same kind under a shape."""
    if isinstance(x, Strings):
        return Strings(tuple(values), tuple(shape))
    return Tensor.from_flat(values, tuple(shape), x.dtype)


def whole(values: Sequence[int], shape: Sequence[int] | None = None) -> Tensor:
    return Tensor.from_flat(values, tuple(shape) if shape is not None else (len(values),), "int32")


Corners = tuple[float, float, float, float, float]


def non_max_suppression(
    limit: int, iou: float, threshold: float, sigma: float, padded: bool, inputs: list[Any]
) -> list[Any]:
    """Boxes (N, 4) as (y1, x1, y2, x2), scores (N) -> chosen indices, their scores, how many.

    Best first; a box that overlaps a chosen one by more than `iou` goes, or with sigma > 0 loses score.
    Source: TensorFlow's DoNonMaxSuppressionOp; Bodla et al. 2017 for the soft variant.
    """
    boxes, scores = inputs[0].flat.tolist(), inputs[1].flat.tolist()
    waiting = sorted((i for i, s in enumerate(scores) if s > threshold), key=lambda i: (-scores[i], i))
    chosen: list[int] = []
    kept: list[float] = []
    if sigma <= 0:
        taken: list[Corners] = []
        for i in waiting:
            if len(chosen) >= limit:
                break
            box = _corners(boxes, i)
            if all(_overlap(box, other) <= iou for other in reversed(taken)):
                chosen.append(i)
                kept.append(scores[i])
                taken.append(box)
    else:
        corners = {i: _corners(boxes, i) for i in waiting}
        chosen, kept = _soft(limit, iou, threshold, sigma, waiting, scores, corners)
    found = len(chosen)
    if padded:
        chosen, kept = chosen + [0] * (limit - found), kept + [0.0] * (limit - found)
    return [whole(chosen), Tensor.from_flat(kept, (len(kept),)), whole([found], ())]


def _soft(
    limit: int,
    iou: float,
    threshold: float,
    sigma: float,
    waiting: list[int],
    scores: list[float],
    corners: Mapping[int, Corners],
) -> tuple[list[int], list[float]]:
    queue = [[scores[i], i, 0] for i in waiting]
    chosen: list[int] = []
    kept: list[float] = []
    while queue and len(chosen) < limit:
        best = max(range(len(queue)), key=lambda k: (queue[k][0], -queue[k][1]))
        score, i, begin = queue.pop(best)
        now, gone = score, False
        for j in range(len(chosen) - 1, int(begin) - 1, -1):
            overlap = _overlap(corners[int(i)], corners[chosen[j]])
            if overlap > iou and sigma <= 0:
                gone = True
                break
            now *= math.exp(-0.5 / sigma * overlap * overlap) if overlap <= iou else 0.0
            if now <= threshold:
                break
        if gone or now <= threshold:
            continue
        if now == score:
            chosen.append(int(i))
            kept.append(now)
        else:
            queue.append([now, i, len(chosen)])
    return chosen, kept


def _corners(boxes: Sequence[float], i: int) -> Corners:
    """Lowest y and x, highest y and x, area."""
    y1, x1, y2, x2 = boxes[4 * i : 4 * i + 4]
    low_y, high_y, low_x, high_x = min(y1, y2), max(y1, y2), min(x1, x2), max(x1, x2)
    return low_y, low_x, high_y, high_x, (high_y - low_y) * (high_x - low_x)


def _overlap(a: Corners, z: Corners) -> float:
    if a[2] <= z[0] or z[2] <= a[0] or a[3] <= z[1] or z[3] <= a[1] or a[4] <= 0 or z[4] <= 0:
        return 0.0
    both = (min(a[2], z[2]) - max(a[0], z[0])) * (min(a[3], z[3]) - max(a[1], z[1]))
    return both / (a[4] + z[4] - both)


def where(inputs: list[Any]) -> list[Any]:
    """Coordinates (found, rank) of what is true."""
    x = inputs[0]
    steps, shape = places(x.shape), x.shape
    found = [i for i, flag in enumerate(elements(x)) if flag]
    rows = [(i // s) % d for i in found for s, d in zip(steps, shape, strict=True)]
    return [whole(rows, (len(found), len(shape)))]


def unique(axis: int, inputs: list[Any]) -> list[Any]:
    """(different slices in order of appearance, which of them each slice is)."""
    x = inputs[0]
    shape = x.shape or (1,)
    axis %= len(shape)
    steps, values = places(shape), elements(x)
    others = [i for i in range(len(shape)) if i != axis]
    inner = walk([shape[i] for i in others], [steps[i] for i in others])
    seen: dict[tuple[Any, ...], int] = {}
    index = [
        seen.setdefault(tuple(values[o + k * steps[axis]] for o in inner), len(seen))
        for k in range(shape[axis])
    ]
    rest = [shape[i] for i in others]
    before, after = count(shape[:axis]), count(shape[axis + 1 :])
    slices = list(seen)
    flat = [s[r * after + e] for r in range(before) for s in slices for e in range(after)]
    target = [*rest[:axis], len(slices), *rest[axis:]]
    return [like(x, flat, target), whole(index)]


def list_diff(inputs: list[Any]) -> list[Any]:
    """What of x is not in y, and where it stood."""
    x, gone = inputs[0], set(elements(inputs[1]))
    left = [(i, v) for i, v in enumerate(elements(x)) if v not in gone]
    return [like(x, [v for _, v in left], (len(left),)), whole([i for i, _ in left])]


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


def string_split(skip_empty: bool, inputs: list[Any]) -> list[Any]:
    """(indices (n, 2), pieces, shape); an empty delimiter gives single bytes, several split at any of their bytes."""
    texts, delimiter = elements(inputs[0]), elements(inputs[1])[0]
    rows: list[list[bytes]] = []
    for text in texts:
        if not delimiter or not text:
            pieces = [text[i : i + 1] for i in range(len(text))]
        else:
            pieces = re.split(b"[" + re.escape(delimiter) + b"]", text)
        rows.append([p for p in pieces if p] if skip_empty else pieces)
    indices = [v for r, row in enumerate(rows) for k in range(len(row)) for v in (r, k)]
    flat = [piece for row in rows for piece in row]
    shape = [len(rows), max(map(len, rows), default=0)]
    return [whole(indices, (len(flat), 2)), Strings(tuple(flat), (len(flat),)), whole(shape)]


def string_ngrams(
    separator: bytes,
    widths: Sequence[int],
    left: bytes,
    right: bytes,
    pad: int,
    short: bool,
    inputs: list[Any],
) -> list[Any]:
    """Runs of neighbouring strings of each row, joined. Source: TensorFlow's StringNGramsOp."""
    data, splits = elements(inputs[0]), elements(inputs[1])
    if not splits and not data:
        return [Strings((), (0,)), whole([])]
    if not splits or splits[0] != 0 or splits[-1] != len(data) or any(a > b for a, b in pairwise(splits)):
        raise ShapeError("row splits do not fit the data", got=splits[:8], want=len(data))
    grams, ends = list[bytes](), [0]
    for begin, end in pairwise(splits):
        row = data[begin:end]
        made = [g for width in widths for g in _grams(row, width, left, right, pad, separator)]
        if short and not made and row:
            around = max(min(pad if pad >= 0 else min(widths) - 1, min(widths) - 1), 0)
            made = [separator.join([left] * around + row + [right] * around)]
        grams += made
        ends.append(len(grams))
    return [Strings(tuple(grams), (len(grams),)), whole(ends)]


def _grams(
    row: list[bytes], width: int, left: bytes, right: bytes, pad: int, separator: bytes
) -> list[bytes]:
    around = max(min(pad if pad >= 0 else width - 1, width - 1), 0)
    padded = [left] * around + row + [right] * around
    return (
        [separator.join(padded[i : i + width]) for i in range(len(padded) - width + 1)]
        if row or around
        else []
    )


def compile_pattern(pattern: str, where: str) -> re.Pattern[bytes]:
    """RE2 as Python's re: the same for what models use. Patterns that may run forever are refused."""
    if len(pattern) > 1000 or re.search(r"[+*}]\)[+*{]", pattern):
        raise UnsupportedError("a pattern with nested repeats", where=where, got=pattern)
    translated = pattern.replace("[[:punct:]]", r"[!-/:-@\[-`{-~]").replace("[[:space:]]", r"\s")
    translated = (
        translated.replace("[:punct:]", r"!-/:-@\[-`{-~").replace("[:space:]", r"\s").replace(r"\z", r"\Z")
    )
    try:
        return re.compile(translated.encode("utf-8", "surrogateescape"))
    except re.error as error:
        raise GraphError("not a pattern", where=where, got=pattern) from error


def regex_replace(pattern: re.Pattern[bytes], rewrite: str, everywhere: bool, inputs: list[Any]) -> list[Any]:
    r"""rewrite: text with \0 for the match and \1 ... for groups."""

    def put(match: re.Match[bytes]) -> bytes:
        parts = re.split(r"\\(\d|\\)", rewrite)
        out = b""
        for k, part in enumerate(parts):
            if k % 2 == 0:
                out += part.encode("utf-8", "surrogateescape")
            else:
                out += b"\\" if part == "\\" else match.group(int(part)) or b""
        return out

    x = inputs[0]
    return [Strings(tuple(pattern.sub(put, text, 0 if everywhere else 1) for text in x.values), x.shape)]


def _texts(x: Any) -> Sequence[bytes]:
    """Strings, or whole numbers in decimal."""
    return x.values if isinstance(x, Strings) else [str(int(v)).encode() for v in x.flat]


def as_string(inputs: list[Any]) -> list[Any]:
    return [Strings(tuple(_texts(inputs[0])), inputs[0].shape)]


def hash_bucket(buckets: int, hash_: Callable[[bytes], int], inputs: list[Any]) -> list[Any]:
    if buckets < 1:
        raise ShapeError("at least one bucket", got=buckets)
    x = inputs[0]
    return [whole([hash_(text) % buckets for text in _texts(x)], x.shape)]


def table_find(entries: Mapping[Any, Any], default: Any, dtype: str, inputs: list[Any]) -> list[Any]:
    x = inputs[0]
    found = [entries.get(key, default) for key in elements(x)]
    if dtype == "string":
        return [Strings(tuple(found), x.shape)]
    return [Tensor.from_flat(found, x.shape, dtype)]
