"""Random products, convolutions, pooling and their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from py_edge.kernels import reference_elementwise
from py_edge.kernels import reference_windows as windows
from tests.kernels.cases import NONE, Array, Case, Rng
from tests.kernels.cases_elementwise import UNARY

# Its transforms cancel: rounding counts against the sums of a tile, not against what an activation leaves of them.
WINOGRAD = 1e-4
ACTIVATIONS = ("copy", "copy", "relu", "relu6", "leaky_relu", "hard_swish", "sigmoid", "tanh", "gelu")


def round32(n: int) -> int:
    return -(-n // 32) * 32


def pick(rng: Rng, *choices: int) -> int:
    return int(rng.choice(choices))


def pack(
    case: Case, w: Array, groups: int = 1, stride_k: int = 0, stride_n: int = 0, source: int | None = None
) -> int:
    """Append a pack_b step for w (K, N) or, with groups, (K, groups n); the operand of the packed panels."""
    K, N = w.shape[0], w.shape[1] // groups
    source = case.put(w) if source is None else source
    dst = case.space(4 * groups * K * (-(-N // case.panel) * case.panel))
    case.step("pack_b", dst, source, groups, N, K, N, stride_k or w.shape[1], stride_n or 1)
    return dst


def tail(rng: Rng, y: Array, case: Case, columns: int) -> tuple[Array, list[int], list[Any]]:
    """A random epilogue: the finished y, [bias, residual], [act, alpha, residual_before_act]."""
    act, alpha, before = (
        str(rng.choice(ACTIVATIONS)),
        float(np.float32(rng.uniform(0, 0.5))),
        int(rng.integers(0, 2)),
    )
    bias, residual = NONE, NONE
    if rng.random() < 0.6:
        values = rng.normal(size=columns).astype(np.float32)
        bias = case.put(values)
        y = y + values
    added: Array = np.zeros(1)
    y = np.asarray(y)
    if rng.random() < 0.4:
        added = rng.normal(size=y.shape).astype(np.float32)
        residual = case.put(added)
    y = y + added if before else y
    y = y if act == "copy" else np.asarray(reference_elementwise.elementwise(act, [y], {"alpha": alpha}))
    y = y if before else y + added
    return y, [bias, residual], [UNARY.index(act), alpha, before]


def matmul(rng: Rng, panel: int) -> Case:
    M, N, K = (
        pick(rng, 0, 1, 1, 2, 3, 5, 6, 7, 8, 13, 49, 65, 130),
        pick(rng, 1, 2, 7, 8, 10, 16, 31, 32, 33, 64, 130),
        pick(rng, 0, 1, 3, 4, 17, 64, 100),
    )
    batch = [pick(rng, 1, 1, 2, 3) for _ in range(3)] if rng.random() < 0.5 else [1, 1, 1]
    shared_b, packed = rng.random() < 0.4, rng.random() < 0.5
    ta, tb = rng.random() < 0.4, rng.random() < 0.4
    case = Case(f"matmul {batch} {M}x{N}x{K} ta={ta} tb={tb} packed={packed}", panel)
    a = rng.normal(size=(*batch, M, K)).astype(np.float32)
    b = rng.normal(size=(*([1, 1, 1] if shared_b else batch), K, N)).astype(np.float32)
    y, (bias, residual), act = tail(rng, a.astype(np.float64) @ b.astype(np.float64), case, N)
    a_place = case.put(np.swapaxes(a, -1, -2) if ta else a)
    a_strides = [1, M] if ta else [K, 1]
    b_strides = [1, K] if tb else [N, 1]
    matrix = K * N
    if packed:
        matrix = K * (-(-N // panel) * panel)
        source = case.put(np.swapaxes(b, -1, -2) if tb else b)
        count = b.shape[0] * b.shape[1] * b.shape[2]
        b_place = case.space(4 * matrix * count)
        case.step("pack_b", b_place, source, count, K * N, K, N, b_strides)
    else:
        b_place = case.put(np.swapaxes(b, -1, -2) if tb else b)
    steps = [batch[1] * batch[2], batch[2], 1]
    dst = case.result(y, spread=True)
    scratch = 4 * (64 * K + K * round32(N))
    case.step(
        "matmul", dst, a_place, b_place, bias, residual, case.space(scratch), scratch, M, N, K, a_strides, b_strides,
        int(packed), batch, [M * K * s for s in steps], [0 if shared_b else matrix * s for s in steps], act,
    )  # fmt: skip
    return case


def _window(rng: Rng, largest: int = 5) -> dict[str, Any]:
    """Random image sizes, kernel, strides, dilations and padding that fit together."""
    kernel = [pick(rng, *range(1, largest + 1), 3, 3) for _ in "hw"]
    dilations = [pick(rng, 1, 1, 2) for _ in "hw"]
    strides = [pick(rng, 1, 1, 2, 3) for _ in "hw"]
    sizes = [max((kernel[i] - 1) * dilations[i] + 1, pick(rng, 3, 5, 8, 14, 31)) for i in (0, 1)]
    padding = tuple(tuple(int(rng.integers(0, kernel[i])) for _ in "ab") for i in (0, 1))
    out = [
        (sizes[i] + sum(padding[i]) - (kernel[i] - 1) * dilations[i] - 1) // strides[i] + 1 for i in (0, 1)
    ]
    return {
        "kernel": kernel, "sizes": sizes, "out": out,
        "attrs": {"strides": strides, "dilations": dilations, "padding": padding},
    }  # fmt: skip


def _geometry(w: dict[str, Any]) -> list[Any]:
    a = w["attrs"]
    return [w["kernel"], a["strides"], a["dilations"], a["padding"][0][0], a["padding"][1][0]]


def _conv_parts(rng: Rng) -> tuple[dict[str, Any], int, Array, Array]:
    w = _window(rng)
    groups = pick(rng, 1, 1, 1, 2, 3)
    c, o, n = pick(rng, 1, 2, 3, 4, 8, 17), pick(rng, 1, 3, 8, 12, 33), pick(rng, 1, 1, 2)
    x = rng.normal(size=(n, *w["sizes"], c * groups)).astype(np.float32)
    filters = rng.normal(size=(*w["kernel"], c, o * groups)).astype(np.float32)
    w["attrs"]["groups"] = groups
    return w, groups, x, filters


def conv2d(rng: Rng, panel: int) -> Case:
    w, groups, x, filters = _conv_parts(rng)
    case = Case(f"conv2d {x.shape} {filters.shape} {w['attrs']}", panel)
    y = windows.conv2d(x.astype(np.float64), filters.astype(np.float64), w["attrs"])
    y, extra, act = tail(rng, y, case, y.shape[3])
    K, columns = int(np.prod(filters.shape[:3])), filters.shape[3]
    packed = pack(case, filters.reshape(K, columns), groups)
    dst = case.result(y, spread=True)
    scratch = 4 * 64 * K
    case.step(
        "conv2d", dst, case.put(x), packed, extra, case.space(scratch), scratch,
        x.shape, w["out"], columns, _geometry(w), groups, act,
    )  # fmt: skip
    return case


def conv2d_winograd(rng: Rng, panel: int) -> Case:
    c, o, n = pick(rng, 16, 32, 48), pick(rng, 16, 32, 80), pick(rng, 1, 1, 2)
    sizes = [pick(rng, 1, 2, 3, 4, 7, 12, 19) for _ in "hw"]
    padding = tuple((int(rng.integers(0, 3)), int(rng.integers(0, 3))) for _ in "hw")
    out = [sizes[i] + sum(padding[i]) - 2 for i in (0, 1)]
    if min(out) < 1:
        sizes, out = [3, 3], [1 + sum(pads) for pads in padding]
    attrs = {"strides": (1, 1), "dilations": (1, 1), "padding": padding, "groups": 1}
    x = rng.normal(size=(n, *sizes, c)).astype(np.float32)
    filters = rng.normal(size=(3, 3, c, o)).astype(np.float32)
    case = Case(f"conv2d_winograd {x.shape} {filters.shape} {padding}", panel)
    y, extra, act = tail(
        rng, windows.conv2d(x.astype(np.float64), filters.astype(np.float64), attrs), case, o
    )
    packed, dst = pack_winograd(case, filters), case.result(y, spread=True, relative=WINOGRAD)
    scratch = 4 * 16 * min(n * -(-out[0] // 2) * -(-out[1] // 2), 60) * (c + o)
    case.step(
        "conv2d_winograd", dst, case.put(x), packed, extra, case.space(scratch), scratch,
        x.shape, out, o, [3, 3], [1, 1], [1, 1], padding[0][0], padding[1][0], 1, act,
    )  # fmt: skip
    return case


def pack_winograd(case: Case, filters: Array) -> int:
    """Append a pack_winograd step for filters (3, 3, C, O); the operand of the 16 packed matrices."""
    c, o = filters.shape[2:]
    dst = case.space(4 * 16 * c * (-(-o // case.panel) * case.panel))
    case.step("pack_winograd", dst, case.put(filters), 9, c * o, c, o, o, 1)
    return dst


def _conv_grad(rng: Rng, panel: int, of_input: bool) -> Case:
    w, groups, x, filters = _conv_parts(rng)
    case = Case(f"conv2d grad input={of_input} {x.shape} {filters.shape} {w['attrs']}", panel)
    K, columns = int(np.prod(filters.shape[:3])), filters.shape[3]
    N = columns // groups
    dy = rng.normal(size=(x.shape[0], *w["out"], columns)).astype(np.float32)
    if of_input:
        attrs = {**w["attrs"], "shape": x.shape}
        want, inputs = windows.conv2d_input_grad(dy, filters, attrs), [case.put(dy), case.put(filters)]
        scratch = 4 * (64 * (N + round32(K)) + N * round32(K))
    else:
        attrs = {**w["attrs"], "shape": filters.shape}
        want, inputs = windows.conv2d_filter_grad(x, dy, attrs), [case.put(x), case.put(dy)]
        scratch = 4 * 256 * (K + round32(N))
    dst = case.result(want, spread=True)
    kernel = "conv2d_input_grad" if of_input else "conv2d_filter_grad"
    case.step(
        kernel, dst, inputs, case.space(scratch), scratch, x.shape, w["out"], columns, _geometry(w), groups,
    )  # fmt: skip
    return case


def conv2d_input_grad(rng: Rng, panel: int) -> Case:
    return _conv_grad(rng, panel, True)


def conv2d_filter_grad(rng: Rng, panel: int) -> Case:
    return _conv_grad(rng, panel, False)


def _depthwise_parts(rng: Rng) -> tuple[dict[str, Any], Array, Array]:
    w = _window(rng)
    c, mul, n = pick(rng, 1, 3, 4, 8, 16, 17, 33), pick(rng, 1, 1, 1, 2, 3), pick(rng, 1, 2)
    x = rng.normal(size=(n, *w["sizes"], c)).astype(np.float32)
    return w, x, rng.normal(size=(*w["kernel"], c, mul)).astype(np.float32)


def depthwise_conv2d(rng: Rng, panel: int) -> Case:
    return _depthwise(rng, panel, *_depthwise_parts(rng))


def depthwise_rows(rng: Rng, panel: int) -> Case:
    """What networks use: square windows, one filter per channel; rows around the lengths at which the kernel cuts them."""
    k, s, c = pick(rng, 3, 3, 5), pick(rng, 1, 2), pick(rng, 4, 8, 19, 33, 256)
    sizes = [pick(rng, 5, 6), pick(rng, 5, 7, 8, 14, 27, 28, 29, 30, 56, 57)]
    padding = tuple(tuple(pick(rng, *range(k), 1, 1, 1) for _ in "ab") for _ in "hw")
    out = [(sizes[i] + sum(padding[i]) - k) // s + 1 for i in (0, 1)]
    attrs = {"strides": [s, s], "dilations": [1, 1], "padding": padding}
    w = {"kernel": [k, k], "sizes": sizes, "out": out, "attrs": attrs}
    x = rng.normal(size=(1, *sizes, c)).astype(np.float32)
    return _depthwise(rng, panel, w, x, rng.normal(size=(k, k, c, 1)).astype(np.float32))


def _depthwise(rng: Rng, panel: int, w: dict[str, Any], x: Array, filters: Array) -> Case:
    case = Case(f"depthwise {x.shape} {filters.shape} {w['attrs']}", panel)
    y = windows.depthwise_conv2d(x.astype(np.float64), filters.astype(np.float64), w["attrs"])
    y, extra, act = tail(rng, y, case, y.shape[3])
    dst = case.result(y, spread=True)
    case.step(
        "depthwise_conv2d", dst, case.put(x), case.put(filters), extra, x.shape, filters.shape[3], w["out"],
        _geometry(w), act,
    )  # fmt: skip
    return case


def _depthwise_grad(rng: Rng, panel: int, of_input: bool) -> Case:
    w, x, filters = _depthwise_parts(rng)
    case = Case(f"depthwise grad input={of_input} {x.shape} {filters.shape} {w['attrs']}", panel)
    mul = filters.shape[3]
    dy = rng.normal(size=(x.shape[0], *w["out"], x.shape[3] * mul)).astype(np.float32)
    if of_input:
        want = windows.depthwise_conv2d_input_grad(dy, filters, {**w["attrs"], "shape": x.shape})
        inputs = [case.put(dy), case.put(filters)]
    else:
        want = windows.depthwise_conv2d_filter_grad(x, dy, {**w["attrs"], "shape": filters.shape})
        inputs = [case.put(x), case.put(dy)]
    dst = case.result(want, spread=True)
    kernel = "depthwise_input_grad" if of_input else "depthwise_filter_grad"
    case.step(kernel, dst, inputs, x.shape, mul, w["out"], _geometry(w))
    return case


def depthwise_input_grad(rng: Rng, panel: int) -> Case:
    return _depthwise_grad(rng, panel, True)


def depthwise_filter_grad(rng: Rng, panel: int) -> Case:
    return _depthwise_grad(rng, panel, False)


def _pool_parts(rng: Rng) -> tuple[dict[str, Any], Array, int]:
    w = _window(rng, 4)
    shape = (pick(rng, 1, 2), *w["sizes"], pick(rng, 1, 3, 4, 17, 32))
    # Whole numbers, so that equal maxima occur.
    x = (
        rng.integers(-9, 9, shape).astype(np.float32)
        if rng.random() < 0.5
        else rng.normal(size=shape).astype(np.float32)
    )
    return w, x, int(rng.integers(0, 2))


def pool2d(rng: Rng, panel: int) -> Case:
    w, x, kind = _pool_parts(rng)
    attrs = {**w["attrs"], "kind": ("max", "avg")[kind], "window": w["kernel"]}
    case = Case(f"pool2d {x.shape} {attrs}", panel)
    with np.errstate(all="ignore"):
        dst = case.result(windows.pool2d(x.astype(np.float64), attrs))
    case.step("pool2d", dst, case.put(x), kind, x.shape, w["out"], _geometry(w))
    return case


def pool2d_grad(rng: Rng, panel: int) -> Case:
    w, x, kind = _pool_parts(rng)
    attrs = {**w["attrs"], "kind": ("max", "avg")[kind], "window": w["kernel"]}
    case = Case(f"pool2d_grad {x.shape} {attrs}", panel)
    dy = rng.normal(size=(x.shape[0], *w["out"], x.shape[3])).astype(np.float32)
    dst = case.result(windows.pool2d_grad(x.astype(np.float64), dy.astype(np.float64), attrs), spread=True)
    place = case.put(x) if kind == 0 else NONE
    case.step("pool2d_grad", dst, place, case.put(dy), kind, x.shape, w["out"], _geometry(w))
    return case
