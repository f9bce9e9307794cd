"""Penalties on weights and constraints after an update, by Keras' names, as graph ops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from py_edge.errors import UnsupportedError
from py_edge.graph import Builder
from py_edge.train.losses import EPSILON, clip, plain


def penalty(b: Builder, config: Mapping[str, Any], weight: int) -> int | None:
    """config: a serialised Keras regularizer ({class_name, config}). l1 sum |w| + l2 sum w^2; None where both are 0."""
    name, own = plain(str(config.get("class_name", ""))), config.get("config") or {}
    l1, l2 = _rate(own, name, "l1"), _rate(own, name, "l2")
    if name not in ("l1l2", "l1", "l2"):
        raise UnsupportedError("unknown regularizer", got=config.get("class_name"), want=["L1", "L2", "L1L2"])
    axes = tuple(range(b.rank(weight)))
    parts = [
        b.mul(b.reduce(b.op(size, weight), kind="sum", axes=axes, keepdims=False), rate)
        for rate, size in ((l1, "abs"), (l2, "square"))
        if rate
    ]
    return (b.add(*parts) if len(parts) == 2 else parts[0]) if parts else None


def _rate(own: Mapping[str, Any], name: str, key: str) -> float:
    default = 0.01 if name == "l1l2" else (0.01 if name == key else 0.0)
    value = own.get(key, default)
    return float(value) if isinstance(value, (int, float)) else 0.0


def constrained(b: Builder, config: Mapping[str, Any], weight: int) -> int:
    """config: a serialised Keras constraint: MaxNorm, UnitNorm, NonNeg, MinMaxNorm. The weight as it must be."""
    name, own = plain(str(config.get("class_name", ""))), config.get("config") or {}
    if name == "nonneg":
        return b.relu(weight)
    if name == "unitnorm":
        return b.div(weight, b.add(_norm(b, weight, _axes(b, weight, own)), EPSILON))
    if name == "maxnorm":
        norm, bound = (
            _norm(b, weight, _axes(b, weight, own)),
            float(own.get("max_value", own.get("maxValue", 2.0))),
        )
        return b.mul(weight, b.div(clip(b, norm, 0.0, bound), b.add(norm, EPSILON)))
    if name == "minmaxnorm":
        norm = _norm(b, weight, _axes(b, weight, own))
        low, high = float(own.get("min_value", 0.0)), float(own.get("max_value", 1.0))
        rate = float(own.get("rate", 1.0))
        wanted = b.add(b.mul(clip(b, norm, low, high), rate), b.mul(norm, 1.0 - rate))
        return b.mul(weight, b.div(wanted, b.add(norm, EPSILON)))
    raise UnsupportedError("unknown constraint", got=config.get("class_name"))


def _axes(b: Builder, weight: int, own: Mapping[str, Any]) -> tuple[int, ...]:
    axis = own.get("axis", 0)
    axes: Sequence[int] = axis if isinstance(axis, (list, tuple)) else [0 if axis is None else axis]
    return tuple(a % b.rank(weight) for a in axes)


def _norm(b: Builder, weight: int, axes: tuple[int, ...]) -> int:
    return b.sqrt(b.reduce(b.square(weight), kind="sum", axes=axes, keepdims=True))


def rules_of(
    document: Mapping[str, Any], layers: Sequence[Any]
) -> tuple[dict[str, Mapping[str, Any]], dict[str, Mapping[str, Any]]]:
    """(penalties, constraints) by weight name, from the layer configs of a layers-model's document.

    A weight's role is the last part of its name: `dense/kernel` has the config's `kernel_regularizer`, `kernel_constraint`.
    """
    configs: dict[str, Mapping[str, Any]] = {}
    _collect(document.get("modelTopology"), configs)
    penalties: dict[str, Mapping[str, Any]] = {}
    constraints: dict[str, Mapping[str, Any]] = {}
    for part in layers:
        own = configs.get(part.name.rpartition("/")[2], {})
        for weight in part.weights:
            role = weight.removesuffix(":0").rpartition("/")[2]
            for kind, found in (("regularizer", penalties), ("constraint", constraints)):
                rule = own.get(f"{role}_{kind}")
                if isinstance(rule, Mapping):
                    found[weight] = rule
    return penalties, constraints


def _collect(raw: Any, configs: dict[str, Mapping[str, Any]]) -> None:
    """Every {name: ...} config anywhere in the topology (depth is bounded by the loader)."""
    if isinstance(raw, Mapping):
        if isinstance(raw.get("name"), str):
            configs.setdefault(raw["name"], raw)
        for value in raw.values():
            _collect(value, configs)
    elif isinstance(raw, list):
        for value in raw:
            _collect(value, configs)
