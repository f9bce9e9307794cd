"""Arguments of one operation in a Keras model: positional or by keyword, tensors, numbers, constants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from py_edge.errors import GraphError, ShapeError, UnsupportedError
from py_edge.tfjs.layers.call import Call, Sym
from py_edge.tfjs.static_values import StaticValues

Operation = Callable[["Args"], "int | list[int]"]


class Args:
    """Arguments of one operation: positional first, then keywords by any of their names."""

    def __init__(self, call: Call) -> None:
        self.c, self.b = call, call.b
        self._args = list(call.args)
        self._kwargs = {
            k: v for k, v in {**call.config, **call.kwargs}.items() if k not in ("trainable", "function")
        }

    def raw(self, place: int, *names: str, default: Any = None) -> Any:
        if place < len(self._args):
            return self._args[place]
        for name in names:
            if name in self._kwargs and self._kwargs[name] is not None:
                return self._kwargs[name]
        return default

    def value(self, place: int, *names: str, like: int | None = None) -> int:
        """A tensor: a Sym, or a number or nested lists as a constant (of the dtype of `like`)."""
        raw = self.raw(place, *names)
        if isinstance(raw, Sym):
            return raw.id
        raw = plain(raw)
        if raw is None or isinstance(raw, str):
            raise ShapeError("an operand is missing", where=self.c.where, got=raw)
        dtype = self.b.dtype(like) if like is not None else None
        if isinstance(raw, (int, float)) and not isinstance(raw, bool):
            return self.b.scalar(raw, dtype if dtype in ("float32", "int32") else "float32")
        return self.b.constant(raw, dtype)

    def pair(self) -> tuple[int, int]:
        """Two operands; a number takes the dtype of the tensor beside it."""
        first, second = self.raw(0, "x", "x1", "a"), self.raw(1, "y", "x2", "b")
        if isinstance(first, Sym):
            return first.id, self.value(1, "y", "x2", "b", like=first.id)
        if isinstance(second, Sym):
            return self.value(0, "x", "x1", "a", like=second.id), second.id
        raise ShapeError("an operation without a tensor", where=self.c.where)

    @property
    def x(self) -> int:
        return self.value(
            0, "x", "input", "input_tensor", "tensor", "features", "inputs", "a", "logits", "images", "params"
        )

    def axis(self, place: int, default: Any = None) -> list[int] | None:
        raw = self.raw(place, "axis", "axes", "dims", "axis1", default=default)
        if raw is None:
            return None
        return [int(a) for a in raw] if isinstance(raw, (list, tuple)) else [int(raw)]

    def dims(self, place: int, *names: str) -> list[int]:
        """A list of whole numbers; tensors that only depend on shapes count, as tf.shape(x)[0] does."""
        raw = self._numbers(self.raw(place, *names))
        if not isinstance(raw, list) or any(not isinstance(d, int) for d in raw):
            raise UnsupportedError("a shape that depends on data", where=self.c.where, got=raw)
        return raw

    def _numbers(self, raw: Any) -> Any:
        raw = plain(raw)
        if isinstance(raw, Sym):
            return StaticValues(self.b.graph).of(raw.id)
        if not isinstance(raw, (list, tuple)):
            return [raw]
        found = [self._numbers(item) for item in raw]
        return [d for item in found for d in item] if all(isinstance(i, list) for i in found) else None

    def tensors(self, *names: str) -> list[int]:
        """The tensors of a list, or of all positional arguments."""
        first = self.raw(0, *names)
        items = first if isinstance(first, (list, tuple)) else self._args
        return [item.id for item in items if isinstance(item, Sym)]

    def operands(self, place: int, *names: str) -> list[int]:
        """Tensors from a place on: einsum's."""
        listed = self.raw(99, *names) or self._args[place:]
        found = [item.id for item in listed if isinstance(item, Sym)]
        if not found:
            raise GraphError(
                "the file does not tell the tensors: tf_keras leaves out those that a call takes as *args",
                where=self.c.where, remedy="convert the SavedModel to a graph-model",
            )  # fmt: skip
        return found


def plain(raw: Any) -> Any:
    """Keras 3's wrapped constants as nested lists."""
    if isinstance(raw, Mapping) and raw.get("class_name") in ("__numpy__", "__tensor__"):
        return raw["config"]["value"]
    return raw
