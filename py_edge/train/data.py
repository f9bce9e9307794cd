"""Examples as rows of bytes, and the copying of a batch into a run's inputs.

N: rows of a batch. Everything that the loop does per step in Python is here; it joins row slices and touches no number.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from py_edge.errors import ShapeError, ValueRangeError
from py_edge.tensor import ITEM_BYTES, Tensor, count


class Rows:
    """The rows of one tensor (first axis: examples) as slices of its bytes."""

    __slots__ = ("data", "row_bytes", "tensor")

    def __init__(self, tensor: Tensor) -> None:
        if not tensor.shape:
            raise ShapeError("examples need a first axis", got=tensor.shape)
        self.tensor = tensor
        self.data = tensor.data.cast("B") if tensor.nbytes else memoryview(b"")
        self.row_bytes = count(tensor.shape[1:]) * ITEM_BYTES[tensor.dtype]

    def __len__(self) -> int:
        return self.tensor.shape[0]

    def copy_to(self, view: memoryview, indices: Sequence[int]) -> None:
        """Rows `indices` into view, which has room for exactly as many."""
        size, data = self.row_bytes, self.data
        view[:] = b"".join([data[i * size : i * size + size] for i in indices])

    def row(self, index: int) -> bytes:
        return bytes(self.data[index * self.row_bytes : (index + 1) * self.row_bytes])


def stacked(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors of equal rows one after another along the first axis."""
    first = tensors[0]
    if any(t.shape[1:] != first.shape[1:] or t.dtype != first.dtype for t in tensors):
        raise ShapeError(
            "rows differ", got=[(t.shape, t.dtype) for t in tensors], want=(first.shape, first.dtype)
        )
    data = b"".join(t.data.tobytes() for t in tensors)
    return Tensor(memoryview(data), (sum(t.shape[0] for t in tensors), *first.shape[1:]), first.dtype)


def named(x: Any, names: Sequence[str], what: str) -> dict[str, Tensor]:
    """x as name -> Tensor: a mapping, a list in the order of `names` when there are several, or one array."""
    if isinstance(x, Mapping):
        found = {name: Tensor.of(value) for name, value in x.items()}
    elif len(names) > 1 and isinstance(x, (list, tuple)) and len(x) == len(names):
        found = {name: Tensor.of(value) for name, value in zip(names, x, strict=True)}
    else:
        found = {names[0]: Tensor.of(x)}
    if set(found) != set(names):
        raise ShapeError(f"{what} do not match the model's", got=sorted(found), want=sorted(names))
    lengths = {name: tensor.shape[:1] for name, tensor in found.items()}
    if len(set(lengths.values())) != 1:
        raise ShapeError(f"{what} have unequal numbers of examples", got=str(lengths))
    if () in lengths.values() or (0,) in lengths.values():
        raise ShapeError(f"{what} hold no example", got=str(lengths), want="one at least")
    return found


def same_length(inputs: Mapping[str, Rows], truths: Mapping[str, Rows]) -> None:
    """Raises ShapeError: x and y have unequal numbers of examples."""
    n, others = len(next(iter(inputs.values()))), [len(rows) for rows in truths.values()]
    if any(other != n for other in others):
        raise ShapeError("x and y have unequal numbers of examples", got=n, want=others)


def order(n: int, seed: int, epoch: int, shuffle: bool) -> list[int]:
    """The order of an epoch's examples: a pure function of seed and epoch, so that a resumed run has the same."""
    indices = list(range(n))
    if shuffle:
        random.Random(f"{seed}:{epoch}").shuffle(indices)
    return indices


def batches(indices: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(indices), size):
        yield indices[start : start + size]


def put_floats(view: memoryview, values: Sequence[float]) -> None:
    view[: 4 * len(values)] = struct.pack(f"<{len(values)}f", *values)


def class_indices(truth: Tensor) -> list[int]:
    """The class of each example, from labels (n,), (n, 1) or one-hot rows (n, C)."""
    flat = truth.flat
    width = count(truth.shape[1:])
    if width == 1:
        return [int(v) for v in flat]
    return [max(range(width), key=lambda c, at=i * width: flat[at + c]) for i in range(truth.shape[0])]  # type: ignore[misc]


def example_weights(
    n: int, sample_weight: Any, class_weight: Mapping[int, float] | None, truth: Tensor
) -> list[float] | None:
    """One weight per example, or None for all ones. Raises ValueRangeError: negative or not finite."""
    if sample_weight is None and not class_weight:
        return None
    weights = (
        [1.0] * n if sample_weight is None else [float(v) for v in Tensor.of(sample_weight, "float32").flat]
    )
    if len(weights) != n:
        raise ShapeError("one sample weight per example", got=len(weights), want=n)
    if class_weight:
        weights = [w * class_weight.get(c, 1.0) for w, c in zip(weights, class_indices(truth), strict=True)]
    if not all(0.0 <= w < float("inf") for w in weights):
        raise ValueRangeError("sample weights must be finite and not negative", where="sample_weight")
    return weights
