"""TensorList and TensorArray while lowering: a tuple of elements, some of them rows of one stack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from py_edge.errors import GraphError
from py_edge.tfjs.call import Call
from py_edge.tfjs.idioms import axes
from py_edge.tfjs.trace import TensorList


@dataclass(frozen=True, slots=True)
class Row:
    """Element t of a stack that a scan made; taken out only when it is read alone."""

    stack: int
    t: int


def item_id(c: Call, item: object, like: TensorList | None = None) -> int:
    """A list's element as a tensor; one that was never written is zeros."""
    if isinstance(item, Row):
        return axes.pick(c.b, item.stack, 0, item.t)
    if isinstance(item, int):
        return item
    if item is None and like is not None:
        shape = like.shape
        if shape is None or any(d is None for d in shape):
            shape = next((c.b.shape(item_id(c, i)) for i in like.items if i is not None), None)
        if shape is None or any(d is None for d in shape):
            raise GraphError("a list's element was never written", where=c.node.where)
        return axes.full(c.b, [d for d in shape if d is not None], 0, like.dtype)
    raise GraphError("a list of something else than tensors", where=c.node.where)


def stack_items(c: Call, items: Sequence[object]) -> int:
    """Elements along a new first axis; rows of one stack are taken together."""
    if items and all(isinstance(i, Row) for i in items):
        rows = [i for i in items if isinstance(i, Row)]
        stack = rows[0].stack
        if all(r.stack == stack for r in rows):
            order = [r.t for r in rows]
            size = c.b.shape(stack)[0]
            if order == list(range(size)):
                return stack
            if order == list(range(size))[::-1]:
                return axes.flip(c.b, stack, [0])
            return c.b.op("gather", stack, c.trace.constant(order), axis=0, batch_dims=0)
    return axes.stack(c.b, [item_id(c, i) for i in items], 0)


def stack_list(c: Call, value: TensorList) -> int:
    """All elements along a new first axis."""
    if not value.items:
        shape = [d or 0 for d in value.shape or ()]
        return axes.full(c.b, [0, *shape], 0, value.dtype)
    if all(isinstance(i, Row) for i in value.items):
        return stack_items(c, value.items)
    unwritten = item_id(c, None, value) if None in value.items else None
    return axes.stack(c.b, [unwritten if i is None else item_id(c, i) for i in value.items], 0)  # type: ignore[misc]
