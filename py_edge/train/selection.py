"""What to train: names of weights from a short wish.

"last": the last layer that has weights; k: the last k such layers; "all"; "biases"; or a list of names and patterns (fnmatch).
Weights are grouped into layers by what stands before the last slash.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase

from py_edge.errors import NotFoundError, ValueRangeError

Wish = str | int | Collection[str]
_OPERATION = re.compile(
    r"(ReadVariableOp|resource|MatMul|BiasAdd|Conv2D|convolution|Cast|[Aa]dd|[Mm]ul|[Ss]ub|Read|Reshape|Tensordot|GatherV2"
    r"|batchnorm|depthwise|merged_input|strided_slice|FusedBatchNormV3)(_\d+|_weights|_bn_offset)*"
)


def layer_of(weight: str) -> str:
    """What stands before the role: `dense/kernel` -> dense; `m/dense/MatMul/ReadVariableOp` of a graph-model -> m/dense."""
    own = weight.split("/")[:-1]
    while own and _OPERATION.fullmatch(own[-1]):
        own.pop()
    return "/".join(own) or weight


def select_weights(names: Sequence[str], wish: Wish, biases: Collection[str] = ()) -> list[str]:
    """names: every weight that may learn, in the order in which the model uses them; biases: those among them that are (see
    roles). Returns those to train, in that order.

    Raises NotFoundError: nothing fits; ValueRangeError: k < 1.
    """
    layers = list(dict.fromkeys(layer_of(name) for name in names))
    if isinstance(wish, bool) or (isinstance(wish, int) and wish < 1):
        raise ValueRangeError("train at least one layer", where="layers", got=wish)
    if wish == "all":
        chosen = list(names)
    elif wish == "biases":
        chosen = [name for name in names if name in biases]
    elif wish in ("last", "head") or isinstance(wish, int):
        kept = set(layers[-(wish if isinstance(wish, int) else 1) :])
        chosen = [name for name in names if layer_of(name) in kept]
    else:
        patterns = [wish] if isinstance(wish, str) else list(wish)
        chosen = [
            name for name in names if any(fnmatchcase(name, p) or layer_of(name) == p for p in patterns)
        ]
    if not chosen:
        raise NotFoundError(
            "no weight fits what is to be trained", where="layers", got=str(wish), want=list(names)[:20]
        )
    return chosen
