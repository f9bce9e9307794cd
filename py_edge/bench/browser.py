"""One Chromium, pinned to given cores, with one tab per runtime."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from py_edge.bench.suite import RUNTIMES, STEPS
from py_edge.host.chromium import chromium_flags, find_chromium

CALL_TIMEOUT_S = 300.0


def cores() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Cores of the browser and of the driver, apart where there are two."""
    if not hasattr(os, "sched_getaffinity"):
        return (), ()
    available = sorted(os.sched_getaffinity(0))
    return tuple(available[:1]), tuple(available[-1:])


@contextmanager
def chromium(pinned: Sequence[int], profile: Path | None = None) -> Iterator[Any]:
    """A Playwright browser context. pinned: cores, none for all; profile: a folder that keeps the HTTP cache."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        executable = _pinned(find_chromium(), pinned, Path(folder))
        options: dict[str, Any] = {"executable_path": str(executable), "args": chromium_flags()}
        if profile is not None:
            context = playwright.chromium.launch_persistent_context(str(profile), **options)
            try:
                yield context
            finally:
                context.close()
            return
        browser = playwright.chromium.launch(**options)
        try:
            yield browser.new_context()
        finally:
            browser.close()


def _pinned(executable: Path, pinned: Sequence[int], folder: Path) -> Path:
    """A starter that keeps the browser on these cores; the browser itself where that cannot be done."""
    taskset = shutil.which("taskset")
    if not pinned or taskset is None or sys.platform != "linux":
        return executable
    starter = folder / "chromium"
    listed = ",".join(map(str, pinned))
    starter.write_text(f'#!/bin/sh\nexec {taskset} -c {listed} {executable} "$@"\n')
    starter.chmod(0o755)
    return starter


class Tab:
    """One runtime's page; `call` hands a message to its worker and gives the answer."""

    def __init__(self, context: Any, url: str, runtime: str, threads: int = 1, query: str = "") -> None:
        row = RUNTIMES.get(runtime, STEPS)
        self.runtime = runtime
        self.page = context.new_page()
        self.page.set_default_timeout(CALL_TIMEOUT_S * 1000)
        self.page.goto(f"{url}/bench/bench.html?runtime={row.script}&threads={threads}{row.query}{query}")

    def call(self, kind: str, **rest: Any) -> Any:
        """Raises RuntimeError with the worker's sentence when it threw."""
        from playwright.sync_api import Error

        try:
            return self.page.evaluate("message => call(message)", {"kind": kind, **rest})
        except Error as error:
            raise RuntimeError(error.message.split("\n")[0].removeprefix("Page.evaluate: ")) from error

    def close(self) -> None:
        self.page.close()
