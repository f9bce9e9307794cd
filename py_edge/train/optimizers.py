"""Optimizers as graph ops: (weight, gradient, state) -> (weight, state), so that a plan fuses them into the step.

Numbers are Keras': epsilon is added to the uncorrected root in Adam, inside the root in RMSprop. `numerics="tfjs"` gives
TF.js' Adam instead. What depends on the iteration is computed outside and handed in as scalar inputs (`rates`).
Sources: keras.optimizers 2.19 and tfjs-core 4.22 `optimizers/`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from py_edge.errors import ValueRangeError
from py_edge.graph import Builder
from py_edge.train.losses import plain

Rates = Mapping[str, int]
Update = Callable[[Builder, "Optimizer", Rates, int, int, Sequence[int]], tuple[int, list[int]]]
Schedule = Callable[[int], float]


@dataclass(frozen=True, slots=True)
class Rule:
    """slots: state per weight and its first value; options: defaults; update: the graph ops."""

    update: Update
    slots: Callable[[Mapping[str, Any]], dict[str, float]]
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Optimizer:
    """rule: a name of RULES. learning_rate: a number or a schedule, iteration (from 0) -> number.

    clip_value, clip_norm (each weight), global_clip_norm: bounds on gradients, 0 for none. weight_decay: decoupled.
    """

    rule: str = "adam"
    learning_rate: float | Schedule = 0.001
    options: Mapping[str, Any] = field(default_factory=dict)
    clip_value: float = 0.0
    clip_norm: float = 0.0
    global_clip_norm: float = 0.0
    weight_decay: float = 0.0
    numerics: str = "keras"

    def slots(self) -> dict[str, float]:
        """State variables per weight: name -> first value."""
        return RULES[self.rule].slots(self.options)

    def rate_at(self, iteration: int) -> float:
        return self.learning_rate(iteration) if callable(self.learning_rate) else self.learning_rate

    def rates(self, iteration: int) -> dict[str, float]:
        """The scalar inputs of step number `iteration`, counted from 0."""
        rate, t = self.rate_at(iteration), iteration + 1
        found = {"learning_rate": rate}
        if self.rule == "adam":
            first, second = 1 - self.options["beta_1"] ** t, math.sqrt(1 - self.options["beta_2"] ** t)
            found["step_size"] = rate * second / first
            found["epsilon"] = self.options["epsilon"] * (second if self.numerics == "tfjs" else 1.0)
        elif self.rule == "adamax":
            found["step_size"] = rate / (1 - self.options["beta_1"] ** t)
        return found

    def update(
        self, b: Builder, rates: Rates, weight: int, gradient: int, slots: Sequence[int]
    ) -> tuple[int, list[int]]:
        """New weight and new state, given the state in the order of `slots()`."""
        if self.weight_decay:
            weight = b.sub(weight, b.mul(weight, b.mul(rates["learning_rate"], self.weight_decay)))
        return RULES[self.rule].update(b, self, rates, weight, gradient, slots)

    def clipped(self, b: Builder, gradients: Mapping[int, int]) -> dict[int, int]:
        """weight -> gradient within the bounds."""
        found = dict(gradients)
        if self.clip_value:
            found = {w: b.minimum(b.maximum(g, -self.clip_value), self.clip_value) for w, g in found.items()}
        if self.clip_norm:
            found = {w: b.mul(g, _shrink(b, _square_sum(b, g), self.clip_norm)) for w, g in found.items()}
        if self.global_clip_norm and found:
            total = None
            for g in found.values():
                total = _square_sum(b, g) if total is None else b.add(total, _square_sum(b, g))
            assert total is not None
            factor = _shrink(b, total, self.global_clip_norm)
            found = {w: b.mul(g, factor) for w, g in found.items()}
        return found


def _square_sum(b: Builder, value: int) -> int:
    return b.reduce(b.square(value), kind="sum", axes=tuple(range(b.rank(value))), keepdims=False)


def _shrink(b: Builder, square: int, bound: float) -> int:
    """bound / max(norm, bound)."""
    return b.div(bound, b.maximum(b.sqrt(square), bound))


def _decayed(b: Builder, old: int, new: int, keep: float) -> int:
    """keep old + (1 - keep) new, as Keras writes it."""
    return b.add(old, b.mul(b.sub(new, old), 1.0 - keep))


def _sgd(b: Builder, o: Optimizer, r: Rates, w: int, g: int, s: Sequence[int]) -> tuple[int, list[int]]:
    step = b.mul(g, r["learning_rate"])
    if not s:
        return b.sub(w, step), []
    velocity = b.sub(b.mul(s[0], float(o.options["momentum"])), step)
    if o.options["nesterov"]:
        return b.add(w, b.sub(b.mul(velocity, float(o.options["momentum"])), step)), [velocity]
    return b.add(w, velocity), [velocity]


def _adam(b: Builder, o: Optimizer, r: Rates, w: int, g: int, s: Sequence[int]) -> tuple[int, list[int]]:
    if o.options["amsgrad"]:
        return _amsgrad(b, o, r, w, g, s)
    betas = {key: float(o.options[key]) for key in ("beta_1", "beta_2")}
    new, m, v = b.ops("adam", w, g, *s, r["step_size"], r["epsilon"], **betas)
    return new, [m, v]


def _amsgrad(b: Builder, o: Optimizer, r: Rates, w: int, g: int, s: Sequence[int]) -> tuple[int, list[int]]:
    m = _decayed(b, s[0], g, o.options["beta_1"])
    v = _decayed(b, s[1], b.square(g), o.options["beta_2"])
    top = b.maximum(s[2], v)
    root = b.add(b.sqrt(top), r["epsilon"])
    return b.sub(w, b.div(b.mul(m, r["step_size"]), root)), [m, v, top]


def _adamax(b: Builder, o: Optimizer, r: Rates, w: int, g: int, s: Sequence[int]) -> tuple[int, list[int]]:
    m = _decayed(b, s[0], g, o.options["beta_1"])
    u = b.maximum(b.mul(s[1], float(o.options["beta_2"])), b.abs(g))
    return b.sub(w, b.div(b.mul(m, r["step_size"]), b.add(u, float(o.options["epsilon"])))), [m, u]


def _adagrad(b: Builder, o: Optimizer, r: Rates, w: int, g: int, s: Sequence[int]) -> tuple[int, list[int]]:
    total = b.add(s[0], b.square(g))
    return b.sub(w, b.div(b.mul(g, r["learning_rate"]), b.sqrt(b.add(total, float(o.options["epsilon"]))))), [
        total
    ]


def _adadelta(b: Builder, o: Optimizer, r: Rates, w: int, g: int, s: Sequence[int]) -> tuple[int, list[int]]:
    epsilon = float(o.options["epsilon"])
    squares = _decayed(b, s[0], b.square(g), o.options["rho"])
    delta = b.mul(b.div(b.sqrt(b.add(s[1], epsilon)), b.sqrt(b.add(squares, epsilon))), g)
    steps = _decayed(b, s[1], b.square(delta), o.options["rho"])
    return b.sub(w, b.mul(delta, r["learning_rate"])), [squares, steps]


def _rmsprop(b: Builder, o: Optimizer, r: Rates, w: int, g: int, s: Sequence[int]) -> tuple[int, list[int]]:
    squares, state = _decayed(b, s[0], b.square(g), o.options["rho"]), list(s[1:])
    under = squares
    if o.options["centered"]:
        state[0] = _decayed(b, s[1], g, o.options["rho"])
        under = b.sub(squares, b.square(state[0]))
    step = b.div(b.mul(g, r["learning_rate"]), b.sqrt(b.add(under, float(o.options["epsilon"]))))
    if o.options["momentum"]:
        step = state[-1] = b.add(b.mul(s[-1], float(o.options["momentum"])), step)
    return b.sub(w, step), [squares, *state]


_BETAS = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
RULES: dict[str, Rule] = {
    "sgd": Rule(
        _sgd, lambda o: {"momentum": 0.0} if o["momentum"] else {}, {"momentum": 0.0, "nesterov": False}
    ),
    "adam": Rule(
        _adam,
        lambda o: {"m": 0.0, "v": 0.0, **({"vhat": 0.0} if o["amsgrad"] else {})},
        {**_BETAS, "amsgrad": False},
    ),
    "adamax": Rule(_adamax, lambda o: {"m": 0.0, "u": 0.0}, _BETAS),
    "adagrad": Rule(
        _adagrad,
        lambda o: {"accumulator": float(o["initial_accumulator_value"])},
        {"initial_accumulator_value": 0.1, "epsilon": 1e-7},
    ),
    "adadelta": Rule(_adadelta, lambda o: {"squares": 0.0, "steps": 0.0}, {"rho": 0.95, "epsilon": 1e-7}),
    "rmsprop": Rule(
        _rmsprop,
        lambda o: {
            "squares": 0.0,
            **({"mean": 0.0} if o["centered"] else {}),
            **({"momentum": 0.0} if o["momentum"] else {}),
        },
        {"rho": 0.9, "momentum": 0.0, "epsilon": 1e-7, "centered": False},
    ),
}
_RATE = {"sgd": 0.01}
LARGEST_RATE = 1e6
"""No gradient worth following needs more; float32 weights are gone after one step of 1e30."""


def optimizer(
    spec: str | Optimizer = "adam", learning_rate: float | Schedule | None = None, **options: Any
) -> Optimizer:
    """An optimizer from Keras' or TF.js' name and options; those of Optimizer itself are taken from `options` too.

    "momentum" is SGD with momentum 0.9; "adamw" is Adam with weight decay 0.004. Raises ValueRangeError: unknown name or
    option; a learning rate that is negative, not finite or above LARGEST_RATE.
    """
    if isinstance(spec, Optimizer):
        found = spec if learning_rate is None else replace(spec, learning_rate=learning_rate)
        _check_rate(found.learning_rate)
        return found
    name = plain(spec)
    if name == "momentum":
        name, options = "sgd", {"momentum": 0.9, **options}
    if name == "adamw":
        name, options = "adam", {"weight_decay": 0.004, **options}
    if name not in RULES:
        raise ValueRangeError("unknown optimizer", where="optimizer", got=spec, want=sorted(RULES))
    rate = _RATE.get(name, 0.001) if learning_rate is None else learning_rate
    _check_rate(rate)
    own = {key: options.pop(key) for key in _OWN if key in options}
    unknown = options.keys() - RULES[name].options.keys()
    if unknown:
        raise ValueRangeError(
            f"unknown options of {name}", got=sorted(unknown), want=sorted(RULES[name].options)
        )
    return Optimizer(name, rate, {**RULES[name].options, **options}, **own)


def _check_rate(rate: float | Schedule) -> None:
    if not callable(rate) and not 0.0 <= rate <= LARGEST_RATE:
        raise ValueRangeError("the learning rate", where="optimizer", got=rate, want=f"0 to {LARGEST_RATE:g}")


_OWN = ("clip_value", "clip_norm", "global_clip_norm", "weight_decay", "numerics")
