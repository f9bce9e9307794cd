"""Steps that go along an axis or a window: reductions, running sums, softmax, normalisation, top-k, pooling, resizing."""

from __future__ import annotations

from collections.abc import Callable

from py_edge.graph.shapes import axis_of
from py_edge.plan import abi
from py_edge.plan.site import Site, Step
from py_edge.plan.step_movement import copy, row_major
from py_edge.tensor import ITEM_BYTES, count


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
    by, order = row_major(shape), [*kept, *axes]
    moved = [shape[axis] for axis in order]
    room = site.memory.temporary(site.ins[0].size * ITEM_BYTES[dtype])
    move = copy(room, site.at(0), dtype, moved, row_major(moved), 0, [by[axis] for axis in order], 0)
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
                *site.window(site.attr("window")),
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
        *site.window(site.attr("window")),
    ]
    return [("pool2d_grad", words)]


def _resize(site: Site, kernel: str, image: tuple[int, ...], size: tuple[int, ...]) -> list[Step]:
    flags = int(site.attr("align_corners", False)) | int(site.attr("half_pixel", False)) << 1
    return [(kernel, [site.out, site.at(0), *image, *size, abi.RESIZE[site.attr("method")], flags])]


def resize(site: Site) -> list[Step]:
    return _resize(site, "resize", site.ins[0].shape, site.attr("size"))


def resize_grad(site: Site) -> list[Step]:
    """input dy; attrs shape = that of x, size, method and flags as of the resize."""
    return _resize(site, "resize_grad", site.outs[0].shape, site.ins[0].shape[1:3])


REDUCTIONS: dict[str, Callable[[Site], list[Step]]] = {
    "reduce": reduce, "arg_reduce": arg_reduce, "cumulate": cumulate, "softmax": softmax, "log_softmax": softmax,
    "normalize": normalize, "top_k": top_k, "pool2d": pool2d, "pool2d_grad": pool2d_grad, "resize": resize,
    "resize_grad": resize_grad,
}  # fmt: skip
