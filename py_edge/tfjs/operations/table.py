"""All operations by name, and which class of a topology is one. To add one: a function in a family file, its name in that
file's ROWS.

`x * 2` is TFOpLambda "math.multiply" in Keras 2 and class Multiply with args [x, 2.0] in Keras 3; both end here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from py_edge.errors import PolicyError
from py_edge.tfjs.layers.call import Call
from py_edge.tfjs.naming import snake_case
from py_edge.tfjs.operations import elementwise, indexing, movement, products, reductions
from py_edge.tfjs.operations.args import Args, Operation

_LAMBDAS = frozenset({"TFOpLambda", "SlicingOpLambda"})
_OPERATION_HOMES = ("keras.src.ops", "keras.ops", "keras.src.operations")
_ALSO_LAYERS = frozenset(
    {"Add", "Multiply", "Subtract", "Maximum", "Minimum", "Average", "Concatenate", "Dot", "Reshape"}
)

OPERATIONS: dict[str, Operation] = {
    **elementwise.ROWS, **reductions.ROWS, **products.ROWS, **movement.ROWS, **indexing.ROWS,
}  # fmt: skip


def is_operation(kind: str, module: str, config: Mapping[str, Any], args: Sequence[Any]) -> bool:
    """Whether a class of the topology is an operation. The .keras route strips `module`: then a non-tensor argument,
    two tensors side by side, or a config without `trainable` tell it from the layer of the same name."""
    if kind in _LAMBDAS or module.startswith(_OPERATION_HOMES):
        return True
    if kind == "Reshape":
        return "target_shape" not in config
    if kind in _ALSO_LAYERS:
        return len(args) > 1 and not isinstance(args[0], list) and "trainable" not in config
    return "trainable" not in config and snake_case(kind) in OPERATIONS


def operation_of(kind: str, config: Mapping[str, Any]) -> Operation:
    """Raises PolicyError for a function that is not in the table: a file never chooses what code runs."""
    if kind in _LAMBDAS:
        function = config.get("function")
        name = str(function).rpartition(".")[2]
    else:
        function, name = kind, snake_case(kind)
    if name not in OPERATIONS:
        want = f"one of {len(OPERATIONS)} operations"
        raise PolicyError("a function outside of the table", got=function, want=want)
    return OPERATIONS[name]


def lower_operation(c: Call) -> int | list[int]:
    """Raises PolicyError as operation_of does, and what the operation raises."""
    return operation_of(c.kind, c.config)(Args(c))
