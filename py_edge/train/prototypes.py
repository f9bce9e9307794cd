"""The nearest-prototype learner: one mean per class, usable after one to five examples, unlearnable one by one.

Works on any vectors; `head_features` gives those before a model's last layer. Distances are of unit vectors (cosine).
Snell et al. 2017, Prototypical Networks; we keep sums and counts, so that adding and removing are exact inverses.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from py_edge.errors import IntegrityError, ShapeError, TrainingError
from py_edge.tensor import Tensor
from py_edge.train import data, prepare
from py_edge.train.engine import Start, Trainable
from py_edge.train.features import split_at_trained
from py_edge.train.selection import select_weights
from py_edge.train.start import start as start_graph


class Prototypes:
    """sums, counts: per class. temperature: of the softmax over cosines; smaller is surer."""

    def __init__(self, temperature: float = 0.1) -> None:
        self.temperature = temperature
        self.sums: dict[int, list[float]] = {}
        self.counts: dict[int, float] = {}

    def learn_one(self, x: Sequence[float], label: int, weight: float = 1.0) -> None:
        """Add one example (or take it away again: weight -1). Raises ShapeError: another length."""
        unit = _unit(x)
        total = self.sums.setdefault(label, [0.0] * len(unit))
        if len(total) != len(unit):
            raise ShapeError("vectors of another length", got=len(unit), want=len(total))
        self.sums[label] = [s + weight * u for s, u in zip(total, unit, strict=True)]
        self.counts[label] = self.counts.get(label, 0.0) + weight
        if self.counts[label] <= 0:
            del self.sums[label], self.counts[label]

    def probabilities(self, x: Sequence[float]) -> dict[int, float]:
        """class -> probability, by cosine to each prototype. Raises TrainingError: nothing learnt yet."""
        if not self.sums:
            raise TrainingError("no example yet", remedy="learn one example first")
        unit = _unit(x)
        cosines = {
            c: sum(a * b for a, b in zip(unit, _unit(total), strict=True)) for c, total in self.sums.items()
        }
        best = max(cosines.values())
        shares = {c: math.exp((v - best) / self.temperature) for c, v in cosines.items()}
        whole = sum(shares.values())
        return {c: v / whole for c, v in shares.items()}

    def predict(self, x: Sequence[float]) -> int:
        found = self.probabilities(x)
        return max(found, key=lambda c: found[c])

    def state(self) -> bytes:
        return json.dumps(
            {
                "temperature": self.temperature,
                "sums": list(self.sums.items()),
                "counts": list(self.counts.items()),
            }
        ).encode()

    @classmethod
    def restore(cls, state: bytes) -> Prototypes:
        """Raises IntegrityError: not what `state` gave."""
        try:
            raw: Mapping[str, Any] = json.loads(state)
            own = cls(float(raw["temperature"]))
            own.sums = {int(c): [float(v) for v in total] for c, total in raw["sums"]}
            own.counts = {int(c): float(n) for c, n in raw["counts"]}
        except (ValueError, KeyError, TypeError) as error:
            raise IntegrityError("these are no prototypes", where="prototypes") from error
        return own


def _unit(x: Sequence[float]) -> list[float]:
    values = [float(v) for v in x]
    length = math.sqrt(sum(v * v for v in values))
    return [v / length for v in values] if length else values


def before_head(model: Trainable, x: Any, *, start: Start = start_graph) -> Mapping[str, Tensor]:
    """What the last layer with weights reads, by name, rows first; the inputs themselves where nothing lies before."""
    probe = model.forward(2)
    xs = {
        n: data.Rows(prepare.as_input(t, probe, n))
        for n, t in data.named(x, list(probe.inputs), "inputs").items()
    }
    trained = select_weights([n for n in prepare.weights_in_use(probe) if n in set(model.trainable)], "last")
    if split_at_trained(probe, trained) is None:
        return {name: rows.tensor for name, rows in xs.items()}
    return prepare.computed(lambda n: _before(model, n, trained), xs, start)


def head_features(model: Trainable, x: Any, *, start: Start = start_graph) -> list[list[float]]:
    """What reaches the last layer with weights, one vector per example."""
    found = before_head(model, x, start=start)
    n = next(iter(found.values())).shape[0]
    widths = {name: t.size // n for name, t in found.items()}
    return [
        [v for name, t in found.items() for v in t.flat[i * widths[name] : (i + 1) * widths[name]]]
        for i in range(n)
    ]


def _before(model: Trainable, rows: int, trained: Sequence[str]) -> Any:
    halves = split_at_trained(model.forward(rows), trained)
    assert halves is not None
    return halves[0]
