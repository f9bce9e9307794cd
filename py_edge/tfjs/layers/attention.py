"""Attention: Luong's and Bahdanau's layers, multi-head, grouped-query.

Letters: N batch, T query steps, S key steps, H heads, D size of a head, E features.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from py_edge.errors import GraphError
from py_edge.graph import Builder
from py_edge.graph.shapes import axis_of
from py_edge.tensor import Tensor
from py_edge.tfjs.idioms import arithmetic, axes
from py_edge.tfjs.layers.call import Call, Lower, Sym
from py_edge.tfjs.layers.core import drop

_FAR = -1e9


def _causal(b: Builder, t: int, s: int) -> int:
    """(1, T, S) bool: a step sees itself and what was before."""
    flags = [int(j <= i) for i in range(t) for j in range(s)]
    return b.constant(Tensor.from_flat(flags, (1, t, s), "bool"))


def _kept(b: Builder, allowed: Sequence[int]) -> int:
    keep = axes.cast(b, allowed[0], "bool")
    for more in allowed[1:]:
        keep = b.op("logical_and", keep, axes.cast(b, more, "bool"))
    return keep


def _hidden(b: Builder, scores: int, allowed: Sequence[int], replaced: bool = False) -> int:
    """Scores with places that any of `allowed` forbids pushed far down (Keras 2), or put there (Keras 3's Softmax)."""
    if not allowed:
        return scores
    keep = _kept(b, allowed)
    if replaced:
        return b.op("select", keep, scores, _FAR)
    off = b.op("sub", 1.0, axes.cast(b, keep, "float32"))
    return b.op("add", scores, b.op("mul", off, _FAR))


def _weighted(c: Call, score: int, value: int, causal: bool) -> int | list[int]:
    """softmax(scores) value, with masks of query and value from the call."""
    b = c.b
    masks = c.argument("mask", 1)
    given = (
        [m.id if isinstance(m, Sym) else None for m in masks]
        if isinstance(masks, (list, tuple))
        else [s.mask for s in c.syms[:2]]
    )
    query_mask, value_mask = (*given, None, None)[:2]
    allowed = [axes.expand(b, value_mask, 1)] if value_mask is not None else []
    allowed += [_causal(b, *b.shape(score)[1:])] if causal else []
    weights = arithmetic.softmax(b, _hidden(b, score, allowed))
    weights = drop(c, weights, c.number("dropout", low=0.0, high=1.0))
    y = b.op("matmul", weights, value)
    if query_mask is not None:
        y = b.op("mul", y, axes.expand(b, axes.cast(b, query_mask, "float32"), -1))
    c.out_mask = query_mask if query_mask is not None else False
    return [y, weights] if c.argument("return_attention_scores") else y


def _triple(c: Call) -> tuple[int, int, int]:
    if len(c.xs) < 2:
        raise GraphError("attention wants query and value", where=c.where, got=len(c.xs))
    return c.xs[0], c.xs[1], c.xs[2] if len(c.xs) > 2 else c.xs[1]


def attention(c: Call) -> int | list[int]:
    """Luong: q k^T, or the sum of tanh(q + k); one learnt scale."""
    b = c.b
    query, value, key = _triple(c)
    scale = c.weight("scale", (), default="ones") if c.flag("use_scale") else None
    if c.word("score_mode", "dot", ("dot", "concat")) == "dot":
        score = b.op("matmul", query, key, transpose_b=True)
        score = b.op("mul", score, scale) if scale is not None else score
    else:
        both = b.op("add", axes.expand(b, query, 2), axes.expand(b, key, 1))
        both = b.op("mul", both, scale) if scale is not None else both
        factor = c.weight("concat_score_weight", (), default="ones")
        score = b.op("mul", factor, axes.reduce(b, "sum", b.op("tanh", both), [-1]))
    return _weighted(c, score, value, c.flag("causal") or bool(c.argument("use_causal_mask")))


def additive_attention(c: Call) -> int | list[int]:
    """Bahdanau: the sum over features of scale * tanh(q + k)."""
    b = c.b
    query, value, key = _triple(c)
    both = b.op("tanh", b.op("add", axes.expand(b, query, 2), axes.expand(b, key, 1)))
    if c.flag("use_scale", True):
        both = b.op("mul", both, c.weight("scale", (b.shape(query)[-1],)))
    score = axes.reduce(b, "sum", both, [-1])
    return _weighted(c, score, value, c.flag("causal") or bool(c.argument("use_causal_mask")))


def _heads(c: Call, x: int, part: str, counted: str, heads: int, size: int) -> int:
    """x (N, T, E) -> (N, H, T, D) by kernel (E, H, D)."""
    b, scope = c.b, c.scope.child(part, counted)
    n, t, e = b.shape(x)
    kernel = axes.reshape(b, c.weight("kernel", (e, heads, size), scope=scope), [e, heads * size])
    y = axes.reshape(b, b.op("matmul", x, kernel), [n, t, heads, size])
    if c.flag("use_bias", True):
        y = b.op("add", y, c.weight("bias", (heads, size), default="zeros", scope=scope))
    return axes.transpose(b, y, [0, 2, 1, 3])


def _flattened(c: Call, x: int, over: Sequence[int]) -> tuple[int, list[int], list[int]]:
    """Attention axes joined to one, the others to the batch: (x (N', T, E), kept shape, permutation)."""
    b, rank = c.b, c.b.rank(x)
    free = [axis for axis in range(rank - 1) if axis not in over]
    order = [*free, *over, rank - 1]
    shape = b.shape(x)
    moved = axes.transpose(b, x, order)
    n = math.prod(shape[axis] for axis in free)
    t = math.prod(shape[axis] for axis in over)
    return axes.reshape(b, moved, [n, t, shape[-1]]), [shape[axis] for axis in order[:-1]], order


def multi_head_attention(c: Call) -> int | list[int]:
    """softmax(q k^T / sqrt(D)) v in H heads, then one more projection."""
    b, heads, size = c.b, c.whole("num_heads"), c.whole("key_dim")
    value_size = c.whole("value_dim", size)
    value, key = c.argument("value", 1), c.argument("key", 2)
    query = c.syms[0]
    if not isinstance(value, Sym):
        value = c.syms[1] if len(c.syms) > 1 else query
    key = key if isinstance(key, Sym) else value
    raw = c.get("attention_axes")
    over = (
        [axis_of(a, c.rank) for a in (raw if isinstance(raw, (list, tuple)) else [raw])]
        if raw is not None
        else list(range(1, c.rank - 1))
    )
    q, kept, order = _flattened(c, query.id, over)
    k, v = (_flattened(c, s.id, over)[0] for s in (key, value))
    qh = _heads(c, q, "query", "query_dense", heads, size)
    kh = _heads(c, k, "key", "key_dense", heads, size)
    vh = _heads(c, v, "value", "value_dense", heads, value_size)
    score = b.op("matmul", b.op("mul", qh, 1 / math.sqrt(size)), kh, transpose_b=True)
    weights = _head_weights(c, score, _head_masks(c, query, key, value, b.shape(score)))
    mixed = b.op("matmul", drop(c, weights, c.number("dropout", low=0.0, high=1.0)), vh)
    y = _joined(c, mixed, heads, value_size)
    width = b.shape(y)[2:]
    y = axes.reshape(b, y, [*kept, *width])
    back = [order.index(axis) for axis in range(len(kept))]
    y = axes.transpose(b, y, [*back, *range(len(kept), len(kept) + len(width))])
    c.out_mask = query.mask if query.mask is not None else False
    return [y, weights] if c.argument("return_attention_scores") else y


def _joined(c: Call, mixed: int, heads: int, size: int) -> int:
    """(N, H, T, D) -> (N, T, E'...) by the output kernel (H, D, E'...)."""
    b, scope = c.b, c.scope.child("attention_output", "output_dense")
    n, _, t, _ = b.shape(mixed)
    shape = c.get("output_shape")
    width = [shape] if isinstance(shape, int) else list(shape) if shape else [c.shape[-1]]
    flat = axes.reshape(b, axes.transpose(b, mixed, [0, 2, 1, 3]), [n, t, heads * size])
    kernel = c.weight("kernel", (heads, size, *width), scope=scope)
    y = b.op("matmul", flat, axes.reshape(b, kernel, [heads * size, math.prod(width)]))
    y = axes.reshape(b, y, [n, t, *width])
    if c.flag("use_bias", True):
        y = b.op("add", y, c.weight("bias", width, default="zeros", scope=scope))
    return y


def _head_weights(c: Call, score: int, allowed: Sequence[int]) -> int:
    """softmax over what is allowed; without its fused attention Keras 3 gives 0 where nothing is, else all alike."""
    weights = arithmetic.softmax(c.b, _hidden(c.b, score, allowed, c.keras3))
    plain = c.argument("return_attention_scores") or c.number("dropout", low=0.0, high=1.0)
    if c.keras3 and plain and allowed:
        weights = c.b.op("mul", weights, axes.cast(c.b, _kept(c.b, allowed), "float32"))
    return weights


def _head_masks(c: Call, query: Sym, key: Sym, value: Sym, shape: tuple[int, ...]) -> list[int]:
    """Everything that forbids a place of the scores (N, H, T, S)."""
    b, allowed = c.b, list[int]()
    given = c.argument("attention_mask")
    if isinstance(given, Sym):
        allowed.append(axes.expand(b, given.id, 1) if b.rank(given.id) == 3 else given.id)
    named = {name: c.argument(f"{name}_mask") for name in ("query", "key", "value")}
    pairs = (("query", query, (1, 3)), ("key", key, (1, 2)), ("value", value, (1, 2)))
    for name, sym, places in pairs:
        own = named[name]
        mask = own.id if isinstance(own, Sym) else sym.mask
        if mask is not None and len(shape) == 4:
            allowed.append(axes.expand(b, mask, *places))
    if c.argument("use_causal_mask"):
        allowed.append(axes.expand(b, _causal(b, shape[2], shape[3]), 1))
    return allowed


def grouped_query_attention(c: Call) -> int | list[int]:
    """Multi-head attention whose key and value heads serve several query heads each."""
    b, size = c.b, c.whole("head_dim")
    heads, few = c.whole("num_query_heads"), c.whole("num_key_value_heads")
    if heads % few:
        raise GraphError("query heads are a multiple of the others", where=c.where, got=(heads, few))
    value, key = c.argument("value", 1), c.argument("key", 2)
    query = c.syms[0]
    value = value if isinstance(value, Sym) else c.syms[1] if len(c.syms) > 1 else query
    key = key if isinstance(key, Sym) else value
    qh = _heads(c, query.id, "query", "query_dense", heads, size)
    kh = axes.repeat(b, _heads(c, key.id, "key", "key_dense", few, size), 1, heads // few)
    vh = axes.repeat(b, _heads(c, value.id, "value", "value_dense", few, size), 1, heads // few)
    score = b.op("mul", b.op("matmul", qh, kh, transpose_b=True), 1 / math.sqrt(size))
    weights = _head_weights(c, score, _head_masks(c, query, key, value, b.shape(score)))
    y = _joined(c, b.op("matmul", drop(c, weights, c.number("dropout", low=0.0, high=1.0)), vh), heads, size)
    return [y, weights] if c.argument("return_attention_scores") else y


ROWS: dict[str, Lower] = {
    "Attention": attention, "AdditiveAttention": additive_attention, "MultiHeadAttention": multi_head_attention,
    "GroupedQueryAttention": grouped_query_attention, "GroupQueryAttention": grouped_query_attention,
}  # fmt: skip
