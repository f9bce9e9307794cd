"""Where the benchmark keeps things: models, peers and environments are made once, under .cache, and never committed."""

from __future__ import annotations

from pathlib import Path

import py_edge
from py_edge.errors import EnvironmentProblem

PACKAGE = Path(py_edge.__file__).resolve().parent
ROOT = PACKAGE.parent
PAGES = PACKAGE / "bench" / "pages"
SOURCES = ROOT / "tests" / "benchmarks"
CACHE = ROOT / ".cache" / "bench"
MODELS = CACHE / "models"
PEERS = CACHE / "peers"
PLANS = CACHE / "plans"
SITE = CACHE / "site"


def need_checkout() -> None:
    """Raises EnvironmentProblem when py_edge is installed without its sources."""
    if not (SOURCES / "package.json").is_file():
        raise EnvironmentProblem(
            "benchmarks need a checkout of the repository",
            where=str(SOURCES),
            remedy="clone it and run make bench",
        )
