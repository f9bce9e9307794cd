"""A head with more classes, in place: the last dense layer gets columns, everything else stays what it was.

New columns start as the mean of the old ones with a lower bias, so that old answers hardly change before training.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from py_edge import tfjs
from py_edge.errors import UnsupportedError, ValueRangeError
from py_edge.model import Model
from py_edge.tensor import Tensor

LOWER = 2.0  # how far below the mean bias a new class begins: about a seventh of the odds


def grow_head(model: Model, classes: int) -> None:
    """Give a layers-model's last layer `classes` outputs; the model is changed in place.

    Raises UnsupportedError: no Dense layer with a bias at the end; ValueRangeError: fewer classes than now.
    """
    last = next((part for part in reversed(model.layers) if part.weights), None)
    if last is None or last.kind != "Dense" or len(last.weights) != 2 or model.tfjs.format != "layers-model":
        raise UnsupportedError("only a Dense head with a bias can grow", got=last.kind if last else None)
    kernel, bias = (model.weights[name] for name in last.weights)
    old = kernel.shape[-1]
    if classes < old:
        raise ValueRangeError("a head does not shrink", got=classes, want=f"at least {old}")
    if classes == old:
        return
    wider = {last.weights[0]: _wider(kernel, classes, 0.0), last.weights[1]: _wider(bias, classes, LOWER)}
    document = json.loads(json.dumps(model.tfjs.document))
    if not _set_units(document, last.name, old, classes):
        raise UnsupportedError("the topology does not tell this layer's units", where=last.name)
    weights = {**model.weights, **wider}
    entries = [{"name": n, "shape": list(t.shape), "dtype": t.dtype} for n, t in weights.items()]
    document["weightsManifest"] = [{"paths": ["group1-shard1of1.bin"], "weights": entries}]
    shard = b"".join(t.tobytes() for t in weights.values())
    model.replace(
        tfjs.load_model({"model.json": json.dumps(document).encode(), "group1-shard1of1.bin": shard})
    )


def _wider(tensor: Tensor, classes: int, lower: float) -> Tensor:
    """(.., old) -> (.., classes): each row goes on with its mean, less `lower`."""
    old, values = tensor.shape[-1], tensor.flat.tolist()
    rows: list[float] = []
    for at in range(0, len(values), old):
        row = values[at : at + old]
        rows += row + [sum(row) / old - lower] * (classes - old)
    return Tensor.from_flat(rows, (*tensor.shape[:-1], classes))


def _set_units(raw: Any, name: str, old: int, classes: int) -> bool:
    """Change `units` in the config of that name, anywhere in the topology."""
    if isinstance(raw, dict):
        own: Mapping[str, Any] = raw
        if own.get("name") == name.rpartition("/")[2] and own.get("units") == old:
            raw["units"] = classes
            return True
        return any(_set_units(value, name, old, classes) for value in raw.values())
    items: Sequence[Any] = raw if isinstance(raw, list) else ()
    return any(_set_units(value, name, old, classes) for value in items)
