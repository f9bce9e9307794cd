"""Steps that move elements as they are: one or more pe_copy walks, gather and scatter."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from py_edge.errors import ShapeError
from py_edge.graph.graph import Spec
from py_edge.graph.shapes import axis_of
from py_edge.plan import abi, chain
from py_edge.plan.site import Site, Step
from py_edge.tensor import ITEM_BYTES, count


def copy(
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


def row_major(shape: Sequence[int]) -> list[int]:
    steps, step = [], 1
    for size in reversed(shape):
        steps.append(step)
        step *= size
    return steps[::-1]


def transpose(site: Site) -> list[Step]:
    by = row_major(site.ins[0].shape)
    out = site.outs[0]
    return [
        copy(
            site.out,
            site.at(0),
            out.dtype,
            out.shape,
            row_major(out.shape),
            0,
            [by[i] for i in site.attr("perm")],
            0,
        )
    ]


def slice_(site: Site) -> list[Step]:
    by = row_major(site.ins[0].shape)
    steps = site.attr("strides") or (1,) * len(by)
    begin = sum(b * s for b, s in zip(site.attr("begin"), by, strict=True))
    walk = [s * k for s, k in zip(by, steps, strict=True)]
    out = site.outs[0]
    return [copy(site.out, site.at(0), out.dtype, out.shape, row_major(out.shape), 0, walk, begin)]


def pad(site: Site) -> list[Step]:
    source, out = site.ins[0], site.outs[0]
    value = site.attr("value", 0)
    word = abi.bits(value) if out.dtype == "float32" else int(value)
    to = row_major(out.shape)
    start = sum(before * step for (before, _), step in zip(site.attr("paddings"), to, strict=True))
    fill: Step = ("fill", [site.out, out.size, ITEM_BYTES[out.dtype], word])
    return [
        fill,
        copy(site.out, site.at(0), out.dtype, source.shape, to, start, row_major(source.shape), 0),
    ]


def concat(site: Site) -> list[Step]:
    out = site.outs[0]
    axis = axis_of(site.attr("axis"), len(out.shape))
    to, start, steps = row_major(out.shape), 0, []
    for index, spec in enumerate(site.ins):
        if spec.size:
            steps.append(
                copy(site.out, site.at(index), out.dtype, spec.shape, to, start, row_major(spec.shape), 0)
            )
        start += spec.shape[axis] * to[axis]
    return steps


def broadcast_to(site: Site) -> list[Step]:
    out = site.outs[0]
    by = chain.strides(site.ins[0].shape, out.shape)
    return [copy(site.out, site.at(0), out.dtype, out.shape, row_major(out.shape), 0, by, 0)]


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
    return _along_axis(site, "gather", site.ins[0], ITEM_BYTES[site.ins[0].dtype])


def scatter_add(site: Site) -> list[Step]:
    """inputs updates, indices; attrs shape, axis, batch_dims."""
    return _along_axis(site, "scatter_add", site.outs[0], abi.TYPE[site.ins[0].dtype])


def _along_axis(site: Site, kernel: str, whole: Spec, kind: int) -> list[Step]:
    """whole: what the indices point into; kind: what the kernel wants to know of its items."""
    sizes = _gathered(site, whole.shape, site.ins[1].shape)
    words = [site.out, site.at(0), site.at(1), kind, *sizes, int(site.attr("clip", False))]
    return [(kernel, words)]


MOVEMENT: dict[str, Callable[[Site], list[Step]]] = {
    "transpose": transpose, "slice": slice_, "pad": pad, "concat": concat, "broadcast_to": broadcast_to,
    "gather": gather, "scatter_add": scatter_add,
}  # fmt: skip
