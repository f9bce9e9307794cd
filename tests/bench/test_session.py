"""Series of several browsers put together."""

from __future__ import annotations

from py_edge.bench.session import Series, pool
from py_edge.bench.suite import MODELS, PEERS, RUNTIMES, TARGETS


def test_pooled_rounds_stay_paired() -> None:
    """Rounds of all browsers follow one another in the same order for every runtime; a problem in one stands."""
    first = {"a": Series([1.0, 2.0]), "b": Series([3.0, 4.0])}
    second = {"a": Series([5.0]), "b": Series([], problem="broke")}
    found = pool([first, second])
    assert found["a"].blocks == [1.0, 2.0, 5.0]
    assert found["b"].problem == "broke"


def test_targets_name_what_is_measured() -> None:
    """Every target is about known models and peers."""
    for target in TARGETS:
        assert target.peer in PEERS
        assert set(target.models) <= set(MODELS)
    assert set(PEERS) <= set(RUNTIMES)
