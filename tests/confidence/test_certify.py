"""Certified thresholds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import beta, binom  # type: ignore[import-untyped]

from py_edge.confidence.certify import NEVER_SURE, Certificate, Rule, binomial_tail, certify, error_bound
from py_edge.errors import CalibrationError


@pytest.mark.parametrize(
    ("errors", "n", "risk"), [(0, 45, 0.05), (3, 200, 0.02), (40, 400, 0.1), (5, 5, 0.3)]
)
def test_tail_equals_the_oracle(errors: int, n: int, risk: float) -> None:
    """The p-value is scipy's binomial distribution function."""
    assert binomial_tail(errors, n, risk) == pytest.approx(binom.cdf(errors, n, risk), rel=1e-9)


@pytest.mark.parametrize(("errors", "n"), [(0, 10), (0, 114), (1, 20), (7, 300), (19, 20)])
@pytest.mark.parametrize("delta", [0.1, 0.01])
def test_bound_equals_the_oracle(errors: int, n: int, delta: float) -> None:
    """The Clopper-Pearson bound is the quantile of scipy's beta distribution."""
    assert error_bound(errors, n, delta) == pytest.approx(
        beta.ppf(1 - delta, errors + 1, n - errors), abs=1e-9
    )


def test_bound_at_the_ends() -> None:
    """Without answers, or when all were wrong, nothing is promised; nonsense is refused."""
    assert error_bound(0, 0, 0.1) == 1.0
    assert error_bound(4, 4, 0.1) == 1.0
    with pytest.raises(CalibrationError):
        error_bound(5, 4, 0.1)


def test_needs_as_many_answers_as_the_theory_says() -> None:
    """Risk 2 %, delta 0.1, no error, one coverage: 114 answers certify, 113 do not; risk 5 %: 45."""
    for risk, need in ((0.02, 114), (0.05, 45)):
        assert certify([0.9] * need, [True] * need, risk=risk, grid=(1.0,)).threshold == 0.9
        assert (
            certify([0.9] * (need - 1), [True] * (need - 1), risk=risk, grid=(1.0,)).threshold == NEVER_SURE
        )


def test_bonferroni_pays_for_each_coverage_it_looks_at() -> None:
    """45 answers certify 5 % at delta 0.1 for one look; two looks at half the delta each need 59."""
    for n, bonferroni in ((45, NEVER_SURE), (58, NEVER_SURE), (59, 0.9)):
        given = [0.9] * n, [True] * n
        assert certify(*given, grid=(0.9, 1.0), rule="fixed_sequence").threshold == 0.9
        assert certify(*given, grid=(0.9, 1.0), rule="bonferroni").threshold == bonferroni


def test_a_fixed_sequence_ends_at_its_first_failure() -> None:
    """Ten answers of a hundred certify nothing, so the hundred are not asked; Bonferroni asks them."""
    confidences, right = [1 - i / 200 for i in range(100)], [True] * 100
    assert certify(confidences, right, grid=(0.1, 1.0), rule="fixed_sequence").threshold == NEVER_SURE
    assert certify(confidences, right, grid=(0.1, 1.0), rule="bonferroni").coverage == 1.0


@pytest.mark.parametrize("rule", ["bonferroni", "fixed_sequence"])
def test_promise_is_kept(rule: Rule) -> None:
    """Over 400 draws the true risk at the certified threshold is above the promise in at most delta of them."""
    rng = np.random.default_rng(7)
    fine = np.linspace(
        0, 1, 20001
    )  # confidence is uniform; wrong with chance (1 - confidence) ** 4, so 5 % at coverage 0.71
    broken = coverage = 0.0
    for _ in range(400):
        confidence = rng.random(400)
        right = rng.random(400) > (1 - confidence) ** 4
        found = certify(confidence.tolist(), right.tolist(), risk=0.05, delta=0.1, rule=rule)
        answered = fine[fine >= found.threshold]
        broken += bool(len(answered)) and float(((1 - answered) ** 4).mean()) > 0.05
        coverage += found.coverage / 400
    assert broken / 400 <= 0.1
    assert coverage > 0.3


def test_certificate_tells_what_it_rests_on() -> None:
    """The numbers in a certificate are those of the answers at or above its threshold; ties stand together."""
    confidences = [0.9] * 60 + [0.8] * 60 + [0.5] * 30
    right = [True] * 120 + [False] * 30
    found = certify(confidences, right, risk=0.05, grid=(0.5, 0.9))
    assert (found.threshold, found.answered, found.errors, found.n) == (0.8, 120, 0, 150)
    assert found.coverage == 0.8
    assert found.bound == pytest.approx(error_bound(0, 120, 0.1))


@pytest.mark.parametrize("before", [[], [0.95]])
def test_a_tie_stands_together(before: list[float]) -> None:
    """The last answer that a coverage would take drags its equal along, and the error with it; the first as any other."""
    n = len(before) + 2
    found = certify([*before, 0.9, 0.9], [*[True] * (n - 1), False], risk=0.95, grid=((n - 1) / n,))
    assert (found.answered, found.errors) == (n, 1)


def test_a_refusal_promises_nothing() -> None:
    """Where nothing is certified the numbers say so: none answered, no coverage, a risk of anything."""
    found = certify([0.9] * 5, [True] * 5)
    assert found == Certificate(NEVER_SURE, 0.0, 0, 0, 1.0, 5, "5 audited answers certify no coverage")


def test_what_is_not_finite_is_never_certified() -> None:
    """NaN counts as the lowest confidence and never becomes a threshold."""
    found = certify([math.nan] * 100, [True] * 100, grid=(1.0,))
    assert found.threshold == NEVER_SURE


@pytest.mark.parametrize("bad", [{"risk": 0.0}, {"delta": 1.0}, {"grid": (0.0,)}, {"right": [True]}])
def test_refuses_nonsense(bad: dict[str, object]) -> None:
    """Numbers outside of their range and unequal lengths are refused with a code."""
    given = {"confidences": [0.5, 0.6], "right": [True, True], **bad}
    with pytest.raises(CalibrationError):
        certify(**given)  # type: ignore[arg-type]
