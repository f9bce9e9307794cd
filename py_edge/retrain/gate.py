"""The gate: a candidate must beat the current model, paired, and be worse nowhere, or it is not released.

Judged on frozen gold together with recent answers of persons that were held back from training. Paired sign test
on the examples where the two disagree in correctness (McNemar 1947, exact form), one-sided. The rule "likelihood"
asks for less: as often right, and a lower cross-entropy (which judges the confidence too); it lets small steps of
learning through.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from py_edge.chain.ports import Guess
from py_edge.records import Example

N_BINS = 10


@dataclass(frozen=True)
class GateRules:
    """alpha: largest chance that a candidate which is no better passes; drops are shares of right answers."""

    rule: Literal["paired", "likelihood"] = "paired"
    alpha: float = 0.25
    gold_drop: float = 0.02
    class_drop: float = 0.02
    class_least: int = 10  # classes with fewer examples are not judged alone
    class_slack: int = 2  # examples; with few per class two points are less than one example
    calibration_drop: float = 0.05


@dataclass(frozen=True)
class Decision:
    """Released or refused, why, and the numbers."""

    passed: bool
    reason: str
    metrics: dict[str, Any]


def judge(
    gold: Sequence[Example],
    held_back: Sequence[Example],
    old: Sequence[Guess],
    new: Sequence[Guess],
    rules: GateRules,
) -> Decision:
    """Compare guesses of the current and the new model on gold followed by held_back (guesses in this order)."""
    examples = [*gold, *held_back]
    if not examples:
        return Decision(False, "there is nothing to judge with", {"n": 0})
    if len(new) != len(examples) or not all(_sane(guess) for guess in new):
        return Decision(
            False, "the candidate gives no answer or numbers that are not finite", {"n": len(examples)}
        )
    right_old = [_right(guess, example) for guess, example in zip(old, examples, strict=True)]
    right_new = [_right(guess, example) for guess, example in zip(new, examples, strict=True)]
    wins = sum(b and not a for a, b in zip(right_old, right_new, strict=True))
    losses = sum(a and not b for a, b in zip(right_old, right_new, strict=True))
    n, n_gold = len(examples), len(gold)
    metrics: dict[str, Any] = {
        "n": n, "n_gold": n_gold, "wins": wins, "losses": losses, "chance": sign_test(wins, losses),
        "accuracy_old": sum(right_old) / n, "accuracy_new": sum(right_new) / n,
        "gold_old": sum(right_old[:n_gold]) / n_gold if n_gold else None,
        "gold_new": sum(right_new[:n_gold]) / n_gold if n_gold else None,
        "ece_old": calibration_error(old, right_old), "ece_new": calibration_error(new, right_new),
        "loss_old": _loss(old, examples), "loss_new": _loss(new, examples),
    }  # fmt: skip
    return Decision(*_verdict(examples, right_old, right_new, metrics, rules), metrics)


def sign_test(wins: int, losses: int) -> float:
    """The chance of at least this many wins if both were equally good."""
    total = wins + losses
    if total == 0:
        return 1.0
    return float(sum(math.comb(total, k) for k in range(wins, total + 1))) / float(2**total)


def calibration_error(guesses: Sequence[Guess], right: Sequence[bool]) -> float:
    """Expected calibration error over ten equal bins of confidence."""
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(N_BINS)]
    for guess, is_right in zip(guesses, right, strict=True):
        confidence = max(guess.probabilities, default=0.0)
        bins[min(N_BINS - 1, max(0, int(confidence * N_BINS)))].append((confidence, is_right))
    gaps = [abs(sum(c for c, _ in part) - sum(r for _, r in part)) for part in bins if part]
    return sum(gaps) / max(1, len(guesses))


def _verdict(
    examples: Sequence[Example],
    right_old: Sequence[bool],
    right_new: Sequence[bool],
    metrics: dict[str, Any],
    rules: GateRules,
) -> tuple[bool, str]:
    if metrics["wins"] < metrics["losses"] or (
        rules.rule == "paired" and metrics["wins"] == metrics["losses"]
    ):
        return False, "not better than the current model"
    if rules.rule == "paired" and metrics["chance"] > rules.alpha:
        return False, "better, but it could be chance"
    if rules.rule == "likelihood" and metrics["loss_new"] >= metrics["loss_old"]:
        return False, "as often right, but less sure of it"
    if metrics["n_gold"] and metrics["gold_new"] < metrics["gold_old"] - rules.gold_drop:
        return False, "worse on gold"
    for label, (old, new, n) in _per_class(examples, right_old, right_new).items():
        if n >= rules.class_least and old - new > max(rules.class_slack, rules.class_drop * n):
            return False, f"worse on class {label}"
    if rules.rule == "paired" and metrics["ece_new"] > metrics["ece_old"] + rules.calibration_drop:
        return False, "confidence fits worse"
    return True, "better"


def _per_class(
    examples: Sequence[Example], right_old: Sequence[bool], right_new: Sequence[bool]
) -> dict[int, tuple[int, int, int]]:
    found: dict[int, tuple[int, int, int]] = {}
    for example, old, new in zip(examples, right_old, right_new, strict=True):
        a, b, n = found.get(example.label_index, (0, 0, 0))
        found[example.label_index] = (a + old, b + new, n + 1)
    return found


def _loss(guesses: Sequence[Guess], examples: Sequence[Example]) -> float:
    """Mean cross-entropy in nats; a probability of 0 counts as a very small one."""
    chances = [g.probabilities[e.label_index] for g, e in zip(guesses, examples, strict=True)]
    return -sum(math.log(max(chance, 1e-12)) for chance in chances) / len(chances)


def _right(guess: Guess, example: Example) -> bool:
    return guess.label_index == example.label_index


def _sane(guess: Guess) -> bool:
    return len(guess.probabilities) > 0 and all(math.isfinite(value) for value in guess.probabilities)
