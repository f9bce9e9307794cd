"""Find a Chromium for the headless story and the browser tests: named, the system's, or Playwright's own."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from py_edge.errors import EnvironmentProblem

VARIABLE = "PY_EDGE_CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
MAC = ("Google Chrome", "Chromium", "Microsoft Edge")

FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""What keeps a browser under test from calling anyone; `chromium_flags` adds what root needs."""


def chromium_flags() -> list[str]:
    """Flags for this machine. Root, as in containers, cannot use Chromium's own sandbox."""
    return [*FLAGS, "--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else list(FLAGS)


def find_chromium() -> Path:
    """The browser to drive. Raises EnvironmentProblem with what to install."""
    named = os.environ.get(VARIABLE)
    if named:
        if Path(named).is_file():
            return Path(named)
        raise EnvironmentProblem("there is no browser at this place", where=VARIABLE, got=named)
    for path in (*map(shutil.which, NAMES), *_mac(), *_playwright()):
        if path:
            return Path(path)
    raise EnvironmentProblem(
        "no Chromium was found",
        where="browser",
        remedy=f"install chromium or Google Chrome, run `playwright install chromium`, or set {VARIABLE} to its path",
    )


def _mac() -> list[str]:
    if sys.platform != "darwin":
        return []
    paths = [Path(f"/Applications/{name}.app/Contents/MacOS/{name}") for name in MAC]
    return [str(path) for path in paths if path.is_file()]


def _playwright() -> list[str]:
    root = os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
    folders = (
        [Path(root)]
        if root
        else [Path.home() / ".cache/ms-playwright", Path.home() / "Library/Caches/ms-playwright"]
    )
    return [
        str(path)
        for folder in folders
        for path in sorted(folder.glob("chromium-*/chrome-*/chrome"), reverse=True)
    ]
