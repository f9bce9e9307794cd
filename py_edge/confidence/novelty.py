"""Whether an input is like anything that a class was learnt from: softmax is sure of things it has never seen.

Conformal, a class at a time: how far each example lies from the nearest other example of its class says how far a known
thing usually lies; the share of examples that lie at least as far as an input is its p-value. Of what is drawn as the
examples were, at most NOVEL is taken for new, whatever the distances are like; no net, no weights, no tuning.
Source: Vovk, Gammerman, Shafer 2005, Algorithmic Learning in a Random World, ch. 2-4 (nearest-neighbour nonconformity,
class-conditional p-values); Laxhammar and Falkman 2010, Conformal prediction for distribution-independent anomaly detection.
The examples calibrate themselves (leave one out), so the bound holds on average and nearly, not exactly.
N: examples, C: classes, D: values of one: the input itself or features of it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace

from py_edge.confidence.defer import Decision
from py_edge.errors import CalibrationError

NOVEL = 0.1
MOST_SCORES = 64  # per class: enough for a p-value, and a fit costs their number times N


class Familiarity:
    """rows (N, D), labels (N,): what was learnt from. variants: so many rows in turn are one thing, moved or mirrored,
    the first of them as it was; they are near each other for no reason that a new thing has.

    Raises CalibrationError: no rows, another number of labels, rows that are no whole number of variants.
    """

    def __init__(self, rows: Sequence[Sequence[float]], labels: Sequence[int], variants: int = 1) -> None:
        if not rows or len(rows) != len(labels) or variants < 1 or len(rows) % variants:
            raise CalibrationError(
                "rows, as many labels, in whole variants", got=(len(rows), len(labels)), want=variants
            )
        things: dict[int, list[list[tuple[float, ...]]]] = {}
        for at in range(0, len(rows), variants):
            things.setdefault(labels[at], []).append([tuple(row) for row in rows[at : at + variants]])
        self._rows = {label: [row for thing in own for row in thing] for label, own in things.items()}
        self._scores = {label: _scores(own) for label, own in things.items()}

    def p_value(self, row: Sequence[float], label: int) -> float:
        """How usual it is for a thing of this class to lie as far out as this row (D,): above 0, at most 1.

        1 for a class with fewer than two examples: of what is usual there nothing is known.
        """
        scores = self._scores.get(label, [])
        if not scores:
            return 1.0
        here = tuple(row)
        distance = min(math.dist(here, other) for other in self._rows[label])
        if not math.isfinite(distance):
            return 1 / (len(scores) + 1)
        return (1 + len(scores) - bisect_left(scores, distance)) / (len(scores) + 1)

    def is_novel(self, row: Sequence[float], label: int) -> bool:
        """Like nothing this class was learnt from: a p-value of at most NOVEL, or the least that so few examples can give."""
        least = 1 / (len(self._scores.get(label, [])) + 1)
        return least < 1 and self.p_value(row, label) <= max(NOVEL, least)

    def doubt(self, decision: Decision, row: Sequence[float]) -> Decision:
        """The decision about this row (D,); where it is like nothing its class was learnt from, somebody else should
        answer, and the confidence is no more than the p-value."""
        label = decision.label_index
        if not self.is_novel(row, label):
            return decision
        p = self.p_value(row, label)
        reason = f"like nothing {decision.label} was learnt from: {p:.1%} of its examples lie so far out"
        return replace(
            decision, confidence=min(decision.confidence, p), defer=True, reason=reason, novel=True
        )


def _scores(things: Sequence[Sequence[tuple[float, ...]]]) -> list[float]:
    """Distance of each thing from the nearest other one, and no less than from its own nearest variant, since a thing that
    moved is not new, sorted; of MOST_SCORES things in equal steps at most."""
    if len(things) < 2:
        return []
    step = math.ceil(len(things) / MOST_SCORES)
    return sorted(_score(things, i) for i in range(0, len(things), step))


def _score(things: Sequence[Sequence[tuple[float, ...]]], i: int) -> float:
    here, *variants = things[i]
    others = (row for j, other in enumerate(things) if j != i for row in other)
    moved = min((math.dist(here, row) for row in variants), default=0.0)
    return max(moved, min(math.dist(here, row) for row in others))
