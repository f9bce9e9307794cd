"""pytest fixtures for testing pages with <py-edge>: `pytest_plugins = ["py_edge.testing.plugin"]` in your conftest.py.

`browser` (session: the Chromium of this machine), `context` (a new profile per test), `page` (watched), `tattler` (fails
the test when a page complained), `serve` (a folder or ASGI app on a free port, with faults). Needs the extra `demo`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from py_edge.host.chromium import chromium_flags, find_chromium
from py_edge.testing.origin import Origin

TIMEOUT_MS = 30_000


class Tattler:
    """Collects what must not happen in a page: errors in the console, uncaught exceptions, requests to a third host.

    `expected` holds pieces of text that a test provokes on purpose.
    """

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.expected: list[str] = []

    def watch(self, page: Page) -> None:
        """Listen to this tab from now on."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"exception: {error}"))
        page.on("request", lambda request: self._request(request.url))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"console: {message.text} {message.location.get('url', '')}")

    def _request(self, url: str) -> None:
        if not url.startswith(("http://127.0.0.1:", "blob:", "data:")):
            self.complaints.append(f"third host: {url}")

    @property
    def unexpected(self) -> list[str]:
        """The complaints that nobody provoked."""
        return [line for line in self.complaints if not any(text in line for text in self.expected)]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The Chromium of this machine; a missing one is an error that says what to install."""
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=str(find_chromium()), args=chromium_flags())
        yield chromium
        chromium.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A new profile; service workers are blocked unless a test makes its own."""
    made = browser.new_context(service_workers="block", viewport={"width": 1280, "height": 900})
    made.set_default_timeout(TIMEOUT_MS)
    yield made
    made.close()


@pytest.fixture
def tattler() -> Iterator[Tattler]:
    """Fails the test at its end if a watched page complained."""
    watcher = Tattler()
    yield watcher
    assert watcher.unexpected == []


@pytest.fixture
def page(context: BrowserContext, tattler: Tattler) -> Page:
    """An empty tab that is watched."""
    tab = context.new_page()
    tattler.watch(tab)
    return tab


@pytest.fixture
def serve() -> Iterator[Callable[..., Origin]]:
    """`serve(folder_or_app, under=…, headers=…)` gives a started Origin; stopped after the test."""
    with ExitStack() as stack:

        def started(app: Any, **options: Any) -> Origin:
            return stack.enter_context(Origin(app, **options))

        yield started
