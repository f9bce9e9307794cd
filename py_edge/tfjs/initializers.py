"""First values of weights, from Keras initialiser configs and a seed. Also the closed list of what a config may name."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from typing import Any

from py_edge.errors import PolicyError, UnsupportedError, ValueRangeError
from py_edge.tensor import Tensor, count

_SCALING = {  # name: (scale, mode, distribution)
    "glorot_uniform": (1.0, "fan_avg", "uniform"), "glorot_normal": (1.0, "fan_avg", "truncated_normal"),
    "he_uniform": (2.0, "fan_in", "uniform"), "he_normal": (2.0, "fan_in", "truncated_normal"),
    "lecun_uniform": (1.0, "fan_in", "uniform"), "lecun_normal": (1.0, "fan_in", "truncated_normal"),
}  # fmt: skip
_OTHERS = {"zeros", "ones", "constant", "random_uniform", "random_normal", "truncated_normal", "identity",
           "variance_scaling", "orthogonal"}  # fmt: skip
INITIALIZERS = frozenset(_SCALING) | _OTHERS
REGULARIZERS = frozenset({"l1", "l2", "l1l2", "orthogonalregularizer"})
CONSTRAINTS = frozenset({"maxnorm", "unitnorm", "nonneg", "minmaxnorm", "radialconstraint"})
_ALIASES = {"uniform": "random_uniform", "normal": "random_normal", "zero": "zeros", "one": "ones",
            "identityinitializer": "identity"}  # fmt: skip


def plain_name(raw: Any, where: str, what: str) -> tuple[str, Mapping[str, Any]]:
    """(name, config) of an object spelled 'name' or {class_name, config}. Raises PolicyError for module paths."""
    if isinstance(raw, str):
        return raw, {}
    if isinstance(raw, Mapping) and isinstance(raw.get("class_name"), str):
        name, config = raw["class_name"], raw.get("config") or {}
        if "." in name or "/" in name:
            raise PolicyError("a class is named by its plain name, never by a path", where=where, got=name)
        if not isinstance(config, Mapping):
            raise UnsupportedError(f"the config of this {what} is not an object", where=where, got=name)
        return name, config
    raise UnsupportedError(f"not the name of a {what}", where=where, got=raw)


def _key(name: str) -> str:
    squeezed = name.replace("_", "").lower()
    for known in INITIALIZERS:
        if squeezed == known.replace("_", ""):
            return known
    return _ALIASES.get(squeezed, squeezed)


def check_initializer(raw: Any, where: str) -> None:
    """Raises UnsupportedError for a name that is not on the list."""
    if raw is not None and _key(plain_name(raw, where, "initializer")[0]) not in INITIALIZERS:
        raise UnsupportedError("unknown initializer", where=where, got=raw, want=sorted(INITIALIZERS))


def check_one_of(raw: Any, known: frozenset[str], where: str, what: str) -> None:
    """Regularizers and constraints: only the name is looked at."""
    if raw is None:
        return
    name = plain_name(raw, where, what)[0]
    if name.replace("_", "").lower() not in known:
        raise UnsupportedError(f"unknown {what}", where=where, got=name, want=sorted(known))


def initialize(raw: Any, shape: tuple[int, ...], rng: random.Random, where: str = "") -> Tensor:
    """A float32 tensor of `shape` drawn as the config says. rng: the caller's seeded generator."""
    name, config = plain_name(raw, where, "initializer")
    key, n = _key(name), count(shape)
    if key not in INITIALIZERS:
        raise UnsupportedError("unknown initializer", where=where, got=name, want=sorted(INITIALIZERS))
    if key in _SCALING or key == "variance_scaling":
        scale, mode, distribution = _SCALING.get(key) or (
            float(config.get("scale", 1)), config.get("mode", "fan_in"), config.get("distribution", "truncated_normal")
        )  # fmt: skip
        return Tensor.from_flat(_scaled(n, shape, scale, mode, distribution, rng), shape)
    if key == "orthogonal":
        return Tensor.from_flat(_orthogonal(shape, float(config.get("gain", 1)), rng), shape)
    if key == "identity":
        if len(shape) != 2:
            raise ValueRangeError("identity wants a matrix", where=where, got=shape)
        gain = float(config.get("gain", 1))
        return Tensor.from_flat([gain * (i % shape[1] == i // shape[1]) for i in range(n)], shape)
    mean, deviation = float(config.get("mean", 0)), float(config.get("stddev", 0.05))
    low, high = float(config.get("minval", -0.05)), float(config.get("maxval", 0.05))
    draw: Callable[[], float] = {
        "zeros": lambda: 0.0, "ones": lambda: 1.0, "constant": lambda: float(config.get("value", 0)),
        "random_uniform": lambda: rng.uniform(low, high), "random_normal": lambda: rng.gauss(mean, deviation),
        "truncated_normal": lambda: mean + deviation * _truncated(rng),
    }[key]  # fmt: skip
    return Tensor.from_flat([draw() for _ in range(n)], shape)


def _fans(shape: tuple[int, ...]) -> tuple[float, float]:
    if len(shape) < 2:
        return float(count(shape)), float(count(shape))
    window = count(shape[:-2])
    return float(shape[-2] * window), float(shape[-1] * window)


def _scaled(
    n: int, shape: tuple[int, ...], scale: float, mode: str, distribution: str, rng: random.Random
) -> list[float]:
    fan_in, fan_out = _fans(shape)
    fan = {"fan_in": fan_in, "fan_out": fan_out}.get(
        mode.replace("fanIn", "fan_in").replace("fanOut", "fan_out")
    )
    variance = scale / max(1.0, fan if fan is not None else (fan_in + fan_out) / 2)
    if distribution == "uniform":
        limit = math.sqrt(3 * variance)
        return [rng.uniform(-limit, limit) for _ in range(n)]
    if distribution == "untruncated_normal":
        return [rng.gauss(0, math.sqrt(variance)) for _ in range(n)]
    deviation = math.sqrt(variance) / 0.87962566103423978
    return [deviation * _truncated(rng) for _ in range(n)]


def _truncated(rng: random.Random) -> float:
    """Standard normal, redrawn outside of two deviations."""
    while abs(value := rng.gauss(0, 1)) > 2:
        pass
    return value


def _orthogonal(shape: tuple[int, ...], gain: float, rng: random.Random) -> list[float]:
    """Rows or columns, whichever are fewer, orthonormal: modified Gram-Schmidt over normal draws."""
    rows, columns = count(shape[:-1]), shape[-1]
    short, long = sorted((rows, columns))
    basis: list[list[float]] = []
    while len(basis) < short:
        vector = [rng.gauss(0, 1) for _ in range(long)]
        for other in basis:
            along = sum(a * c for a, c in zip(vector, other, strict=True))
            vector = [a - along * c for a, c in zip(vector, other, strict=True)]
        length = math.sqrt(sum(a * a for a in vector))
        if length > 1e-6:
            basis.append([a / length for a in vector])
    if rows <= columns:
        return [gain * value for vector in basis for value in vector]
    return [gain * basis[j][i] for i in range(rows) for j in range(columns)]
