"""One use of one layer while it is lowered: its config with checked getters, its weights, its inputs, its mask.

A layer is a function (call) -> value id(s); `call.b` is the graph builder, `call.x` the first input.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from py_edge.errors import ShapeError, UnsupportedError, ValueRangeError
from py_edge.graph import Builder
from py_edge.tensor import Tensor
from py_edge.tfjs.initializers import initialize
from py_edge.tfjs.naming import Scope, Source

MAX_UNITS = 1 << 24
Lower = Callable[["Call"], "int | list[int]"]


@dataclass(frozen=True, slots=True)
class Sym:
    """A tensor among a call's arguments: value id and the id of its mask (N, T) bool, or None."""

    id: int
    mask: int | None = None


@dataclass(slots=True)
class Training:
    """on: random layers are active. frozen: names of layers kept in inference mode. seed: of every random layer.

    draws: how many random values were asked for so far; each gets its own stream.
    """

    on: bool = False
    frozen: frozenset[str] = frozenset()
    seed: int = 0
    draws: int = 0


@dataclass(slots=True)
class Call:
    """args, kwargs: as the model calls the layer, tensors as Sym. dialect: who wrote the file, for the few
    places where Keras 2 ("keras2"), Keras 3 ("keras3") and TF.js itself ("tfjs") mean different things.

    out_mask: set by the layer; None keeps the input's mask, False drops it.
    """

    b: Builder
    kind: str
    name: str
    config: Mapping[str, Any]
    scope: Scope
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    training: Training
    lower_layer: Callable[[Call, Mapping[str, Any], Scope, Sequence[Any], Mapping[str, Any]], list[Sym]]
    source: Source
    dialect: str = "keras2"
    rng: random.Random = field(default_factory=lambda: random.Random(0))
    out_mask: int | bool | None = None

    @property
    def where(self) -> str:
        return f"layer '{self.name}' ({self.kind})"

    # inputs

    @property
    def syms(self) -> list[Sym]:
        """All tensors of the first argument."""
        first = self.args[0] if self.args else self.kwargs.get("inputs", [])
        return [s for s in (first if isinstance(first, (list, tuple)) else [first]) if isinstance(s, Sym)]

    @property
    def x(self) -> int:
        if not self.syms:
            raise ShapeError("the layer has no input", where=self.where)
        return self.syms[0].id

    @property
    def xs(self) -> list[int]:
        return [sym.id for sym in self.syms]

    @property
    def mask(self) -> int | None:
        given = self.argument("mask")
        return given.id if isinstance(given, Sym) else self.syms[0].mask

    @property
    def shape(self) -> tuple[int, ...]:
        return self.b.shape(self.x)

    @property
    def rank(self) -> int:
        return self.b.rank(self.x)

    def argument(self, name: str, place: int | None = None) -> Any:
        """A keyword argument, or the positional one at `place`."""
        if place is not None and len(self.args) > place:
            return self.args[place]
        return self.kwargs.get(name)

    @property
    def active(self) -> bool:
        """Whether this layer behaves as in training."""
        forced = self.argument("training")
        frozen = self.name in self.training.frozen or self.config.get("trainable") is False
        return self.training.on and not frozen and forced is not False

    @property
    def keras3(self) -> bool:
        return self.dialect == "keras3"

    # config

    def with_config(self, config: Mapping[str, Any]) -> Call:
        """The same call reading another config: that of a cell or a part."""
        return replace(self, config=config)

    def get(self, *names: str, default: Any = None) -> Any:
        """The first of these keys that stands in the config: Keras 2 and Keras 3 spell some differently."""
        for name in names:
            if name in self.config and self.config[name] is not None:
                value = self.config[name]
                return (
                    value["value"] if isinstance(value, Mapping) and value.get("type") == "ndarray" else value
                )
        return default

    def _fail(self, name: str, got: Any, want: str) -> ValueRangeError:
        return ValueRangeError(f"config `{name}`", where=self.where, got=got, want=want)

    def whole(self, name: str, default: int | None = None, low: int = 1, high: int = MAX_UNITS) -> int:
        value = self.get(name, default=default)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self._fail(name, value, f"an integer {low}..{high}")
        return value

    def wholes(
        self, name: str, n: int, default: Any = 1, low: int = 1, high: int = MAX_UNITS
    ) -> tuple[int, ...]:
        """n whole numbers; one number stands for all."""
        value = self.get(name, default=default)
        items = list(value) if isinstance(value, (list, tuple)) else [value] * n
        if len(items) == 1 and n > 1 and isinstance(value, (list, tuple)):
            items = items * n
        whole = [int(v) if isinstance(v, float) and v.is_integer() else v for v in items]
        if len(whole) != n or any(
            isinstance(v, bool) or not isinstance(v, int) or not low <= v <= high for v in whole
        ):
            raise self._fail(name, value, f"{n} integers {low}..{high}")
        return tuple(whole)

    def number(
        self, *names: str, default: float = 0.0, low: float = -math.inf, high: float = math.inf
    ) -> float:
        value = self.get(*names, default=default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise self._fail(names[0], value, f"a number {low}..{high}")
        return float(value)

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.get(name, default=default)
        if not isinstance(value, (bool, int)):
            raise self._fail(name, value, "true or false")
        return bool(value)

    def word(self, name: str, default: str, known: Sequence[str]) -> str:
        value = self.get(name, default=default)
        plain = value.lower() if isinstance(value, str) else value
        if plain not in known:
            raise UnsupportedError(f"config `{name}`", where=self.where, got=value, want=list(known))
        return str(plain)

    @property
    def first(self) -> bool:
        """Whether channels come first."""
        return (
            self.word("data_format", "channels_last", ("channels_last", "channels_first")) == "channels_first"
        )

    # weights

    def weight(
        self, role: str, shape: Sequence[int], init: str = "", default: Any = "glorot_uniform", dtype: str = "float32",
        also: Sequence[str] = (), scope: Scope | None = None,
    ) -> int:  # fmt: skip
        """A variable of `shape`. init: config key of its initialiser; also: other names of the role."""
        raw = self.get(init or f"{role}_initializer", default=default)

        def make(wanted: tuple[int, ...]) -> Tensor:
            return initialize(raw, wanted, self.rng, self.where).astype(dtype)

        name, tensor = (scope or self.scope).weight(self.source, (role, *also), tuple(shape), make)
        return self.b.variable(name, tensor)

    # randomness

    def random(self, kind: str, shape: Sequence[int], alpha: float = 0.0) -> int:
        """float32 of `shape`: uniform in [0, 1), normal, or bernoulli with chance alpha of 1."""
        counter = draw_counter(self.b)
        self.training.draws += 1
        seed = (self.training.seed * 1_000_003 + self.training.draws) & 0x7FFFFFFF
        return self.b.op(
            "random", counter, shape=tuple(shape), kind=kind, seed=seed, alpha=alpha, dtype="float32"
        )


COUNTER = "random/counter"


def draw_counter(b: Builder) -> int:
    """The int32 variable that moves on by one with each run, so that each run draws anew."""
    counter = b.variable(COUNTER, Tensor.zeros((), "int32"))
    if counter not in b.graph.updates:
        b.graph.updates[counter] = b.op("add", counter, b.scalar(1, "int32"))
    return counter
