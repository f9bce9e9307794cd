"""Host steps that choose among elements, as TensorFlow's kernels do: non-max suppression, where, unique, differences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from py_edge.tensor import Tensor, count
from py_edge.tfjs.static_values import places, walk
from py_edge.tfjs.tf_ops.host_values import elements, like, whole

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
