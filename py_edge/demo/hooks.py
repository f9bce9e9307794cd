"""The page as the story sees it: named hooks of `window.pyEdgeDemo`, plain JSON in and out, wherever the page is."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

from py_edge.errors import EnvironmentProblem

Check = Callable[[], None]
PATIENCE_S = 120.0
_PAUSE_S = 0.05


class Hooks(ABC):
    """One page. complaints: what it wrote to its console as errors, as far as we can hear it."""

    complaints: list[str]

    @abstractmethod
    def call(self, hook: str, *given: Any) -> Any:
        """`pyEdgeDemo.<hook>(...given)`, awaited. Raises EnvironmentProblem with the page's own words."""

    @abstractmethod
    def keep_picture(self, file: Path) -> None:
        """Write a PNG of the page, where that is possible."""

    def await_all_answered(self, check: Check) -> None:
        """Until nothing waits any more; `check` raises what went wrong elsewhere. Raises EnvironmentProblem."""
        moved_at, last = time.monotonic(), None
        while True:
            check()
            counts = self.call("waiting")
            if not counts["outbox"] and not counts["waiting"]:
                return
            if counts != last:
                moved_at, last = time.monotonic(), counts
            if time.monotonic() - moved_at > PATIENCE_S:
                raise EnvironmentProblem("answers do not come home any more", where="page", got=str(counts))
            time.sleep(_PAUSE_S)

    def await_version(self, wanted: int, check: Check) -> None:
        """Until the page answers with this version of its model, or a newer one. Raises EnvironmentProblem."""
        end = time.monotonic() + PATIENCE_S
        while (self.call("model")["version"] or 0) < wanted:
            if time.monotonic() > end:
                raise EnvironmentProblem("the page does not take the new model", where="page", want=wanted)
            check()
            time.sleep(_PAUSE_S)
