"""Offline by stopping the server, updates, the inspect page and Erase everything."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from py_edge.bundle.collect import Bundle, collect
from py_edge.bundle.parts import PARTS
from py_edge.node.app import create_app
from py_edge.node.settings import Settings
from py_edge.testing import Fault, Origin

pytestmark = pytest.mark.browser

CONTROLLED = "() => navigator.serviceWorker.ready.then(() => new Promise(resolve => navigator.serviceWorker.controller ? resolve(true) : navigator.serviceWorker.addEventListener('controllerchange', () => resolve(true))))"
KEPT = """async () => ({
  databases: (await indexedDB.databases()).map(one => one.name),
  caches: await caches.keys(),
  keys: Object.keys(localStorage),
  workers: (await navigator.serviceWorker.getRegistrations()).length,
})"""

LABEL = """async () => {
  await customElements.whenDefined('py-edge');
  return (await document.getElementById('edge').predict(new Float32Array(64))).label;
}"""
SCRIPTS = "() => performance.getEntriesByType('resource').map(one => new URL(one.name).pathname.slice(1)).filter(path => path.startsWith('app-'))"
STATUSES = "paths => Promise.all(paths.map(async path => (await fetch(path)).status))"
OLDER = (
    "async () => (await caches.open('py-edge:/:older')).put('bundle.json', new Response('{\"files\": {}}'))"
)
HOLDS = "async ([tree, path]) => Boolean(await (await caches.open(`py-edge:/:${tree}`)).match(path))"
UPDATE = "async () => (await navigator.serviceWorker.getRegistration()).update()"
NEW_VERSION = "A new version of this page is here."


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


def test_what_is_kept_offline_is_told_at_the_next_visit_and_goes_out_when_the_node_answers(
    context: BrowserContext, page: Page, bundle: Bundle, tattler: Any
) -> None:
    """The front page of a node: asked offline, counted again after a reload; back online nobody reads that it is away."""
    tattler.expected += ["ERR_INTERNET_DISCONNECTED", "Failed to load resource"]
    status = page.locator("#edge [part=status]")
    with Origin(create_app(Settings(site_dir=str(bundle.folder)))) as node:
        page.goto(f"{node.url}index.html?src=models/device/&learn=off&audit=1")
        page.evaluate(CONTROLLED)
        expect(page.locator("#learnt")).to_have_text("Learning is off.")
        context.set_offline(True)
        page.locator("#sample").click()
        expect(page.locator("#counts")).to_have_text("0 answered, 0 waiting, 1 not yet sent")
        page.reload()
        expect(page.locator("#counts")).to_have_text("0 answered, 0 waiting, 1 not yet sent")
        expect(status).to_have_text("The node does not answer; questions are kept")
        context.set_offline(False)
        expect(page.locator("#counts")).to_have_text("0 answered, 1 waiting, 0 not yet sent", timeout=60_000)
        expect(status).to_have_text("The node answers again", timeout=60_000)
        page.close()


def test_nothing_unverified_is_ever_kept(page: Page, own: Origin, tattler: Any) -> None:
    """A sign-in page in place of a script is not cached, and the service worker is not installed with it."""
    tattler.expected += ["Failed to load", "MIME type", "is not the file", "ServiceWorker"]
    own.faults.active.append(Fault("html", r"/app-[^/]*/demo\.js$"))
    page.goto(f"{own.url}inspect.html")
    page.wait_for_timeout(1500)
    assert not page.evaluate("async () => Boolean((await navigator.serviceWorker.getRegistration())?.active)")


def test_new_versions_are_offered_and_taken(page: Page, own: Origin) -> None:
    """With an open tab: the page says so, a reload shows the new one, which has what did not change of Python, and of older
    ones just the last is kept; the way back to it is a new version too."""
    page.goto(f"{own.url}test-bare.html")
    page.evaluate(OLDER)
    _visit(page, own)
    page.goto(f"{own.url}inspect.html")
    index = json.loads((own_folder(own) / "bundle.json").read_text())
    first, second = index["tree"], "0" * 16
    assert _kept(page) == ["older", first]
    part = f"{index['runtime']}pyodide.mjs"
    page.evaluate("path => fetch(path)", part)
    page.wait_for_function(HOLDS, arg=[first, part])
    for before, tree in ((first, second), (second, first)):
        (own_folder(own) / "bundle.json").write_text(json.dumps({**index, "tree": tree}))
        with (own_folder(own) / "sw.js").open("a") as worker:
            worker.write("// next")
        page.evaluate(UPDATE)
        expect(page.get_by_text(NEW_VERSION)).to_be_visible()
        with page.expect_navigation():
            page.get_by_role("button", name="Reload").click()
        expect(page.locator("#total")).to_contain_text("files")
        assert _kept(page) == [before, tree]
        assert page.evaluate(HOLDS, [tree, part])


def _kept(page: Page) -> list[str]:
    """The bundles that are kept, the newest last."""
    return [name.rsplit(":", 1)[1] for name in page.evaluate("() => caches.keys()")]


def test_a_tab_of_the_bundle_before_goes_on_until_it_is_reloaded(
    context: BrowserContext, own: Origin, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two tabs, then the next bundle in place of theirs: both are told, one takes it, the other has all of its files."""
    _visit(context.new_page(), own)
    tabs = [context.new_page(), context.new_page()]
    for tab in tabs:
        tab.goto(f"{own.url}index.html?src=models/device/&learn=off")
        tab.evaluate(LABEL)
    old, files = _code_of(own)
    _publish_next(own_folder(own), model_folder, tmp_path / "parts", monkeypatch)
    new, _ = _code_of(own)
    assert not (own_folder(own) / old).exists()
    tabs[0].evaluate(UPDATE)
    for tab in tabs:
        expect(tab.get_by_text(NEW_VERSION)).to_be_visible()
    for tab, app in ((tabs[0], new), (tabs[1], old), (tabs[1], new)):
        if app == new:
            with tab.expect_navigation():
                tab.get_by_role("button", name="Reload").click()
        else:
            assert tab.evaluate(STATUSES, files) == [200] * len(files)
        assert tab.evaluate(LABEL) in [str(digit) for digit in range(10)]
        assert {path.split("/")[0] + "/" for path in tab.evaluate(SCRIPTS)} == {app}


def test_a_tab_whose_bundle_is_gone_says_so_when_it_first_wants_python(
    browser: Browser, own: Origin, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a service worker the host alone has the files: E_GONE with what to do, and a button that does what F5 does."""
    page = browser.new_page(service_workers="block")
    for script in own_folder(own).glob(
        "*.js*"
    ):  # nothing is said of caching: a browser takes what is old for good
        os.utime(script, (10**9, 10**9))
    page.goto(f"{own.url}index.html?src=models/device/&learn=off")
    page.evaluate(LABEL)
    _publish_next(own_folder(own), model_folder, tmp_path / "parts", monkeypatch)
    code = "() => document.getElementById('edge').edge.learner().then(() => '', error => error.code)"
    assert page.evaluate(code) == "E_GONE"
    expect(page.get_by_text(NEW_VERSION)).to_be_visible()
    with page.expect_navigation():
        page.get_by_role("button", name="Reload").click()
    page.wait_for_function("() => customElements.get('py-edge')")
    assert page.evaluate(LABEL) in [str(digit) for digit in range(10)]
    assert page.evaluate(code) == ""
    page.close()


def _code_of(origin: Origin) -> tuple[str, list[str]]:
    """The folder of our code in the bundle that is served, and what of it is kept for offline at once."""
    index = json.loads((own_folder(origin) / "bundle.json").read_text())
    app = index["app"]
    return app, [
        path for path in index["files"]
        if path.startswith(app) and path.endswith((".js", ".css", ".svg", ".wasm"))
    ]  # fmt: skip


def _publish_next(folder: Path, model: Path, parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `py-edge bundle` writes over its last one when one script has changed; without the packed copies, which take long."""
    shutil.copytree(PARTS, parts)
    with (parts / "app" / "demo.js").open("a") as script:
        script.write("// next")
    monkeypatch.setattr("py_edge.bundle.collect.find_parts", lambda: parts)
    monkeypatch.setattr("py_edge.bundle.collect.compressed", lambda files: {})
    collect(folder, models=[model], tiers=("runtime", "node"))


def test_the_kill_switch_removes_worker_and_caches(page: Page, own: Origin) -> None:
    """`"offline": false` in bundle.json and a new sw.js, and nothing of it is left."""
    _visit(page, own)
    folder = own_folder(own)
    index = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").write_text(json.dumps({**index, "offline": False}))
    (folder / "sw.js").write_text((folder / "sw.js").read_text() + "\n// off")
    page.goto(f"{own.url}test-bare.html")
    page.evaluate(UPDATE)
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
    """Exported and imported, it is the same device: id, waiting question, examples. A nonsense file changes nothing;
    where it is erased, the page tells under which id it has asked."""
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
    page.get_by_role("button", name="Erase everything").click()
    expect(page.locator("#kept-total")).to_contain_text(f"py-edge erase URL {device}")


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
