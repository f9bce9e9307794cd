"""Offline by stopping the server, updates, the inspect page and Erase everything."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from py_edge.bundle.collect import Bundle
from py_edge.testing import Fault, Origin

pytestmark = pytest.mark.browser

CONTROLLED = "() => navigator.serviceWorker.ready.then(() => new Promise(resolve => navigator.serviceWorker.controller ? resolve(true) : navigator.serviceWorker.addEventListener('controllerchange', () => resolve(true))))"
KEPT = """async () => ({
  databases: (await indexedDB.databases()).map(one => one.name),
  caches: await caches.keys(),
  keys: Object.keys(localStorage),
  workers: (await navigator.serviceWorker.getRegistrations()).length,
})"""


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A profile in which service workers work."""
    made = browser.new_context(service_workers="allow", viewport={"width": 1280, "height": 900})
    made.set_default_timeout(30_000)
    yield made
    made.close()


@pytest.fixture
def own(bundle: Bundle, tmp_path: Path) -> Iterator[Origin]:
    """A copy of the bundle that a test may change."""
    folder = tmp_path / "site"
    shutil.copytree(bundle.folder, folder)
    with Origin(folder) as origin:
        yield origin


def _visit(page: Page, origin: Origin) -> None:
    """Open the inspect page and a model page, until the service worker is in charge."""
    page.goto(f"{origin.url}inspect.html")
    page.evaluate(CONTROLLED)
    page.goto(f"{origin.url}test-predict.html")
    page.evaluate("async () => (await document.getElementById('edge').ready).info")


def test_the_page_answers_with_the_server_gone(page: Page, own: Origin, tattler: Any) -> None:
    """Once visited, pages and model work without any network."""
    tattler.expected += ["ERR_CONNECTION_REFUSED", "Failed to load resource"]
    _visit(page, own)
    page.wait_for_timeout(500)
    own.stop()
    page.goto(f"{own.url}inspect.html")
    expect(page.locator("#total")).to_contain_text("files")
    page.goto(f"{own.url}test-predict.html")
    info = page.evaluate("async () => (await document.getElementById('edge').ready).info")
    assert info["version"] == 1


def test_nothing_unverified_is_ever_kept(page: Page, own: Origin, tattler: Any) -> None:
    """A sign-in page in place of a script is not cached, and the service worker is not installed with it."""
    tattler.expected += ["Failed to load", "MIME type", "is not the file", "ServiceWorker"]
    own.faults.active.append(Fault("html", r"/app-[^/]*/demo\.js$"))
    page.goto(f"{own.url}inspect.html")
    page.wait_for_timeout(1500)
    assert not page.evaluate("async () => Boolean((await navigator.serviceWorker.getRegistration())?.active)")


def test_a_new_version_is_offered_and_taken(page: Page, own: Origin, bundle: Bundle) -> None:
    """Update N to N + 1 with an open tab: the page says so, a reload shows the new one, the old cache is gone."""
    _visit(page, own)
    page.goto(f"{own.url}inspect.html")
    folder = own_folder(own)
    index = json.loads((folder / "bundle.json").read_text())
    index["tree"] = "0" * 16
    (folder / "bundle.json").write_text(json.dumps(index))
    (folder / "sw.js").write_text((folder / "sw.js").read_text() + "\n// next")
    page.evaluate("async () => (await navigator.serviceWorker.getRegistration()).update()")
    expect(page.get_by_text("A new version of this page is here.")).to_be_visible()
    page.get_by_role("button", name="Reload").click()
    expect(page.locator("#total")).to_contain_text("files")
    names = page.evaluate("() => caches.keys()")
    assert [name.rsplit(":", 1)[1] for name in names] == ["0" * 16]


def test_the_kill_switch_removes_worker_and_caches(page: Page, own: Origin) -> None:
    """`"offline": false` in bundle.json and a new sw.js, and nothing of it is left."""
    _visit(page, own)
    folder = own_folder(own)
    index = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").write_text(json.dumps({**index, "offline": False}))
    (folder / "sw.js").write_text((folder / "sw.js").read_text() + "\n// off")
    page.goto(f"{own.url}test-bare.html")
    page.evaluate("async () => (await navigator.serviceWorker.getRegistration()).update()")
    page.wait_for_function(
        "async () => !(await caches.keys()).length && !(await navigator.serviceWorker.getRegistration())"
    )


def test_erase_everything_leaves_nothing(page: Page, own: Origin) -> None:
    """After the one button: no database, no cache, no key, no service worker of ours."""
    _visit(page, own)
    page.evaluate("() => localStorage.setItem('py-edge:annotator', 'me')")
    page.goto(f"{own.url}inspect.html")
    expect(page.locator("#kept")).to_contain_text("IndexedDB")
    kept = page.evaluate(KEPT)
    assert kept["databases"]
    assert kept["caches"]
    assert kept["workers"]
    page.get_by_role("button", name="Erase everything").click()
    expect(page.locator("#kept-total")).to_contain_text("Everything was erased")
    assert page.evaluate(KEPT) == {"databases": [], "caches": [], "keys": [], "workers": 0}


def test_a_device_moves_to_another_browser(
    browser: Browser, page: Page, own: Origin, tmp_path: Path, tattler: Any
) -> None:
    """Exported and imported, it is the same device: id, waiting question, examples. A nonsense file changes nothing."""
    tattler.expected += ["Failed to load resource", "MIME type"]
    page.goto(f"{own.url}test-ask.html?nosw")
    device = page.evaluate(
        """async () => {
          const edge = await document.getElementById('edge').ready;
          await edge.teach(new Float32Array(64).fill(0.5), 3);
          return (await edge.ask(new Float32Array(64))).device;
        }"""
    )
    page.goto(f"{own.url}inspect.html?nosw")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    file = tmp_path / "state.json"
    download.value.save_as(file)
    other = browser.new_context(service_workers="block").new_page()
    other.goto(f"{own.url}inspect.html?nosw")
    (tmp_path / "nonsense.json").write_text(
        '{"format": "py-edge-state", "version": 1, "databases": {"other": {}}}'
    )
    for name, words in (
        ("nonsense.json", "E_FORMAT"),
        ("state.json", "taken in"),
        ("state.json", "E_POLICY"),
    ):
        other.locator("#import").set_input_files(tmp_path / name)
        expect(other.locator("#kept-total")).to_contain_text(words)
        other.locator("#import").set_input_files([])
    other.goto(f"{own.url}test-ask.html?nosw")
    told = other.evaluate(
        """async () => {
          const edge = await document.getElementById('edge').ready;
          return { device: edge.device, questions: (await edge.questions()).map(row => row.question.input.data.length), next: (await edge.ask(new Float32Array(64))).sequence };
        }"""
    )
    other.context.close()
    assert told["device"] == device
    assert len(told["questions"]) == 1
    assert told["next"] == 2


def test_the_map_of_bytes_adds_up(page: Page, own: Origin, bundle: Bundle) -> None:
    """The inspect page shows every file that is shipped, by name, size and digest."""
    page.goto(f"{own.url}inspect.html?nosw")
    expect(page.locator("#total")).to_contain_text("files")
    page.get_by_text("All files").click()
    index = json.loads((bundle.folder / "bundle.json").read_text())
    assert page.locator("#files tbody tr").count() == len(index["files"])
    assert page.evaluate("async () => (await navigator.serviceWorker.getRegistrations()).length") == 0


def own_folder(origin: Origin) -> Path:
    """The folder behind this origin."""
    assert origin.folder is not None
    return origin.folder
