"""Slots that are alive together never share bytes, and the arena is close to the least there can be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from py_edge.plan.arena import Slot, align, assign, largest_live_bytes

LIVES = st.lists(st.tuples(st.integers(1, 5000), st.integers(0, 30), st.integers(0, 12)), max_size=40)


@given(LIVES)
def test_living_slots_do_not_overlap(lives: list[tuple[int, int, int]]) -> None:
    """Two slots whose lives meet have disjoint bytes, all inside the arena."""
    slots = [Slot(size, first, first + more) for size, first, more in lives]

    total = assign(slots)

    for i, a in enumerate(slots):
        assert 0 <= a.offset <= total - align(a.size_bytes)
        for b in slots[:i]:
            meet = a.first <= b.last and b.first <= a.last
            apart = a.offset + a.size_bytes <= b.offset or b.offset + b.size_bytes <= a.offset
            assert apart or not meet


@given(LIVES)
def test_no_arena_is_smaller_than_what_lives_at_once(lives: list[tuple[int, int, int]]) -> None:
    """The largest live set is a lower bound of the arena."""
    slots = [Slot(size, first, first + more) for size, first, more in lives]

    assert assign(slots) >= largest_live_bytes(slots)


def test_a_chain_needs_two_buffers() -> None:
    """A chain of equal values that each live for two steps fits in two of them."""
    slots = [Slot(640, time, time + 1) for time in range(20)]

    assert assign(slots) == 1280
