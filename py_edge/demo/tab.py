"""A tab of headless Chromium that we drive ourselves, through Playwright."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Error as BrowserError
from playwright.sync_api import Page, sync_playwright

from py_edge.demo.hooks import PATIENCE_S, Hooks
from py_edge.errors import EnvironmentProblem
from py_edge.host.chromium import chromium_flags, find_chromium

WIDTH, HEIGHT = 1280, 1600


class Tab(Hooks):
    """The page in a tab of ours."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.complaints = []
        page.on("console", lambda message: self._heard(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def call(self, hook: str, *given: Any) -> Any:
        """See Hooks."""
        try:
            return self._page.evaluate(
                "([hook, given]) => window.pyEdgeDemo[hook](...given)", [hook, list(given)]
            )
        except BrowserError as error:
            words = error.message.splitlines()[0]
            raise EnvironmentProblem(f"the page could not do it: {words}", where=f"page, {hook}") from error

    def keep_picture(self, file: Path) -> None:
        """See Hooks."""
        self._page.screenshot(path=str(file), full_page=True)

    def _heard(self, kind: str, text: str) -> None:
        if kind == "error":
            self.complaints.append(text)


@contextmanager
def open_tab(url: str) -> Iterator[Tab]:
    """A fresh profile at this URL. Raises EnvironmentProblem: no browser, it does not start, or the page does not."""
    program = str(find_chromium())
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=program, headless=True, args=chromium_flags()
            )
        except BrowserError as error:
            words = error.message.splitlines()[0]
            raise EnvironmentProblem(f"the browser does not start: {words}", where=program) from error
        try:
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            page.set_default_timeout(PATIENCE_S * 1000)
            tab = Tab(page)
            _open(page, url)
            yield tab
        finally:
            browser.close()


def _open(page: Page, url: str) -> None:
    try:
        page.goto(url)
        page.wait_for_function("() => window.pyEdgeDemo !== undefined")
    except BrowserError as error:
        words = error.message.splitlines()[0]
        raise EnvironmentProblem(f"the page does not come up: {words}", where=url) from error
