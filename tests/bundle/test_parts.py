"""The parts of the site are made by one build at a time."""

from __future__ import annotations

import threading

from py_edge.bundle.parts import one_build_at_a_time


def test_builds_of_one_checkout_wait_for_each_other() -> None:
    """Who comes second begins when the first has ended, so that neither finds half-written folders."""
    order: list[str] = []

    def second() -> None:
        with one_build_at_a_time():
            order.append("second")

    other = threading.Thread(target=second)
    with one_build_at_a_time():
        other.start()
        other.join(0.2)
        order.append("first")
    other.join(60)

    assert order == ["first", "second"]
