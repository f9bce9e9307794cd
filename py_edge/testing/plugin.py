"""pytest fixtures for testing pages with <py-edge>: `pytest_plugins = ["py_edge.testing.plugin"]` in your conftest.py.

`browser` (session: the Chromium of this machine), `context` (a new profile per test), `page` (watched), `tattler` (fails
the test when a page complained), `serve` (a folder or ASGI app on a free port, with faults), `bundle`, `origin`, `edge`
and `chain`. What each gives and takes: README.md beside this file. Needs the extra `demo`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, sync_playwright

from py_edge.bundle.collect import NODE_SERVED, Bundle, collect
from py_edge.bundle.models import model_name
from py_edge.bundle.parts import in_checkout, prepare
from py_edge.host.chromium import chromium_flags, find_chromium
from py_edge.node.app import create_app
from py_edge.node.settings import Settings
from py_edge.testing.origin import Origin

TIMEOUT_MS = 30_000
EMPTY = """<!doctype html><html lang="en"><title>test</title><link rel="icon" href="data:,">
<script type="module" src="py-edge.js"></script></html>"""
OPEN = """async attributes => {
  const edge = document.createElement('py-edge');
  for (const [name, value] of Object.entries(attributes)) edge.setAttribute(name, value);
  document.body.append(edge);
  await edge.ready;
}"""


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


@pytest.fixture(scope="session")
def py_edge_models() -> Sequence[Path]:
    """Model folders that `bundle` ships; override it in your conftest.py."""
    return ()


@pytest.fixture(scope="session")
def bundle(py_edge_models: Sequence[Path], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The static site as `py-edge bundle` makes it, with your models."""
    if in_checkout():
        prepare()
    front = {"src": f"models/{model_name(py_edge_models[0])}/"} if py_edge_models else NODE_SERVED
    return collect(tmp_path_factory.mktemp("bundle") / "site", models=py_edge_models, edge=front)


@pytest.fixture
def origin(bundle: Bundle) -> Iterator[Origin]:
    """The bundle on a loopback port, with faults in front."""
    with Origin(bundle.folder) as served:
        yield served


@pytest.fixture
def edge(page: Page, origin: Origin) -> Callable[..., Locator]:
    """`edge(src="models/mine/", threshold=0.9)`: an otherwise empty page of `origin` with one element, ready to answer.

    `edge(at=chain(2)[0], origin=".", ...)` is a page of that node, which it may ask. Gives the element's locator; call the element by `edge.evaluate("(edge, x) => edge.predict(new Float32Array(x))", [...])`.
    """

    def opened(*, at: Origin = origin, **attributes: object) -> Locator:
        url = f"{at.url}edge-test.html"
        page.route(url, lambda route: route.fulfill(content_type="text/html", body=EMPTY))
        page.goto(url)
        plain = {name.replace("_", "-"): str(value) for name, value in attributes.items()}
        page.evaluate(OPEN, plain)
        return page.locator("py-edge")

    return opened


@pytest.fixture
def chain(bundle: Bundle) -> Iterator[Callable[[int], list[Origin]]]:
    """`chain(3)`: real nodes, each the parent of the one before; all serve the bundle, the last one's desk is asked."""
    with ExitStack() as stack:

        def started(n: int) -> list[Origin]:
            nodes: list[Origin] = []
            for level in range(n, 0, -1):
                parent = nodes[0].url if nodes else ""
                site = str(bundle.folder)
                settings = Settings(name=f"tier-{level}", level=level, parent=parent, site_dir=site)
                nodes.insert(0, stack.enter_context(Origin(create_app(settings))))
            return nodes

        yield started
