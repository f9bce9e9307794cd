"""The built bundle with a digits model, served; browser, page and tattler come from py_edge.testing.plugin."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from playwright.sync_api import Page

from py_edge.bundle.cache import sha256_of
from py_edge.bundle.collect import Bundle, collect
from py_edge.bundle.parts import prepare
from py_edge.testing import Origin

ROOT = Path(__file__).resolve().parents[1]
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>test</title><link rel="icon" href="data:,">
<script type="module" src="py-edge.js"></script><main><h1>test</h1>{body}</main></html>"""


def load_helper(path: Path) -> ModuleType:
    """A helper module of the tests by its file, for the tests folders are no packages."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def task_times(page: Page) -> Callable[..., AbstractContextManager[list[float]]]:
    """`with task_times() as times`: afterwards the processor time in ms of each task of the page's own thread in between;
    a busy machine adds nothing to it, nor do the pages that Chromium has for itself. Another page is named."""

    @contextmanager
    def watch(page: Page = page) -> Iterator[list[float]]:
        browser = page.context.browser
        assert browser
        browser.start_tracing(page=page, categories=["toplevel", "blink.user_timing"])
        times: list[float] = []
        try:
            yield times
            page.evaluate("() => void performance.mark('the page')")
        finally:
            events = json.loads(browser.stop_tracing())["traceEvents"]
        threads = {(event["pid"], event["tid"]) for event in events if event["name"] == "the page"}
        assert len(threads) == 1
        times += [
            event["tdur"] / 1000 for event in events
            if (event["pid"], event["tid"]) in threads and event["ph"] == "X" and "tdur" in event
        ]  # fmt: skip

    return watch


@pytest.fixture(scope="session")
def killing() -> ModuleType:
    """The helper that kills workers, tabs and renderers."""
    return load_helper(Path(__file__).with_name("killing.py"))


@pytest.fixture(scope="session")
def read_by_tfjs() -> Callable[[Path], list[Any]]:
    """What TensorFlow.js in Node computes from model folders: a file of cases -> outputs per case and folder."""
    read: Callable[[Path], list[Any]] = load_helper(
        ROOT / "tests" / "tfjs" / "test_read_by_tfjs.py"
    ).read_by_tfjs
    return read


@pytest.fixture(scope="session")
def digits() -> tuple[list[list[float]], list[int]]:
    """scikit-learn's digits: images of 64 values 0..1 and their labels."""
    helper = load_helper(ROOT / "tests" / "host" / "digits_release.py")
    images, labels = helper.digits()
    return images, labels


@pytest.fixture(scope="session")
def released() -> tuple[dict[str, Any], dict[str, bytes]]:
    """A trained digits model: its release and its files."""
    helper = load_helper(ROOT / "tests" / "host" / "digits_release.py")
    made: tuple[dict[str, Any], dict[str, bytes]] = helper.trained_release()
    return made


@pytest.fixture(scope="session")
def better() -> tuple[dict[str, Any], dict[str, bytes]]:
    """The same model trained on more: what a retrained version 2 is."""
    helper = load_helper(ROOT / "tests" / "host" / "digits_release.py")
    made: tuple[dict[str, Any], dict[str, bytes]] = helper.trained_release(500)
    return made


@pytest.fixture(scope="session")
def teachable_zip() -> bytes:
    """A small net as Teachable Machine exports it."""
    helper = load_helper(ROOT / "tests" / "host" / "teachable_zip.py")
    archive: bytes = helper.zipped(helper.teachable_files())
    return archive


@pytest.fixture(scope="session")
def model_folder(
    released: tuple[dict[str, Any], dict[str, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The released digits model as a folder."""
    release, files = released
    folder = tmp_path_factory.mktemp("models") / "device"
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "release.json").write_text(json.dumps(release), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def bundle(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The static folder as users get it, with the digits model and a few test pages beside it."""
    prepare()
    made = collect(
        tmp_path_factory.mktemp("bundle") / "site", models=[model_folder], tiers=("runtime", "node")
    )
    pages = {
        "predict": '<py-edge id="edge" src="models/device/" learn="off">Loading</py-edge>',
        "learn": '<py-edge id="edge" src="models/device/" learn="manual">Loading</py-edge>',
        "ask": '<py-edge id="edge" src="models/device/" origin="." learn="off">Loading</py-edge>',
        "bare": "",
    }
    for name, body in pages.items():
        (made.folder / f"test-{name}.html").write_text(PAGE.format(body=body), encoding="utf-8")
    index = json.loads((made.folder / "bundle.json").read_text(encoding="utf-8"))
    for path in made.folder.glob("test-*.html"):
        index["files"][path.name] = [path.stat().st_size, sha256_of(path.read_bytes())]
    (made.folder / "bundle.json").write_text(json.dumps(index), encoding="utf-8")
    return made


@pytest.fixture
def origin(bundle: Bundle) -> Iterator[Origin]:
    """The bundle on a loopback port, with faults in front."""
    with Origin(bundle.folder) as served:
        yield served


@pytest.fixture
def open_edge(page: Page, origin: Origin) -> Callable[[str], dict[str, Any]]:
    """Open a test page and wait for its element: gives what the model says of itself."""

    def opened(name: str) -> dict[str, Any]:
        page.goto(f"{origin.url}test-{name}.html")
        info: dict[str, Any] = page.evaluate("async () => (await document.getElementById('edge').ready).info")
        return info

    return opened
