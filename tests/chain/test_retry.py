"""Which failures are tried again, and how long after."""

from __future__ import annotations

import random

import pytest

from py_edge.chain.ports import Response
from py_edge.chain.retry import BUSY, DONE, LONGEST_S, REFUSED, RETRY, delay_s, kind_of, wished_delay_s


class Most(random.Random):
    """The largest chance there is."""

    def random(self) -> float:
        return 1.0


@pytest.mark.parametrize(
    ("status", "kind"),
    [(200, DONE), (204, DONE), (301, REFUSED), (400, REFUSED), (404, REFUSED), (408, RETRY), (409, REFUSED),
     (422, REFUSED), (425, RETRY), (429, BUSY), (500, RETRY), (502, RETRY), (503, BUSY)],
)  # fmt: skip
def test_a_status_says_whether_it_is_worth_another_try(status: int, kind: str) -> None:
    """What may pass by itself is tried again; what the other side means is not."""
    assert kind_of(Response(status, b"")) == kind


def test_the_back_off_doubles_up_to_five_minutes() -> None:
    """Caps of 1, 2, 4 s and never more than the longest, however many failures."""
    assert [delay_s(n, Most()) for n in (0, 1, 2)] == [1.0, 2.0, 4.0]
    assert delay_s(9, Most()) == delay_s(10_000, Most()) == LONGEST_S


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("86400", LONGEST_S), ("", 0.0), ("-3", 0.0), ("tomorrow", 0.0)]
)
def test_a_wish_is_heard_within_bounds(header: str, seconds: float) -> None:
    """Retry-After in seconds, at most five minutes; what is not understood asks for nothing."""
    assert wished_delay_s(Response(503, b"", {"retry-after": header})) == seconds
