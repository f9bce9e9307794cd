"""From audited answers to a policy: the temperature and the threshold that a tier answers with.

N: audited answers (never trained on, drawn at random), M: other held-out answers, C: classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from py_edge.confidence.calibrate import fit_temperature
from py_edge.confidence.certify import GRID, Certificate, Rule, certify
from py_edge.confidence.scores import score, to_probabilities


@dataclass(frozen=True, slots=True)
class Promise:
    """risk: at most this share wrong among what a tier answers itself; delta: the chance that this is broken;
    grid: coverages that are tried; rule: how many tests are paid for. Plain JSON in a release's metadata."""

    risk: float = 0.05
    delta: float = 0.1
    grid: tuple[float, ...] = GRID
    rule: Rule = "bonferroni"

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """The promise of a release's metadata; what is absent keeps its default."""
        given = value if isinstance(value, dict) else {}
        usual = cls()
        return cls(
            float(given.get("risk", usual.risk)),
            float(given.get("delta", usual.delta)),
            tuple(given.get("grid", usual.grid)),
            given.get("rule", usual.rule),
        )

    def to_json(self) -> dict[str, Any]:
        return {"risk": self.risk, "delta": self.delta, "grid": list(self.grid), "rule": self.rule}


@dataclass(frozen=True, slots=True)
class Policy:
    """temperature, no unit; threshold of calibrated confidence; certificate: what the threshold rests on."""

    temperature: float
    threshold: float
    certificate: Certificate

    def to_json(self) -> dict[str, Any]:
        """temperature, threshold, certificate {n, coverage, errors, bound, reason}: in a release, on a page, in a status."""
        words = ("n", "coverage", "errors", "bound", "reason")
        certificate = {word: getattr(self.certificate, word) for word in words}
        return {"temperature": self.temperature, "threshold": self.threshold, "certificate": certificate}


def make_policy(
    audited: Sequence[Sequence[float]],
    truth: Sequence[int],
    other: Sequence[Sequence[float]] = (),
    other_truth: Sequence[int] = (),
    promise: Promise | None = None,
) -> Policy:
    """The policy of one model version.

    audited (N, C) outputs, truth (N,): random audits, which alone may certify; other (M, C), other_truth (M,): more
    held-out answers that help the temperature. N == 0 gives NEVER_SURE. An audit whose truth is C or more is of no known
    kind: any answer to it is an error, and the temperature is found without it. Raises CalibrationError for bad labels.
    """
    promise = promise or Promise()
    known = [
        (output, label) for output, label in zip(audited, truth, strict=True) if label < max(1, len(output))
    ]
    known += zip(other, other_truth, strict=True)
    temperature = fit_temperature(*zip(*known, strict=True)) if known else 1.0
    confidences, right = [], []
    for output, label in zip(audited, truth, strict=True):
        probabilities = to_probabilities(output, temperature)
        best = score(probabilities) if probabilities else None
        confidences.append(best.confidence if best else -1.0)
        right.append(best is not None and best.label_index == label)
    found = certify(
        confidences, right, risk=promise.risk, delta=promise.delta, grid=promise.grid, rule=promise.rule
    )
    return Policy(temperature, found.threshold, found)
