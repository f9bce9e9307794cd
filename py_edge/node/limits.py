"""Not more than a node can bear: a token bucket per asker, and a full house refuses politely."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from py_edge.errors import CapacityError

BURST_S = 10.0
REMEMBERED = 100_000


class TooFastError(CapacityError):
    """This asker sends too much; try again later."""

    retry_after_s = 1


class Rates:
    """A bucket per asker that fills at `per_s` and holds ten seconds' worth; 0 means no limit."""

    def __init__(self, per_s: float, now_ms: Callable[[], int]) -> None:
        self._per_s, self._now_ms = per_s, now_ms
        self._buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def check(self, asker: str) -> None:
        """Take one from the bucket. Raises TooFastError when it is empty."""
        if self._per_s <= 0:
            return
        now, full = self._now_ms(), max(1.0, self._per_s * BURST_S)
        level, at = self._buckets.pop(asker, (full, now))
        level = min(full, level + max(0, now - at) / 1000 * self._per_s)
        self._buckets[asker] = (max(0.0, level - 1), now)
        if len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
        if level < 1:
            raise TooFastError(want=f"at most {self._per_s} questions per second")
