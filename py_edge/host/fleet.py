"""What the fleet page calls in the learn worker: a simulated world, opened anew and lived a few minutes at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from py_edge.chain.simulate.fleet import Fleet, World
from py_edge.errors import NotFoundError
from py_edge.host.browser import told

_worlds: list[Fleet] = []


@told
def fleet_open(options: Mapping[str, Any]) -> dict[str, Any]:
    """A new world instead of the one before; options: the fields of World."""
    while _worlds:
        _worlds.pop().close()
    _worlds.append(Fleet(World(**dict(options))))
    return {}


@told
def fleet_run(minutes: float) -> dict[str, Any]:
    """Live so many minutes; see Fleet.run."""
    if not _worlds:
        raise NotFoundError("no world was opened", where="fleet")
    return _worlds[-1].run(minutes)
