"""Random weights with a fixed seed that keep activations in range through any depth, by the weight's role.

numpy's generator, not Keras's: the same bytes on every machine.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from typing import Any

import numpy as np

SEED = 20261123
_RESIDUAL_END = ("project_BN", "project/BatchNorm", "_3_bn", "project_bn")


def generator(model_id: str) -> np.random.Generator:
    """A stream of its own for every model."""
    return np.random.default_rng([SEED, zlib.crc32(model_id.encode())])


def fill(model: Any, seed: int = SEED) -> None:
    """Replace every weight of a Keras model."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        damp = 0.3 if layer.name.endswith(_RESIDUAL_END) else 1.0
        layer.set_weights([_draw(rng, w.name, tuple(w.shape), damp) for w in layer.weights])


def _draw(rng: np.random.Generator, name: str, shape: tuple[int, ...], damp: float) -> Any:
    kind = name.split("/")[-1].split(":")[0]
    if kind == "gamma":
        value = damp * rng.uniform(0.8, 1.2, shape)
    elif kind == "moving_variance":
        value = rng.uniform(0.8, 1.2, shape)
    elif kind in ("bias", "beta", "moving_mean"):
        value = rng.normal(0.0, 0.1, shape)
    elif kind == "depthwise_kernel":
        value = rng.normal(0.0, math.sqrt(2 / (shape[0] * shape[1])), shape)
    elif len(shape) == 4:
        value = rng.normal(0.0, math.sqrt(2 / math.prod(shape[:3])), shape)
    else:
        value = rng.normal(0.0, math.sqrt(1 / shape[0]), shape)
    return value.astype(np.float32)


def digest(arrays: list[Any]) -> str:
    """sha256 over the bytes of all arrays in order."""
    state = hashlib.sha256()
    for array in arrays:
        state.update(np.ascontiguousarray(array).tobytes())
    return state.hexdigest()
