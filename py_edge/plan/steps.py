"""How a node becomes steps: one function per kernel, each packing the struct of its name in kernels/pe.h.

A step is (kernel name, params). Functions get a Site: the node, its specs, and where its operands live. Constants that a
kernel wants packed are asked for with `site.packed`; scratch with `site.scratch`, in floats.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from py_edge.errors import ShapeError
from py_edge.graph.graph import Node, Spec
from py_edge.graph.shapes import axis_of
from py_edge.plan import abi, chain
from py_edge.tensor import ITEM_BYTES, Tensor, count

Step = tuple[str, list[int]]


class Memory(Protocol):
    """What the compiler offers while a node is being turned into steps."""

    def operand(self, value: int) -> int:
        """The operand word of a value."""

    def constant(self, value: int) -> Tensor | None:
        """The tensor of a value that never changes, else None."""

    def packed(self, value: int, groups: int, group: int, k: int, n: int, row: int, col: int) -> int | None:
        """The operand of a constant's panels, packed at init (params as in pe_pack_b); None for a value that changes."""

    def packed_winograd(self, value: int, c: int, o: int) -> int | None:
        """The same of 3 x 3 filters for conv2d_winograd."""

    def temporary(self, size_bytes: int) -> int:
        """The operand of bytes that are free during this node."""


@dataclass(frozen=True, slots=True)
class Site:
    """One node, its specs, its memory. panel: columns of a packed panel."""

    node: Node
    ins: tuple[Spec, ...]
    outs: tuple[Spec, ...]
    memory: Memory
    panel: int

    def at(self, index: int) -> int:
        return self.memory.operand(self.node.inputs[index])

    @property
    def out(self) -> int:
        return self.memory.operand(self.node.outputs[0])

    def attr(self, name: str, default: Any = None) -> Any:
        return self.node.attrs.get(name, default)

    def scratch(self, floats: int) -> list[int]:
        return [self.memory.temporary(floats * 4), floats * 4]

    def epilogue(self) -> tuple[list[int], list[int]]:
        """([bias, residual], [act, alpha, residual_before_act]) of a fused product."""
        extra = iter(range(2, len(self.node.inputs)))
        bias = self.at(next(extra)) if self.attr("bias") else abi.NONE
        residual = self.at(next(extra)) if self.attr("residual") else abi.NONE
        name, alpha = self.attr("activation") or "copy", self.attr("alpha")
        alpha = abi.DEFAULT_ALPHA.get(name, 0.0) if alpha is None else alpha
        return [bias, residual], [
            abi.UNARY[name],
            abi.bits(alpha),
            int(self.attr("residual_before_act", False)),
        ]


def elementwise(site: Site) -> list[Step]:
    constants = [site.memory.constant(value) for value in site.node.inputs]
    words = chain.encode(site.node, site.ins, site.outs, constants, site.memory.operand)
    return [("elementwise", words)]


def _copy(
    dst: int,
    src: int,
    dtype: str,
    shape: Sequence[int],
    to: Sequence[int],
    start: int,
    by: Sequence[int],
    begin: int,
) -> Step:
    """One pe_copy over `shape`; `to`, `by`: strides of destination and source; start, begin: their offsets."""
    sizes, (dst_walk, src_walk) = chain.collapse(shape, [to, by])
    if len(sizes) > 8:
        raise ShapeError("a copy over more than 8 axes", got=tuple(shape))

    def pad(row: Sequence[int], fill: int) -> list[int]:
        return [*row, *[fill] * (8 - len(row))]

    words = [
        dst,
        src,
        ITEM_BYTES[dtype],
        len(sizes),
        *pad(sizes, 1),
        start,
        *pad(dst_walk, 0),
        begin,
        *pad(src_walk, 0),
    ]
    return ("copy", words)


def _row_major(shape: Sequence[int]) -> list[int]:
    steps, step = [], 1
    for size in reversed(shape):
        steps.append(step)
        step *= size
    return steps[::-1]


def transpose(site: Site) -> list[Step]:
    by = _row_major(site.ins[0].shape)
    out = site.outs[0]
    return [
        _copy(
            site.out,
            site.at(0),
            out.dtype,
            out.shape,
            _row_major(out.shape),
            0,
            [by[i] for i in site.attr("perm")],
            0,
        )
    ]


def slice_(site: Site) -> list[Step]:
    by = _row_major(site.ins[0].shape)
    steps = site.attr("strides") or (1,) * len(by)
    begin = sum(b * s for b, s in zip(site.attr("begin"), by, strict=True))
    walk = [s * k for s, k in zip(by, steps, strict=True)]
    out = site.outs[0]
    return [_copy(site.out, site.at(0), out.dtype, out.shape, _row_major(out.shape), 0, walk, begin)]


def pad(site: Site) -> list[Step]:
    source, out = site.ins[0], site.outs[0]
    value = site.attr("value", 0)
    word = abi.bits(value) if out.dtype == "float32" else int(value)
    to = _row_major(out.shape)
    start = sum(before * step for (before, _), step in zip(site.attr("paddings"), to, strict=True))
    fill: Step = ("fill", [site.out, out.size, ITEM_BYTES[out.dtype], word])
    return [
        fill,
        _copy(site.out, site.at(0), out.dtype, source.shape, to, start, _row_major(source.shape), 0),
    ]


def concat(site: Site) -> list[Step]:
    out = site.outs[0]
    axis = axis_of(site.attr("axis"), len(out.shape))
    to, start, steps = _row_major(out.shape), 0, []
    for index, spec in enumerate(site.ins):
        if spec.size:
            steps.append(
                _copy(site.out, site.at(index), out.dtype, spec.shape, to, start, _row_major(spec.shape), 0)
            )
        start += spec.shape[axis] * to[axis]
    return steps


def broadcast_to(site: Site) -> list[Step]:
    out = site.outs[0]
    by = chain.strides(site.ins[0].shape, out.shape)
    return [_copy(site.out, site.at(0), out.dtype, out.shape, _row_major(out.shape), 0, by, 0)]


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


def _window(site: Site, kernel: tuple[int, int]) -> list[int]:
    (top, _), (left, _) = site.attr("padding", ((0, 0), (0, 0)))
    return [*kernel, *site.attr("strides", (1, 1)), *site.attr("dilations", (1, 1)), top, left]


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
        window = _window(site, (3, 3))
        words = [site.out, site.at(0), filters, *bias_residual, *scratch, *x, *out[1:], *window, 1, *act]
        return [("conv2d_winograd", words)]
    packed = site.memory.packed(site.node.inputs[1], groups, n, k, n, w[3], 1)
    steps: list[Step] = []
    if packed is None:
        packed = site.memory.temporary(groups * -(-n // site.panel) * site.panel * k * 4)
        steps.append(("pack_b", [packed, site.at(1), groups, n, k, n, w[3], 1]))
    window = _window(site, (w[0], w[1]))
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
        *_window(site, (w[0], w[1])),
        *act,
    ]
    return [("depthwise_conv2d", words)]


def conv2d_input_grad(site: Site) -> list[Step]:
    """inputs dy, w; attrs shape = that of x."""
    dy, w, x = site.ins[0].shape, site.ins[1].shape, site.outs[0].shape
    scratch = site.scratch(abi.scratch_input_grad(w[0] * w[1] * w[2], w[3] // site.attr("groups", 1)))
    words = [
        site.out,
        site.at(0),
        site.at(1),
        *scratch,
        *x,
        *dy[1:],
        *_window(site, (w[0], w[1])),
        site.attr("groups", 1),
    ]
    return [("conv2d_input_grad", words)]


def conv2d_filter_grad(site: Site) -> list[Step]:
    """inputs x, dy; attrs shape = that of w."""
    x, dy, w = site.ins[0].shape, site.ins[1].shape, site.outs[0].shape
    scratch = site.scratch(abi.scratch_filter_grad(w[0] * w[1] * w[2], w[3] // site.attr("groups", 1)))
    words = [
        site.out,
        site.at(0),
        site.at(1),
        *scratch,
        *x,
        *dy[1:],
        *_window(site, (w[0], w[1])),
        site.attr("groups", 1),
    ]
    return [("conv2d_filter_grad", words)]


def depthwise_conv2d_input_grad(site: Site) -> list[Step]:
    dy, w, x = site.ins[0].shape, site.ins[1].shape, site.outs[0].shape
    words = [site.out, site.at(0), site.at(1), *x, w[3], *dy[1:3], *_window(site, (w[0], w[1]))]
    return [("depthwise_input_grad", words)]


def depthwise_conv2d_filter_grad(site: Site) -> list[Step]:
    x, dy, w = site.ins[0].shape, site.ins[1].shape, site.outs[0].shape
    words = [site.out, site.at(0), site.at(1), *x, w[3], *dy[1:3], *_window(site, (w[0], w[1]))]
    return [("depthwise_filter_grad", words)]


def pool2d(site: Site) -> list[Step]:
    x, out = site.ins[0].shape, site.outs[0].shape
    return [
        (
            "pool2d",
            [
                site.out,
                site.at(0),
                abi.POOL[site.attr("kind")],
                *x,
                *out[1:3],
                *_window(site, site.attr("window")),
            ],
        )
    ]


def pool2d_grad(site: Site) -> list[Step]:
    """inputs x, dy; attrs as of the pool2d."""
    x, dy = site.ins[0].shape, site.ins[1].shape
    kind = abi.POOL[site.attr("kind")]
    words = [
        site.out,
        site.at(0) if kind == 0 else abi.NONE,
        site.at(1),
        kind,
        *x,
        *dy[1:3],
        *_window(site, site.attr("window")),
    ]
    return [("pool2d_grad", words)]


def _split(shape: tuple[int, ...], axis: int) -> list[int]:
    """(outer, n, inner) around one axis."""
    return [count(shape[:axis]), shape[axis], count(shape[axis + 1 :])]


def reduce(site: Site) -> list[Step]:
    shape, dtype = site.ins[0].shape, site.ins[0].dtype
    kind, kind_type = abi.REDUCE[site.attr("kind")], abi.TYPE[dtype]
    axes = sorted({axis_of(axis, len(shape)) for axis in site.attr("axes")})
    axes = [axis for axis in axes if shape[axis] != 1] if site.ins[0].size else axes
    if not axes:
        return [("reduce", [site.out, site.at(0), kind, kind_type, site.ins[0].size, 1, 1])]
    if (
        axes == list(range(axes[0], axes[-1] + 1))
        or count(shape[a] for a in range(axes[0], axes[-1] + 1) if a not in axes) == 1
    ):
        outer, inner = count(shape[: axes[0]]), count(shape[axes[-1] + 1 :])
        return [
            ("reduce", [site.out, site.at(0), kind, kind_type, outer, count(shape[a] for a in axes), inner])
        ]
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    by, order = _row_major(shape), [*kept, *axes]
    moved = [shape[axis] for axis in order]
    room = site.memory.temporary(site.ins[0].size * ITEM_BYTES[dtype])
    move = _copy(room, site.at(0), dtype, moved, _row_major(moved), 0, [by[axis] for axis in order], 0)
    n = count(shape[a] for a in axes)
    return [move, ("reduce", [site.out, room, kind, kind_type, count(shape[a] for a in kept), n, 1])]


def arg_reduce(site: Site) -> list[Step]:
    shape = site.ins[0].shape
    parts = _split(shape, axis_of(site.attr("axis"), len(shape)))
    return [
        (
            "reduce",
            [
                site.out,
                site.at(0),
                abi.REDUCE["arg" + site.attr("kind")],
                abi.TYPE[site.ins[0].dtype],
                *parts,
            ],
        )
    ]


def cumulate(site: Site) -> list[Step]:
    """attrs: kind sum|prod, axis, exclusive, reverse."""
    shape = site.ins[0].shape
    parts = _split(shape, axis_of(site.attr("axis"), len(shape)))
    flags = [int(site.attr("exclusive", False)), int(site.attr("reverse", False))]
    kind = 0 if site.attr("kind") == "sum" else 1
    return [("cumulate", [site.out, site.at(0), kind, abi.TYPE[site.ins[0].dtype], *parts, *flags])]


def softmax(site: Site) -> list[Step]:
    n = site.ins[0].shape[-1] if site.ins[0].shape else 1
    rows = site.ins[0].size // n if n else 0
    return [("softmax", [site.out, site.at(0), rows, n, int(site.node.op == "log_softmax")])]


def normalize(site: Site) -> list[Step]:
    """inputs x, [scale], [offset]; attrs epsilon, scale, offset: bool, rms."""
    extra = iter(range(1, len(site.node.inputs)))
    scale = site.at(next(extra)) if site.attr("scale") else abi.NONE
    offset = site.at(next(extra)) if site.attr("offset") else abi.NONE
    n = site.ins[0].shape[-1]
    rows = site.ins[0].size // n if n else 0
    return [
        (
            "normalize",
            [
                site.out,
                site.at(0),
                scale,
                offset,
                rows,
                n,
                abi.bits(site.attr("epsilon")),
                int(site.attr("rms", False)),
            ],
        )
    ]


def top_k(site: Site) -> list[Step]:
    spec = site.ins[0]
    n = spec.shape[-1]
    indices, room = site.memory.operand(site.node.outputs[1]), site.memory.temporary(n * 4)
    words = [
        site.out,
        indices,
        site.at(0),
        room,
        abi.TYPE[spec.dtype],
        spec.size // n if n else 0,
        n,
        site.attr("k"),
    ]
    return [("top_k", words)]


def _gathered(site: Site, shape: tuple[int, ...], indices: tuple[int, ...]) -> list[int]:
    """(batch, outer, axis, inner, count) of a gather from `shape`."""
    batch = site.attr("batch_dims", 0)
    axis = axis_of(site.attr("axis"), len(shape))
    return [
        count(shape[:batch]),
        count(shape[batch:axis]),
        shape[axis],
        count(shape[axis + 1 :]),
        count(indices[batch:]),
    ]


def gather(site: Site) -> list[Step]:
    sizes = _gathered(site, site.ins[0].shape, site.ins[1].shape)
    return [
        (
            "gather",
            [
                site.out,
                site.at(0),
                site.at(1),
                ITEM_BYTES[site.ins[0].dtype],
                *sizes,
                int(site.attr("clip", False)),
            ],
        )
    ]


def scatter_add(site: Site) -> list[Step]:
    """inputs updates, indices; attrs shape, axis, batch_dims."""
    sizes = _gathered(site, site.outs[0].shape, site.ins[1].shape)
    return [
        (
            "scatter_add",
            [
                site.out,
                site.at(0),
                site.at(1),
                abi.TYPE[site.ins[0].dtype],
                *sizes,
                int(site.attr("clip", False)),
            ],
        )
    ]


def _resize(site: Site, kernel: str, image: tuple[int, ...], size: tuple[int, ...]) -> list[Step]:
    flags = int(site.attr("align_corners", False)) | int(site.attr("half_pixel", False)) << 1
    return [(kernel, [site.out, site.at(0), *image, *size, abi.RESIZE[site.attr("method")], flags])]


def resize(site: Site) -> list[Step]:
    return _resize(site, "resize", site.ins[0].shape, site.attr("size"))


def resize_grad(site: Site) -> list[Step]:
    """input dy; attrs shape = that of x, size, method and flags as of the resize."""
    return _resize(site, "resize_grad", site.outs[0].shape, site.ins[0].shape[1:3])


def random(site: Site) -> list[Step]:
    words = [site.out, site.at(0), site.attr("seed"), site.outs[0].size, abi.RANDOM[site.attr("kind")]]
    return [("random", [*words, abi.bits(site.attr("alpha", 0.0))])]


def adam(site: Site) -> list[Step]:
    outputs = [site.memory.operand(value) for value in site.node.outputs]
    inputs = [site.at(index) for index in range(len(site.node.inputs))]
    rates = [abi.bits(1.0 - site.attr("beta_1")), abi.bits(1.0 - site.attr("beta_2"))]
    return [("adam", [*outputs, *inputs, site.outs[0].size, *rates])]


STEPS: dict[str, Callable[[Site], list[Step]]] = {
    "transpose": transpose, "slice": slice_, "pad": pad, "concat": concat, "broadcast_to": broadcast_to,
    "matmul": matmul, "conv2d": conv2d, "depthwise_conv2d": depthwise_conv2d, "conv2d_input_grad": conv2d_input_grad,
    "conv2d_filter_grad": conv2d_filter_grad, "depthwise_conv2d_input_grad": depthwise_conv2d_input_grad,
    "depthwise_conv2d_filter_grad": depthwise_conv2d_filter_grad, "pool2d": pool2d, "pool2d_grad": pool2d_grad,
    "reduce": reduce, "arg_reduce": arg_reduce, "cumulate": cumulate, "softmax": softmax, "log_softmax": softmax,
    "normalize": normalize, "top_k": top_k, "gather": gather, "scatter_add": scatter_add, "resize": resize,
    "resize_grad": resize_grad, "random": random, "adam": adam,
}  # fmt: skip
