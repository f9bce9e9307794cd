"""A threshold that keeps a promise: at most `risk` wrong among what is answered, with probability 1 - `delta`.

Learn-then-Test: each coverage of a grid fixed beforehand is one hypothesis "the risk there is above `risk`"; its
p-value is the binomial tail of the errors seen. Bonferroni divides `delta` by the grid; the fixed sequence walks
from the smallest coverage up and stops at the first that fails, at full `delta` each.
Source: Angelopoulos et al. 2021, Learn then Test, sec. 2-3. Not taken: betting bounds, which need more code for the
sample sizes (50 to 400 audits) that an edge has. Calibration answers must never have been trained on.
N: answers with known truth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from py_edge.errors import CalibrationError

NEVER_SURE = 2.0  # above every confidence: everything climbs
GRID = (0.45, 0.53, 0.60, 0.68, 0.75, 0.83, 0.90, 0.98)
Rule = Literal["bonferroni", "fixed_sequence"]


@dataclass(frozen=True, slots=True)
class Certificate:
    """threshold: answer when confidence >= it; coverage: share of the N that pass; errors of answered were wrong;
    bound: Clopper-Pearson upper bound of the risk at level delta; reason: in words."""

    threshold: float
    coverage: float
    answered: int
    errors: int
    bound: float
    n: int
    reason: str


def binomial_tail(errors: int, n: int, risk: float) -> float:
    """P(Binomial(n, risk) <= errors): how likely so few errors are if the risk were `risk`."""
    if errors >= n or risk <= 0:
        return 1.0
    if risk >= 1 or errors < 0:
        return 0.0
    log_r, log_s = math.log(risk), math.log1p(-risk)
    logs = [
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * log_r + (n - k) * log_s
        for k in range(errors + 1)
    ]
    return min(1.0, math.fsum(map(math.exp, logs)))


def error_bound(errors: int, n: int, delta: float) -> float:
    """Clopper-Pearson: the true risk is below this with probability 1 - delta. 1.0 when n == 0 or all were wrong.

    Raises CalibrationError: errors outside [0, n], delta outside (0, 1).
    Source: Clopper and Pearson 1934; found by bisection on the binomial tail, which falls with the risk.
    """
    if not 0 <= errors <= n or not 0 < delta < 1:
        raise CalibrationError("errors must be in [0, n] and delta in (0, 1)", got=(errors, n, delta))
    if errors == n:
        return 1.0
    low, high = errors / n, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if binomial_tail(errors, n, middle) > delta else (low, middle)
    return high


def certify(
    confidences: Sequence[float],
    right: Sequence[bool],
    *,
    risk: float = 0.05,
    delta: float = 0.1,
    grid: Sequence[float] = GRID,
    rule: Rule = "bonferroni",
) -> Certificate:
    """The threshold of the largest certified coverage; NEVER_SURE when none can be certified.

    confidences (N,) in [0, 1]; right (N,) whether that answer was correct; grid: coverages in (0, 1], fixed before
    looking. A confidence that is not finite counts as lowest. Equal confidences stand or fall together.
    Raises CalibrationError: unequal lengths, risk or delta outside (0, 1), a coverage outside (0, 1].
    """
    n = len(confidences)
    if n != len(right):
        raise CalibrationError("as many confidences as outcomes are needed", got=n, want=len(right))
    if not (0 < risk < 1 and 0 < delta < 1) or not all(0 < coverage <= 1 for coverage in grid):
        raise CalibrationError(
            "risk and delta must be in (0, 1), coverages in (0, 1]", got=(risk, delta, tuple(grid))
        )
    ranked = sorted(
        ((c if math.isfinite(c) else -1.0, bool(r)) for c, r in zip(confidences, right, strict=True)),
        key=lambda pair: -pair[0],
    )
    level = delta / len(grid) if rule == "bonferroni" and grid else delta
    best: Certificate | None = None
    for coverage in sorted(grid):
        answered = _with_equals(ranked, math.floor(coverage * n))
        errors = sum(not was_right for _, was_right in ranked[:answered])
        if answered and ranked[answered - 1][0] >= 0 and binomial_tail(errors, answered, risk) <= level:
            share, bound = answered / n, error_bound(errors, answered, delta)
            reason = f"{errors} of {answered} wrong; at most {risk:.1%} promised"
            best = Certificate(ranked[answered - 1][0], share, answered, errors, bound, n, reason)
        elif rule == "fixed_sequence":
            break
    return best or Certificate(NEVER_SURE, 0.0, 0, 0, 1.0, n, f"{n} audited answers certify no coverage")


def _with_equals(ranked: list[tuple[float, bool]], answered: int) -> int:
    while 0 < answered < len(ranked) and ranked[answered][0] == ranked[answered - 1][0]:
        answered += 1
    return answered
