"""Random copies, gathers, reductions, rows, resizes, draws and control flow."""

from __future__ import annotations

from typing import Any

import numpy as np

from py_edge.kernels import (
    reference,
    reference_elementwise,
    reference_moves,
    reference_random,
    reference_rows,
)
from py_edge.kernels import reference_windows as windows
from tests.kernels.cases import NONE, Array, Case, Rng, padded
from tests.kernels.cases_products import pick

REDUCE = ("sum", "mean", "prod", "max", "min", "any", "all")


def copy(rng: Rng, panel: int) -> Case:
    """A random slice of a transposed, possibly reversed or broadcast view, put into the middle of a larger buffer."""
    bytes_, dtype = [(1, np.uint8), (4, np.int32), (8, np.int64)][int(rng.integers(0, 3))]
    rank = int(rng.integers(0, 6))
    source = rng.integers(0, 200, [pick(rng, 1, 2, 3, 9, 20) for _ in range(rank)]).astype(dtype)
    view: Any = np.transpose(source, rng.permutation(rank)) if rank else source
    view = view[(..., *(slice(None, None, pick(rng, 1, 1, -1, 2)) for _ in range(rank)))]
    if rank and rng.random() < 0.3:
        view = np.broadcast_to(view[..., :1], (*view.shape[:-1], 5))
    large: Any = np.full([d + int(rng.integers(0, 3)) for d in view.shape], 7, dtype)
    begin = [int(rng.integers(0, total - d + 1)) for total, d in zip(large.shape, view.shape, strict=True)]
    part = large[(..., *(slice(b, b + d) for b, d in zip(begin, view.shape, strict=True)))]
    case = Case(f"copy {source.shape} -> {view.shape}", panel)
    dst = case.put(large, dtype)
    src_offset = (view.__array_interface__["data"][0] - source.__array_interface__["data"][0]) // bytes_
    dst_offset = (part.__array_interface__["data"][0] - large.__array_interface__["data"][0]) // bytes_
    steps = [[step // bytes_ for step in array.strides] for array in (part, view)]
    part[...] = view
    case.expect(dst, large)
    case.step("copy", dst, case.put(source, dtype), bytes_, rank, padded(view.shape), dst_offset if part.size else 0,
              padded(steps[0]), src_offset if view.size else 0, padded(steps[1]))  # fmt: skip
    return case


def fill(rng: Rng, panel: int) -> Case:
    n, bits, wide = int(rng.integers(0, 90)), int(rng.integers(0, 200)), bool(rng.integers(0, 2))
    case = Case(f"fill {n}", panel)
    dst = case.result(np.full(n, bits), np.int32 if wide else np.uint8)
    case.step("fill", dst, n, 4 if wide else 1, bits)
    return case


def reduce(rng: Rng, panel: int) -> Case:
    outer, n, inner = pick(rng, 1, 2, 5), pick(rng, 0, 1, 3, 17, 64, 200, 1000), pick(rng, 1, 1, 3, 8, 21)
    kind, number = str(rng.choice(REDUCE)), 0
    number = REDUCE.index(kind)
    if kind in ("any", "all"):
        x: Array = rng.random((outer, n, inner)) < rng.choice([0.01, 0.5, 0.99])
        types: tuple[int, Any] = (2, np.uint8)
    elif rng.random() < 0.3:
        x, types = rng.integers(-(2**31), 2**31, (outer, n, inner)).astype(np.int32), (1, np.int32)
    else:
        x, types = rng.normal(size=(outer, n, inner)).astype(np.float32), (0, np.float32)
        if rng.random() < 0.2 and x.size:
            x.flat[int(rng.integers(0, x.size))] = np.nan
    case = Case(f"reduce {kind} {x.shape} {x.dtype}", panel)
    wide = x.astype(np.float64) if types[0] == 0 else x
    with np.errstate(all="ignore"):
        want = reference.apply("reduce", [wide], {"kind": kind, "axes": (1,)})[0]
    size = float(np.nansum(np.abs(wide), 1).max(initial=0)) if kind == "sum" and types[0] == 0 else 0
    dst = case.result(want, types[1])
    case.expected[-1].absolute += 3e-7 * size
    case.step("reduce", dst, case.put(x, types[1]), number, types[0], outer, n, inner)
    return case


def arg_reduce(rng: Rng, panel: int) -> Case:
    shape = (pick(rng, 1, 2, 5), pick(rng, 0, 1, 3, 17, 200), pick(rng, 1, 1, 3, 8))
    floating = bool(rng.integers(0, 2))
    x = rng.integers(-9, 9, shape).astype(np.float32 if floating else np.int32)
    if floating:
        x = np.where(rng.random(shape) < 0.1, np.float32(np.nan), x).astype(np.float32)
    kind = ("max", "min")[int(rng.integers(0, 2))]
    case = Case(f"arg_reduce {kind} {shape}", panel)
    dst = case.result(reference_rows.arg_reduce(x, {"kind": kind, "axis": 1}), np.int32)
    case.step("reduce", dst, case.put(x, x.dtype), 7 if kind == "max" else 8, 0 if floating else 1, *shape)
    return case


def cumulate(rng: Rng, panel: int) -> Case:
    shape = (pick(rng, 1, 3), pick(rng, 0, 1, 2, 17), pick(rng, 1, 5))
    floating = bool(rng.integers(0, 2))
    x = (
        rng.normal(size=shape).astype(np.float32)
        if floating
        else rng.integers(-50, 50, shape).astype(np.int32)
    )
    kind, exclusive, reverse = int(rng.integers(0, 2)), int(rng.integers(0, 2)), int(rng.integers(0, 2))
    attrs = {"kind": ("sum", "prod")[kind], "axis": 1, "exclusive": exclusive, "reverse": reverse}
    case = Case(f"cumulate {shape} {attrs}", panel)
    want = reference.apply("cumulate", [x.astype(np.float64) if floating else x], attrs)[0]
    dst = case.result(want, x.dtype)
    case.step("cumulate", dst, case.put(x, x.dtype), kind, int(not floating), *shape, exclusive, reverse)
    return case


def softmax(rng: Rng, panel: int) -> Case:
    rows, n, log = pick(rng, 0, 1, 4), pick(rng, 0, 1, 2, 5, 10, 16, 33, 130), int(rng.integers(0, 2))
    x = (rng.normal(size=(rows, n)) * rng.choice([1, 30])).astype(np.float32)
    if rng.random() < 0.3 and n > 1:
        x[:, 0] = -np.inf
    case = Case(f"softmax {x.shape} log={log}", panel)
    with np.errstate(all="ignore"):
        want = reference_rows.softmax(x.astype(np.float64), bool(log))
    place = case.put(x)
    in_place = bool(rng.integers(0, 2))
    if in_place:
        case.expect(place, want.astype(np.float32))
    case.step("softmax", place if in_place else case.result(want), place, rows, n, log)
    return case


def adam(rng: Rng, panel: int) -> Case:
    """Into new places or, as a plan does it, into those of the old weight and moments."""
    n, in_place = pick(rng, 0, 1, 3, 16, 77, 1000), bool(rng.integers(0, 2))
    weight, gradient, m = (rng.normal(size=n).astype(np.float32) for _ in "wgm")
    v = rng.random(n).astype(np.float32) ** 4
    betas = {"beta_1": float(rng.choice([0.0, 0.9])), "beta_2": 0.999}
    case = Case(f"adam {n} in place={in_place}", panel)
    arrays = (weight, gradient, m, v, np.float32(0.01 * rng.random()), np.float32(1e-7))
    want = reference_elementwise.adam([np.asarray(x, np.float64) for x in arrays], betas)
    places = [case.put(x) for x in arrays]
    targets = [places[0], *places[2:4]] if in_place else [case.space(4 * n) for _ in want]
    for target, value in zip(targets, want, strict=True):
        case.expect(target, value.astype(np.float32))
    rates = [int(np.float32(1 - betas[key]).view(np.int32)) for key in ("beta_1", "beta_2")]
    case.step("adam", *targets, *places, n, *rates)
    return case


def normalize(rng: Rng, panel: int) -> Case:
    rows, n, rms = pick(rng, 1, 4), pick(rng, 1, 2, 7, 16, 33, 384), int(rng.integers(0, 2))
    x = (rng.normal(size=(rows, n)) + rng.choice([0, 5])).astype(np.float32)
    scale, offset = (rng.normal(size=n).astype(np.float32) if rng.random() < 0.7 else None for _ in "ab")
    case = Case(f"normalize {x.shape} rms={rms}", panel)
    extra = [v.astype(np.float64) for v in (scale, offset) if v is not None]
    attrs = {
        "rms": rms,
        "epsilon": np.float32(1e-3),
        "scale": scale is not None,
        "offset": offset is not None,
    }
    dst = case.result(reference_rows.normalize([x.astype(np.float64), *extra], attrs), spread=True)
    places = [NONE if v is None else case.put(v) for v in (scale, offset)]
    case.step("normalize", dst, case.put(x), places, rows, n, 1e-3, rms)
    return case


def top_k(rng: Rng, panel: int) -> Case:
    rows, n, floating = pick(rng, 1, 3), pick(rng, 1, 2, 10, 100), bool(rng.integers(0, 2))
    k = int(rng.integers(0, n + 1))
    x = rng.integers(-20, 20, (rows, n)).astype(np.float32 if floating else np.int32)
    case = Case(f"top_k {x.shape} {k}", panel)
    values, indices = reference_rows.top_k(x, {"k": k})
    places = [case.result(values, x.dtype), case.result(indices, np.int32)]
    case.step("top_k", places, case.put(x, x.dtype), case.space(4 * n), int(not floating), rows, n, k)
    return case


def _indexed(rng: Rng) -> tuple[int, int, int, int, int, int, Array]:
    batch, outer, axis, inner, count = (
        pick(rng, 1, 2),
        pick(rng, 1, 3),
        pick(rng, 1, 5, 20),
        pick(rng, 1, 3, 16, 33),
        pick(rng, 0, 1, 7),
    )
    clip = int(rng.integers(0, 2))
    return (
        batch,
        outer,
        axis,
        inner,
        count,
        clip,
        rng.integers(-clip, axis + clip, (batch, count)).astype(np.int32),
    )


def gather(rng: Rng, panel: int) -> Case:
    batch, outer, axis, inner, count, clip, indices = _indexed(rng)
    bytes_, dtype = [(1, np.uint8), (4, np.float32), (8, np.int64)][int(rng.integers(0, 3))]
    x = rng.integers(0, 100, (batch, outer, axis, inner)).astype(dtype)
    case = Case(f"gather {x.shape} {count}", panel)
    dst = case.result(reference_moves.gather(x, indices, {"axis": 2, "batch_dims": 1, "clip": clip}), dtype)
    case.step(
        "gather",
        dst,
        case.put(x, dtype),
        case.put(indices, np.int32),
        bytes_,
        batch,
        outer,
        axis,
        inner,
        count,
        clip,
    )
    return case


def scatter_add(rng: Rng, panel: int) -> Case:
    batch, outer, axis, inner, count, clip, indices = _indexed(rng)
    floating = bool(rng.integers(0, 2))
    u = rng.integers(-9, 9, (batch, outer, count, inner)).astype(np.float32 if floating else np.int32)
    attrs = {"axis": 2, "batch_dims": 1, "clip": clip, "shape": (batch, outer, axis, inner)}
    case = Case(f"scatter_add {u.shape}", panel)
    dst = case.result(reference_moves.scatter_add(u, indices, attrs), u.dtype)
    case.step("scatter_add", dst, case.put(u, u.dtype), case.put(indices, np.int32), int(not floating), batch, outer, axis,
              inner, count, clip)  # fmt: skip
    return case


def index_outside(rng: Rng, panel: int) -> Case:
    case = Case("gather outside", panel)
    bad = int(rng.choice([-1, 5, 2**31 - 1, -(2**31)]))
    places = case.space(64), case.put(np.zeros((5, 4))), case.put([0, bad], np.int32)
    kernel = str(rng.choice(["gather", "scatter_add"]))
    case.step(kernel, places, 4 if kernel == "gather" else 0, 1, 1, 5, 4, 2, 0)
    case.status = -2 * 65536
    return case


def _resize(rng: Rng) -> tuple[Array, tuple[int, int], int, int, dict[str, Any]]:
    x = rng.normal(size=(pick(rng, 1, 2), pick(rng, 1, 2, 5, 9), pick(rng, 1, 3, 8), pick(rng, 1, 3, 4, 17)))
    size = (pick(rng, 1, 2, 7, 16), pick(rng, 1, 4, 9))
    method, flags = int(rng.integers(0, 2)), pick(rng, 0, 1, 2)
    attrs = {
        "size": size,
        "method": ("nearest", "bilinear")[method],
        "align_corners": flags == 1,
        "half_pixel": flags == 2,
    }
    return x.astype(np.float32), size, method, flags, attrs


def resize(rng: Rng, panel: int) -> Case:
    x, size, method, flags, attrs = _resize(rng)
    case = Case(f"resize {x.shape} {attrs}", panel)
    dst = case.result(windows.resize(x.astype(np.float64), attrs), spread=True)
    case.step("resize", dst, case.put(x), x.shape, size, method, flags)
    return case


def resize_grad(rng: Rng, panel: int) -> Case:
    x, size, method, flags, attrs = _resize(rng)
    dy = rng.normal(size=(x.shape[0], *size, x.shape[3])).astype(np.float32)
    case = Case(f"resize_grad {x.shape} {attrs}", panel)
    dst = case.result(windows.resize_grad(dy.astype(np.float64), {**attrs, "shape": x.shape}), spread=True)
    case.step("resize_grad", dst, case.put(dy), x.shape, size, method, flags)
    return case


def random(rng: Rng, panel: int) -> Case:
    n, kind = pick(rng, 0, 1, 7, 100, 1000), int(rng.integers(0, 3))
    counter, seed = int(rng.integers(-(2**31), 2**31)), int(rng.integers(-(2**31), 2**31))
    attrs = {"shape": (n,), "kind": ("uniform", "normal", "bernoulli")[kind], "seed": seed, "alpha": 0.3}
    case = Case(f"random {attrs}", panel)
    dst = case.result(reference_random.random(np.asarray(counter), attrs))
    case.step("random", dst, case.put([counter], np.int32), seed, n, kind, 0.3)
    return case


def _chain(
    case: Case, inputs: list[Any], outputs: list[Any], code: list[Any], width: int, registers: int
) -> list[int]:
    """The words of one elementwise step on vectors of `width`."""
    body = Case("", case.panel)
    counts = [len(inputs), len(outputs), len(code), registers]
    body.step("elementwise", 1, padded([width]), counts, inputs, outputs, code)
    return body.code


def _with_bodies(
    case: Case, kernel: str, params: list[Any], bodies: list[list[int]], tail: list[Any]
) -> None:
    """A control step whose sub-ranges lie behind its own params, where nothing else runs them.

    The strings "begin i" and "end i" among params become the ranges of the bodies.
    """
    at = len(case.code) + 2 + len(params) + len(tail)
    ranges: dict[str, int] = {}
    for i, body in enumerate(bodies):
        ranges |= {f"begin {i}": at, f"end {i}": at + len(body)}
        at += len(body)
    case.step(kernel, [ranges.get(p, p) if isinstance(p, str) else p for p in params], tail, *bodies)


def scan(rng: Rng, panel: int) -> Case:
    """carry = carry * 0.5 + x[t]; rows are the carries."""
    length, width, reverse = pick(rng, 0, 1, 5), pick(rng, 1, 3, 8), int(rng.integers(0, 2))
    x, carry = rng.normal(size=(length, width)).astype(np.float32), rng.normal(size=width).astype(np.float32)
    case = Case(f"scan {x.shape} reverse={reverse}", panel)
    rows, state = np.zeros((length, width)), carry.astype(np.float64)
    for t in reversed(range(length)) if reverse else range(length):
        state = state * 0.5 + x[t]
        rows[t] = state
    x_place, state_place, stacked = case.put(x), case.put(carry), case.result(rows)
    case.expect(state_place, state.astype(np.float32))
    slot, fresh, row = case.space(4 * width), case.space(4 * width), 4 * width
    inputs = [[slot, 0, padded([1])], [state_place, 0, padded([1])]]
    code = [[125, 2, 0.5, -1, -1], [66, 3, 1, 2, -1], [64, 3, 3, 0, -1]]
    body = _chain(case, inputs, [[fresh, 0, 3]], code, width, 4)
    moves = [slot, x_place, row, row, stacked, fresh, row, row, state_place, fresh, row, 0]
    _with_bodies(case, "scan", [length, reverse, "begin 0", "end 0", 1, 1, 1], [body], moves)
    return case


def cond(rng: Rng, panel: int) -> Case:
    """y = -x or x * x."""
    taken, x = int(rng.integers(0, 2)), rng.normal(size=5).astype(np.float32)
    case = Case(f"cond {taken}", panel)
    dst, source = case.result(-x if taken else x * x), [[case.put(x), 0, padded([1])]]
    bodies = [_chain(case, source, [[dst, 0, 1]], [[op, 1, 0, 0.0, -1]], 5, 2) for op in (1, 10)]
    _with_bodies(
        case, "cond", [case.put([taken], np.uint8), "begin 0", "end 0", "begin 1", "end 1"], bodies, []
    )
    return case


def while_loop(rng: Rng, panel: int) -> Case:
    """x doubles while it is less than a limit; three steps at most in every other case."""
    start, limit = float(np.float32(rng.uniform(0.1, 4))), float(np.float32(rng.uniform(0, 200)))
    most = pick(rng, 3, 1000)
    value, steps = np.float32(start), 0
    while value < limit and steps <= most:
        value, steps = np.float32(value * 2), steps + 1
    case = Case(f"while {start} < {limit}", panel)
    x, flag, fresh = case.put([start]), case.space(1), case.space(4)
    source = [[x, 0, padded([1])]]
    condition = _chain(case, source, [[flag, 2, 2]], [[125, 1, limit, -1, -1], [80, 2, 0, 1, -1]], 1, 3)
    body = _chain(case, source, [[fresh, 0, 1]], [[64, 1, 0, 0, -1]], 1, 2)
    if steps > most:
        case.status = -4 * 65536
    else:
        case.expect(x, np.array([value]))
    params = [flag, "begin 0", "end 0", "begin 1", "end 1", most, 1]
    _with_bodies(case, "while", params, [condition, body], [x, fresh, 4, 0])
    return case
