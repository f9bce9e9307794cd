"""Making the lock anew: what follows from Pyodide's own lock, and that the committed one follows from it."""

from __future__ import annotations

import pytest

from py_edge.bundle.lock import find_lock, read_lock
from py_edge.bundle.relock import closure, relock, to_json
from py_edge.bundle.sources import Fetcher
from py_edge.errors import NotFoundError


def test_what_a_package_needs_comes_before_it_and_once() -> None:
    """The closure follows `depends` and names a package that is not there."""
    packages = {
        "a": {"depends": ["b", "c"]},
        "b": {"depends": ["c"]},
        "c": {"depends": []},
        "d": {"depends": ["gone"]},
    }
    assert closure(packages, ["a"]) == [packages["c"], packages["b"], packages["a"]]
    with pytest.raises(NotFoundError, match="gone"):
        closure(packages, ["d"])


def test_the_text_of_a_lock_is_that_of_the_committed_one() -> None:
    """Reading and writing lose nothing."""
    assert to_json(read_lock()) == find_lock().read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_committed_lock_follows_from_pyodides_own() -> None:
    """Every digest of the runtime and of numpy is the one that the npm package of this version says."""
    lock = read_lock()
    again = relock(lock, lock.pyodide, ["numpy", "sklearn"], Fetcher(lock))
    assert to_json(again) == to_json(lock)
