"""When to try again: back-off 1 s · 2^k with full jitter, at most 5 min; which failures are worth it."""

from __future__ import annotations

from py_edge.chain.ports import Chance, Response

FIRST_S = 1.0
LONGEST_S = 300.0
DONE, RETRY, BUSY, REFUSED = "done", "retry", "busy", "refused"


def delay_s(attempt: int, chance: Chance, first_s: float = FIRST_S) -> float:
    """How long to wait after the attempt-th failure (0 first): uniform in [0, cap), so that crowds disperse."""
    return chance.random() * min(LONGEST_S, first_s * float(2 ** min(attempt, 20)))


def kind_of(response: Response) -> str:
    """`done` for 2xx, `busy` for 429 and 503, `retry` for other 5xx and 408, `refused` for the rest."""
    if 200 <= response.status < 300:
        return DONE
    if response.status in (429, 503):
        return BUSY
    return RETRY if response.status >= 500 or response.status in (408, 425) else REFUSED


def wished_delay_s(response: Response) -> float:
    """What Retry-After asks for, in seconds; 0 when it says nothing we understand."""
    wish = response.headers.get("retry-after", "")
    return min(float(wish), LONGEST_S) if wish.isdigit() else 0.0
