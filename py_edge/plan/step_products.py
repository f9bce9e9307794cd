"""Steps of products and convolutions, forward and back, with the epilogue that was fused into them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from py_edge.errors import ShapeError
from py_edge.plan import abi, chain
from py_edge.plan.site import Site, Step
from py_edge.tensor import count

Shape = tuple[int, ...]


def matmul(site: Site) -> list[Step]:
    a, b, out = (*site.ins[:2], site.outs[0])
    m, n = out.shape[-2:]
    ta, tb = site.attr("transpose_a", False), site.attr("transpose_b", False)
    k = a.shape[-2] if ta else a.shape[-1]
    a_row, a_col = (1, a.shape[-1]) if ta else (k, 1)
    b_row, b_col = (1, b.shape[-1]) if tb else (n, 1)
    batch = out.shape[:-2]
    a_walk = chain.strides(a.shape[:-2], batch)
    b_walk = chain.strides(b.shape[:-2], batch)
    a_walk, b_walk = [s * m * k for s in a_walk], [s * k * n for s in b_walk]
    if not any(b_walk) and not ta and a.shape[:-2] == batch:
        m, batch, a_walk, b_walk = m * count(batch), (), [], []
    sizes, (a_walk, b_walk) = chain.collapse(batch, [a_walk, b_walk])
    if len(sizes) > 3:
        raise ShapeError(
            "matmul over more than 3 batch axes that cannot be merged", where=site.node.where, got=a.shape
        )

    def pad3(row: Sequence[int], fill: int) -> list[int]:
        return [*[fill] * (3 - len(row)), *row]

    bias_residual, act = site.epilogue()
    packed = site.memory.packed(site.node.inputs[1], count(b.shape[:-2]), k * n, k, n, b_row, b_col)
    if packed is not None:
        matrix = -(-n // site.panel) * site.panel * k
        b_walk = [s // (k * n) * matrix if k * n else 0 for s in b_walk]
    scratch = site.scratch(abi.scratch_packed(k) if packed is not None else abi.scratch_unpacked(k, n))
    where_b = packed if packed is not None else site.at(1)
    words = [site.out, site.at(0), where_b, *bias_residual, *scratch, m, n, k, a_row, a_col, b_row, b_col]
    words += [int(packed is not None), *pad3(sizes, 1), *pad3(a_walk, 0), *pad3(b_walk, 0), *act]
    return [("matmul", words)]


def conv2d(site: Site) -> list[Step]:
    x, w, out = site.ins[0].shape, site.ins[1].shape, site.outs[0].shape
    groups = site.attr("groups", 1)
    k, n = w[0] * w[1] * w[2], w[3] // groups
    bias_residual, act = site.epilogue()
    if site.attr("winograd"):
        tiles = out[0] * -(-out[1] // 2) * -(-out[2] // 2)
        scratch = site.scratch(abi.scratch_winograd(tiles, w[2], w[3]))
        filters = site.memory.packed_winograd(site.node.inputs[1], w[2], w[3])
        assert filters is not None, "the pass marks fixed filters only"
        window = site.window((3, 3))
        words = [site.out, site.at(0), filters, *bias_residual, *scratch, *x, *out[1:], *window, 1, *act]
        return [("conv2d_winograd", words)]
    packed = site.memory.packed(site.node.inputs[1], groups, n, k, n, w[3], 1)
    steps: list[Step] = []
    if packed is None:
        packed = site.memory.temporary(groups * -(-n // site.panel) * site.panel * k * 4)
        steps.append(("pack_b", [packed, site.at(1), groups, n, k, n, w[3], 1]))
    window = site.window((w[0], w[1]))
    scratch = site.scratch(abi.scratch_packed(k))
    if window == [1, 1, 1, 1, 1, 1, 0, 0] and groups == 1 and x[1:3] == out[1:3]:
        words = [site.out, site.at(0), packed, *bias_residual, *scratch, count(x[:3]), n, k, k, 1, n, 1, 1]
        steps.append(("matmul", [*words, 1, 1, 1, 0, 0, 0, 0, 0, 0, *act]))
    else:
        words = [site.out, site.at(0), packed, *bias_residual, *scratch, *x, *out[1:], *window, groups, *act]
        steps.append(("conv2d", words))
    return steps


def depthwise_conv2d(site: Site) -> list[Step]:
    x, w, out = site.ins[0].shape, site.ins[1].shape, site.outs[0].shape
    bias_residual, act = site.epilogue()
    words = [
        site.out,
        site.at(0),
        site.at(1),
        *bias_residual,
        *x,
        w[3],
        *out[1:3],
        *site.window((w[0], w[1])),
        *act,
    ]
    return [("depthwise_conv2d", words)]


def conv2d_input_grad(site: Site) -> list[Step]:
    """inputs dy, w; attrs shape = that of x."""
    dy, w, x = site.ins[0].shape, site.ins[1].shape, site.outs[0].shape
    return _conv2d_grad(site, "conv2d_input_grad", abi.scratch_input_grad, x, dy, w)


def conv2d_filter_grad(site: Site) -> list[Step]:
    """inputs x, dy; attrs shape = that of w."""
    x, dy, w = site.ins[0].shape, site.ins[1].shape, site.outs[0].shape
    return _conv2d_grad(site, "conv2d_filter_grad", abi.scratch_filter_grad, x, dy, w)


def _conv2d_grad(
    site: Site, kernel: str, scratch: Callable[[int, int], int], x: Shape, dy: Shape, w: Shape
) -> list[Step]:
    groups = site.attr("groups", 1)
    room = site.scratch(scratch(w[0] * w[1] * w[2], w[3] // groups))
    window = site.window((w[0], w[1]))
    return [(kernel, [site.out, site.at(0), site.at(1), *room, *x, *dy[1:], *window, groups])]


def depthwise_conv2d_input_grad(site: Site) -> list[Step]:
    dy, w, x = site.ins[0].shape, site.ins[1].shape, site.outs[0].shape
    return _depthwise_grad(site, "depthwise_input_grad", x, dy, w)


def depthwise_conv2d_filter_grad(site: Site) -> list[Step]:
    x, dy, w = site.ins[0].shape, site.ins[1].shape, site.outs[0].shape
    return _depthwise_grad(site, "depthwise_filter_grad", x, dy, w)


def _depthwise_grad(site: Site, kernel: str, x: Shape, dy: Shape, w: Shape) -> list[Step]:
    window = site.window((w[0], w[1]))
    return [(kernel, [site.out, site.at(0), site.at(1), *x, w[3], *dy[1:3], *window])]


PRODUCTS: dict[str, Callable[[Site], list[Step]]] = {
    "matmul": matmul, "conv2d": conv2d, "depthwise_conv2d": depthwise_conv2d, "conv2d_input_grad": conv2d_input_grad,
    "conv2d_filter_grad": conv2d_filter_grad, "depthwise_conv2d_input_grad": depthwise_conv2d_input_grad,
    "depthwise_conv2d_filter_grad": depthwise_conv2d_filter_grad,
}  # fmt: skip
