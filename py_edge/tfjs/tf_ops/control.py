"""Control: branches and loops (control_flow/), TensorLists, TensorArrays. A list is a Python tuple of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from py_edge.errors import GraphError, LimitError, ShapeError
from py_edge.tfjs.call import Call, Lower
from py_edge.tfjs.control_flow import branches, calls, loops
from py_edge.tfjs.control_flow.lists import Row, item_id, stack_list
from py_edge.tfjs.idioms import axes
from py_edge.tfjs.trace import TensorList, Value

_LONGEST = 1 << 16


def _list(c: Call, place: int) -> TensorList:
    value = c.values[place] if place < len(c.values) else None
    if not isinstance(value, TensorList):
        raise GraphError("a list of tensors is wanted", where=c.node.where, got=type(value).__name__)
    return value


def _length(c: Call, place: int) -> int:
    n = c.whole(place)
    if not 0 <= n <= _LONGEST:
        raise LimitError("a list too long", where=c.node.where, got=n, want=f"<= {_LONGEST}")
    return n


def _element(c: Call, place: int) -> tuple[int | None, ...] | None:
    """An element_shape input; -1 stands for unknown."""
    spec = c.b.spec(c.id(place))
    flat = c.trace.static(c.id(place))
    if flat is None or spec.shape == ():
        return None
    return tuple(None if d < 0 else int(d) for d in flat)


def _at(c: Call, value: TensorList, place: int) -> int:
    index = c.whole(place)
    if not 0 <= index < len(value.items):
        raise ShapeError(
            "an index outside of the list", where=c.node.where, got=index, want=f"< {len(value.items)}"
        )
    return index


def _rows(c: Call, x: int) -> tuple[object, ...]:
    return tuple(Row(x, t) for t in range(c.b.shape(x)[0]))


def reserve(c: Call) -> Value:
    n = _length(c, 1)
    return TensorList((None,) * n, _element(c, 0), c.word("element_dtype", "float32"))


def empty(c: Call) -> Value:
    return TensorList((), _element(c, 0), c.word("element_dtype", "float32"))


def from_tensor(c: Call) -> Value:
    return TensorList(_rows(c, c.x), c.shape()[1:], c.dtype())


def get_item(c: Call) -> Value:
    value = _list(c, 0)
    flat = c.trace.static(c.id(1))
    if flat is None and value.items:
        return c.b.op(
            "gather", stack_list(c, value), axes.reshape(c.b, c.id(1), ()), axis=0, batch_dims=0, clip=True
        )
    return item_id(c, value.items[_at(c, value, 1)], value)


def set_item(c: Call) -> Value:
    value = _list(c, 0)
    items = list(value.items)
    index = c.whole(1)
    if index >= len(items) and 0 <= index <= _LONGEST and c.flag("resize_if_index_out_of_bounds"):
        items += [None] * (index + 1 - len(items))
    if not 0 <= index < len(items):
        raise ShapeError(
            "an index outside of the list", where=c.node.where, got=index, want=f"< {len(items)}"
        )
    items[index] = c.id(2)
    return replace(value, items=tuple(items))


def stack(c: Call) -> Value:
    value = _list(c, 0)
    shape = _element(c, 1) if c.n > 1 else None
    return stack_list(c, replace(value, shape=shape) if value.shape is None and shape is not None else value)


def _gathered(c: Call, value: TensorList, indices: Sequence[int]) -> int:
    if any(not 0 <= i < len(value.items) for i in indices):
        raise ShapeError("an index outside of the list", where=c.node.where, got=list(indices))
    return stack_list(c, replace(value, items=tuple(value.items[i] for i in indices)))


def gather(c: Call) -> Value:
    return _gathered(c, _list(c, 0), c.ints(1))


def _scattered(c: Call, x: int, indices: Sequence[int], items: Sequence[object]) -> tuple[object, ...]:
    rows = list(items)
    for t, index in enumerate(indices):
        if not 0 <= index <= _LONGEST:
            raise ShapeError("an index outside of the list", where=c.node.where, got=index)
        rows += [None] * (index + 1 - len(rows))
        rows[index] = Row(x, t)
    return tuple(rows)


def scatter(c: Call) -> Value:
    """tensor, indices, element_shape [, num_elements]."""
    n = c.whole(3) if c.n > 3 else 0
    items = _scattered(c, c.x, c.ints(1), (None,) * max(min(n, _LONGEST), 0))
    return TensorList(items, c.shape()[1:], c.dtype())


def _pieces(c: Call, x: int, lengths: Sequence[int]) -> tuple[object, ...]:
    return tuple(axes.split(c.b, x, 0, list(lengths)))


def split(c: Call) -> Value:
    """tensor, element_shape, lengths."""
    return TensorList(_pieces(c, c.x, c.ints(2)), None, c.dtype())


def _joined(c: Call, value: TensorList) -> list[Value]:
    parts = [item_id(c, item, value) for item in value.items]
    if not parts:
        shape = [d or 0 for d in value.shape or (0,)]
        return [axes.full(c.b, [0, *shape[1:]], 0, value.dtype), c.trace.constant([])]
    lengths = c.trace.constant([c.b.shape(p)[0] for p in parts])
    return [axes.concat(c.b, parts, 0), lengths]


def concat(c: Call) -> list[Value]:
    return _joined(c, _list(c, 0))


def push_back(c: Call) -> Value:
    value = _list(c, 0)
    return replace(value, items=(*value.items, c.id(1)))


def pop_back(c: Call) -> list[Value]:
    value = _list(c, 0)
    if not value.items:
        raise ShapeError("an empty list has no last element", where=c.node.where)
    return [replace(value, items=value.items[:-1]), item_id(c, value.items[-1], value)]


def length(c: Call) -> Value:
    return c.trace.constant([len(_list(c, 0).items)], ())


def resize(c: Call) -> Value:
    value, n = _list(c, 0), _length(c, 1)
    return replace(value, items=(*value.items, *[None] * n)[:n])


# TensorArrays of TF1: the flow carries the list, the handle is only passed along.


def array(c: Call) -> list[Value]:
    shape = c.attr("element_shape")
    element = tuple(shape) if isinstance(shape, list) else None
    value = TensorList((None,) * _length(c, 0), element, c.word("dtype", "float32"))
    return [value, value]


def array_write(c: Call) -> Value:
    value, index = _list(c, 3), c.whole(1)
    if not 0 <= index <= _LONGEST:
        raise ShapeError("an index outside of the array", where=c.node.where, got=index)
    items = [*value.items, *[None] * (index + 1 - len(value.items))]
    items[index] = c.id(2)
    return replace(value, items=tuple(items))


def array_read(c: Call) -> Value:
    value = _list(c, 2)
    return item_id(c, value.items[_at(c, value, 1)], value)


def array_gather(c: Call) -> Value:
    return _gathered(c, _list(c, 2), c.ints(1))


def array_scatter(c: Call) -> Value:
    value = _list(c, 3)
    return replace(value, items=_scattered(c, c.id(2), c.ints(1), value.items), shape=c.shape(2)[1:])


def array_concat(c: Call) -> list[Value]:
    return _joined(c, _list(c, 1))


def array_split(c: Call) -> Value:
    value = _list(c, 3)
    return replace(value, items=_pieces(c, c.id(1), c.ints(2)), shape=None)


def array_size(c: Call) -> Value:
    return c.trace.constant([len(_list(c, 1).items)], ())


def nothing(c: Call) -> list[Value]:
    return []


def stray(c: Call) -> Value:
    raise GraphError("a loop that could not be matched", where=c.node.where)


_LISTS: dict[str, Lower] = {
    "EmptyTensorList": empty, "TensorListReserve": reserve, "TensorListFromTensor": from_tensor,
    "TensorListGetItem": get_item, "TensorListSetItem": set_item, "TensorListStack": stack, "TensorListGather": gather,
    "TensorListScatter": scatter, "TensorListScatterV2": scatter, "TensorListSplit": split, "TensorListConcat": concat,
    "TensorListConcatV2": concat, "TensorListPushBack": push_back, "TensorListPopBack": pop_back,
    "TensorListLength": length, "TensorListResize": resize,
}  # fmt: skip
_ARRAYS: dict[str, Lower] = {
    "TensorArrayV3": array, "TensorArrayWriteV3": array_write, "TensorArrayReadV3": array_read,
    "TensorArrayGatherV3": array_gather, "TensorArrayScatterV3": array_scatter, "TensorArrayConcatV3": array_concat,
    "TensorArraySplitV3": array_split, "TensorArraySizeV3": array_size, "TensorArrayCloseV3": nothing,
}  # fmt: skip
ROWS: dict[str, Lower] = {
    **_LISTS, **_ARRAYS, "_SwitchN": branches.switch_n, "Switch": branches.switch, "RefSwitch": branches.switch, "Merge": branches.merge,
    "RefMerge": branches.merge, "StatelessIf": branches.if_, "If": branches.if_,
    "StatelessWhile": loops.while_, "While": loops.while_, "PartitionedCall": calls.partitioned_call,
    "StatefulPartitionedCall": calls.partitioned_call, "LoopCond": stray, "Enter": stray, "Exit": stray,
    "NextIteration": stray,
}  # fmt: skip
