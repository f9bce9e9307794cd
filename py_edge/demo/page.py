"""The page as the story sees it: a real Chromium, driven through the named hooks of `window.pyEdgeDemo`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Error as BrowserError
from playwright.sync_api import Page as BrowserPage
from playwright.sync_api import sync_playwright

from py_edge.errors import EnvironmentProblem
from py_edge.host.chromium import chromium_flags, find_chromium

_PAUSE_S = 0.05
_PATIENCE_S = 120.0
WIDTH, HEIGHT = 1280, 1600


class Page:
    """One tab. Every method is one hook; what goes in and comes out is plain JSON."""

    def __init__(self, page: BrowserPage) -> None:
        self._page = page
        self.complaints: list[str] = []
        page.on("console", lambda message: self._heard(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def call(self, hook: str, *arguments: Any) -> Any:
        """`pyEdgeDemo.<hook>(...arguments)`, awaited. Raises EnvironmentProblem with the page's own words."""
        try:
            return self._page.evaluate(
                "([hook, given]) => window.pyEdgeDemo[hook](...given)", [hook, list(arguments)]
            )
        except BrowserError as error:
            words = error.message.splitlines()[0]
            raise EnvironmentProblem(f"the page could not do it: {words}", where=f"page, {hook}") from error

    def await_all_answered(self, check: Any) -> None:
        """Until nothing waits any more; `check` may raise what went wrong elsewhere. Raises EnvironmentProblem."""
        quiet_since, last = time.monotonic(), None
        while True:
            counts = self.call("waiting")
            if not counts["outbox"] and not counts["waiting"]:
                return
            if counts != last:
                quiet_since, last = time.monotonic(), counts
            if time.monotonic() - quiet_since > _PATIENCE_S:
                raise EnvironmentProblem("answers do not come home any more", where="page", got=str(counts))
            check()
            time.sleep(_PAUSE_S)

    def await_version(self, wanted: int, check: Any) -> None:
        """Until the page answers with this version of its model, or a newer one."""
        end = time.monotonic() + _PATIENCE_S
        while (self.call("model")["version"] or 0) < wanted:
            if time.monotonic() > end:
                raise EnvironmentProblem("the page does not take the new model", where="page", want=wanted)
            check()
            time.sleep(_PAUSE_S)

    def screenshot(self, path: str) -> None:
        self._page.screenshot(path=path, full_page=True)

    def _heard(self, kind: str, text: str) -> None:
        if kind == "error":
            self.complaints.append(text)


@contextmanager
def open_page(url: str, query: Sequence[tuple[str, str]] = ()) -> Iterator[Page]:
    """A fresh profile in headless Chromium at this URL. Raises EnvironmentProblem: no browser, or it does not start."""
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
            tab = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            tab.set_default_timeout(_PATIENCE_S * 1000)
            page = Page(tab)
            tab.goto(url)
            tab.wait_for_function("() => window.pyEdgeDemo !== undefined")
            yield page
        finally:
            browser.close()
