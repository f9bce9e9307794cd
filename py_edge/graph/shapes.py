"""Shape rules of the core ops: (specs of the inputs, attrs) -> specs of the outputs, or ShapeError.

Letters: N batch, H height, W width, C channels, O output channels, M depth multiplier, G groups. Images are NHWC,
filters HWIO, depthwise filters HWCM. Padding is explicit: ((top, bottom), (left, right)).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from py_edge.errors import ShapeError
from py_edge.graph.graph import Spec
from py_edge.tensor import count

Specs = Sequence[Spec]
Attrs = Mapping[str, Any]
Rule = Callable[[Specs, Attrs], list[Spec]]


def broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape to which all broadcast, by numpy's rule."""
    rank = max((len(shape) for shape in shapes), default=0)
    result = []
    for axis in range(rank):
        sizes = {s[len(s) - rank + axis] for s in shapes if len(s) - rank + axis >= 0} - {1}
        if len(sizes) > 1:
            raise ShapeError("shapes do not broadcast", got=" and ".join(map(str, shapes)))
        result.append(sizes.pop() if sizes else 1)
    return tuple(result)


def axis_of(axis: int, rank: int) -> int:
    """A possibly negative axis as 0 <= axis < rank."""
    if not -rank <= axis < rank:
        raise ShapeError("axis out of range", got=axis, want=f"-{rank}..{rank - 1}")
    return axis % rank


def window(size: int, kernel: int, stride: int, dilation: int, pad: tuple[int, int]) -> int:
    """How many windows fit: output size of a convolution or pooling along one axis."""
    if min(kernel, stride, dilation) < 1 or min(pad) < 0:
        raise ShapeError("kernel, stride and dilation are at least 1", got=(kernel, stride, dilation, pad))
    room = size + sum(pad) - (kernel - 1) * dilation - 1
    if room < 0:
        raise ShapeError(
            "the window is larger than the input",
            got=(kernel - 1) * dilation + 1,
            want=f"<= {size + sum(pad)}",
        )
    return room // stride + 1


def same_padding(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """TensorFlow's SAME: output ceil(size / stride), the odd element at the end."""
    out = -(-size // stride)
    total = max((out - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def _rank(spec: Spec, rank: int, what: str) -> None:
    if len(spec.shape) != rank:
        raise ShapeError(f"{what} has the wrong rank", got=spec.shape, want=f"rank {rank}")


def elementwise(dtype: str = "") -> Rule:
    """Broadcast all inputs; the result has `dtype`, or that of the last input (select: of the branches)."""

    def rule(specs: Specs, attrs: Attrs) -> list[Spec]:
        return [Spec(broadcast(*(s.shape for s in specs)), dtype or specs[-1].dtype)]

    return rule


def cast(specs: Specs, attrs: Attrs) -> list[Spec]:
    return [Spec(specs[0].shape, attrs["dtype"])]


def fused_elementwise(specs: Specs, attrs: Attrs) -> list[Spec]:
    """attrs: outputs, a tuple of Spec (see passes/fuse_elementwise)."""
    return list(attrs["outputs"])


def matmul(specs: Specs, attrs: Attrs) -> list[Spec]:
    """a (..., M, K), b (..., K, N), either transposed by attrs; batch dims broadcast -> (..., M, N).

    Further inputs, after fusion: bias (N,) and residual, shape of the result, told by attrs bias, residual.
    """
    a, b = specs[0].shape, specs[1].shape
    if len(a) < 2 or len(b) < 2:
        raise ShapeError("matmul wants matrices", got=(a, b))
    m, k = a[-2:][::-1] if attrs.get("transpose_a") else a[-2:]
    k2, n = b[-2:][::-1] if attrs.get("transpose_b") else b[-2:]
    if k != k2:
        raise ShapeError("inner sizes differ", got=f"{a} x {b}", want=f"{k} = {k2}")
    return [Spec((*broadcast(a[:-2], b[:-2]), m, n), specs[0].dtype)]


def _windows(shape: tuple[int, ...], kernel: tuple[int, int], attrs: Attrs) -> tuple[int, int]:
    strides, dilations = attrs.get("strides", (1, 1)), attrs.get("dilations", (1, 1))
    pads = attrs.get("padding", ((0, 0), (0, 0)))
    h, w = (window(shape[1 + i], kernel[i], strides[i], dilations[i], pads[i]) for i in (0, 1))
    return h, w


def conv2d(specs: Specs, attrs: Attrs) -> list[Spec]:
    """x (N, H, W, C), w (KH, KW, C / groups, O) -> (N, OH, OW, O)."""
    x, w, groups = specs[0], specs[1], attrs.get("groups", 1)
    _rank(x, 4, "conv2d input")
    _rank(w, 4, "conv2d filter")
    if groups < 1 or w.shape[2] * groups != x.shape[3] or w.shape[3] % groups:
        raise ShapeError(
            "filter and input channels disagree", got=w.shape, want=f"(., ., {x.shape[3]} / {groups}, .)"
        )
    h, width = _windows(x.shape, (w.shape[0], w.shape[1]), attrs)
    return [Spec((x.shape[0], h, width, w.shape[3]))]


def depthwise_conv2d(specs: Specs, attrs: Attrs) -> list[Spec]:
    """x (N, H, W, C), w (KH, KW, C, M) -> (N, OH, OW, C * M)."""
    x, w = specs[0], specs[1]
    _rank(x, 4, "depthwise input")
    _rank(w, 4, "depthwise filter")
    if w.shape[2] != x.shape[3]:
        raise ShapeError("filter and input channels disagree", got=w.shape, want=f"(., ., {x.shape[3]}, .)")
    h, width = _windows(x.shape, (w.shape[0], w.shape[1]), attrs)
    return [Spec((x.shape[0], h, width, w.shape[2] * w.shape[3]))]


def shape_attr(specs: Specs, attrs: Attrs) -> list[Spec]:
    """attrs: shape, dtype (default: that of the first input). For ops whose result shape is given."""
    return [Spec(tuple(attrs["shape"]), attrs.get("dtype") or specs[0].dtype)]


def broadcast_to(specs: Specs, attrs: Attrs) -> list[Spec]:
    shape = tuple(attrs["shape"])
    if broadcast(specs[0].shape, shape) != shape:
        raise ShapeError("cannot broadcast", got=specs[0].shape, want=shape)
    return [Spec(shape, specs[0].dtype)]


def pool2d(specs: Specs, attrs: Attrs) -> list[Spec]:
    """x (N, H, W, C); attrs kind max|avg, window (KH, KW), strides, padding, dilations -> (N, OH, OW, C)."""
    _rank(specs[0], 4, "pool2d input")
    h, w = _windows(specs[0].shape, attrs["window"], attrs)
    return [Spec((specs[0].shape[0], h, w, specs[0].shape[3]))]


def adam(specs: Specs, attrs: Attrs) -> list[Spec]:
    """weight, gradient, m, v of one shape, then the scalars -> weight, m, v."""
    weight, shapes = specs[0], [spec.shape for spec in specs]
    if any(shape != weight.shape for shape in shapes[1:4]) or any(shapes[4:]):
        raise ShapeError("gradient and moments have the weight's shape", got=shapes[1:], want=weight.shape)
    return [weight] * 3


def like_first(specs: Specs, attrs: Attrs) -> list[Spec]:
    return [specs[0]]


def reduce(specs: Specs, attrs: Attrs) -> list[Spec]:
    """attrs: kind sum|mean|prod|max|min|any|all, axes, keepdims."""
    shape, rank = specs[0].shape, len(specs[0].shape)
    axes = {axis_of(axis, rank) for axis in attrs["axes"]}
    kept = [1 if i in axes else d for i, d in enumerate(shape) if attrs.get("keepdims") or i not in axes]
    return [Spec(tuple(kept), specs[0].dtype)]


def arg_reduce(specs: Specs, attrs: Attrs) -> list[Spec]:
    """attrs: kind max|min, axis. First of equals wins; int32."""
    axis = axis_of(attrs["axis"], len(specs[0].shape))
    return [Spec(specs[0].shape[:axis] + specs[0].shape[axis + 1 :], "int32")]


def reshape(specs: Specs, attrs: Attrs) -> list[Spec]:
    """attrs: shape, with at most one -1."""
    shape = list(attrs["shape"])
    if shape.count(-1) > 1:
        raise ShapeError("more than one -1", got=tuple(shape))
    if -1 in shape:
        known = count(d for d in shape if d != -1)
        shape[shape.index(-1)] = specs[0].size // known if known else 0
    if count(shape) != specs[0].size or min(shape, default=0) < 0:
        raise ShapeError("reshape keeps the number of elements", got=tuple(shape), want=specs[0].shape)
    return [Spec(tuple(shape), specs[0].dtype)]


def transpose(specs: Specs, attrs: Attrs) -> list[Spec]:
    """attrs: perm."""
    shape, perm = specs[0].shape, tuple(attrs["perm"])
    if sorted(perm) != list(range(len(shape))):
        raise ShapeError("not a permutation of the axes", got=perm, want=f"of {len(shape)} axes")
    return [Spec(tuple(shape[i] for i in perm), specs[0].dtype)]


def slice_(specs: Specs, attrs: Attrs) -> list[Spec]:
    """attrs: begin, size, strides (default 1, may be negative) per axis: element i is begin + i * stride."""
    shape, begin, size = specs[0].shape, attrs["begin"], attrs["size"]
    strides = attrs.get("strides") or (1,) * len(shape)
    if not len(begin) == len(size) == len(strides) == len(shape):
        raise ShapeError("begin, size and strides go axis by axis", got=(begin, size, strides), want=shape)
    for d, b, n, s in zip(shape, begin, size, strides, strict=True):
        if n < 0 or s == 0 or (n and not (0 <= b < d and 0 <= b + (n - 1) * s < d)):
            raise ShapeError("slice leaves the tensor", got=(b, n, s), want=f"inside 0..{d - 1}")
    return [Spec(tuple(size), specs[0].dtype)]


def pad(specs: Specs, attrs: Attrs) -> list[Spec]:
    """attrs: paddings ((before, after), ...), value (constant only; mirror modes lower to slices and concat)."""
    paddings = attrs["paddings"]
    if len(paddings) != len(specs[0].shape) or any(min(p) < 0 for p in paddings):
        raise ShapeError("one pair of paddings >= 0 per axis", got=paddings, want=specs[0].shape)
    return [
        Spec(tuple(d + a + b for d, (a, b) in zip(specs[0].shape, paddings, strict=True)), specs[0].dtype)
    ]


def concat(specs: Specs, attrs: Attrs) -> list[Spec]:
    """attrs: axis. All inputs alike but along it."""
    axis = axis_of(attrs["axis"], len(specs[0].shape))
    first = specs[0].shape
    for spec in specs:
        if (
            spec.shape[:axis] + spec.shape[axis + 1 :] != first[:axis] + first[axis + 1 :]
            or spec.dtype != specs[0].dtype
        ):
            raise ShapeError(
                "inputs to concat differ", got=f"{spec.shape} {spec.dtype}", want=f"{first} {specs[0].dtype}"
            )
    return [Spec((*first[:axis], sum(s.shape[axis] for s in specs), *first[axis + 1 :]), specs[0].dtype)]


def gather(specs: Specs, attrs: Attrs) -> list[Spec]:
    """x, indices int32; attrs axis, batch_dims: numpy.take along axis, the first batch_dims axes paired."""
    x, indices, batch = specs[0].shape, specs[1].shape, attrs.get("batch_dims", 0)
    axis = axis_of(attrs["axis"], len(x))
    if batch > axis or x[:batch] != indices[:batch]:
        raise ShapeError("batch dims differ", got=(x, indices), want=f"first {batch} alike, axis >= {batch}")
    return [Spec(x[:axis] + indices[batch:] + x[axis + 1 :], specs[0].dtype)]


def resize(specs: Specs, attrs: Attrs) -> list[Spec]:
    """x (N, H, W, C); attrs size (OH, OW), method bilinear|nearest, align_corners, half_pixel."""
    _rank(specs[0], 4, "resize input")
    n, _, _, c = specs[0].shape
    return [Spec((n, *attrs["size"], c))]


def top_k(specs: Specs, attrs: Attrs) -> list[Spec]:
    """attrs: k; along the last axis, largest first, the lower index first among equals -> values, indices int32."""
    *rest, last = specs[0].shape
    if not 0 <= attrs["k"] <= last:
        raise ShapeError("k is larger than the last axis", got=attrs["k"], want=f"<= {last}")
    shape = (*rest, attrs["k"])
    return [Spec(shape, specs[0].dtype), Spec(shape, "int32")]


def scan(specs: Specs, attrs: Attrs) -> list[Spec]:
    """inputs: scanned (T, ...) x n_scan, carries x n_carry, invariants; outputs: last carries, then stacked (T, ...).

    attrs: body Graph whose inputs are (slices, carries, invariants) and outputs (carries, rows) in dict order;
    n_scan, n_carry, length, reverse.
    """
    body, n_carry, length = attrs["body"], attrs["n_carry"], attrs["length"]
    outs = [body.specs[value] for value in body.outputs.values()]
    carries = list(specs[attrs["n_scan"] : attrs["n_scan"] + n_carry])
    if outs[:n_carry] != carries:
        raise ShapeError("carries change their shape", got=outs[:n_carry], want=carries)
    return outs[:n_carry] + [Spec((length, *s.shape), s.dtype) for s in outs[n_carry:]]


def branch(specs: Specs, attrs: Attrs) -> list[Spec]:
    """cond: pred bool (), arguments; attrs then_branch, else_branch Graphs with equal outputs."""
    return [attrs["then_branch"].specs[v] for v in attrs["then_branch"].outputs.values()]


def loop(specs: Specs, attrs: Attrs) -> list[Spec]:
    """while: carries x n_carry, invariants; attrs cond Graph -> bool (), body Graph -> carries."""
    return list(specs[: attrs["n_carry"]])


def host(specs: Specs, attrs: Attrs) -> list[Spec]:
    """attrs: function (a name in plan/host_steps), outputs (Specs, when they are known beforehand)."""
    return list(attrs["outputs"])
