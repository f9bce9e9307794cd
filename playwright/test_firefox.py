"""The main story in Firefox, which Playwright cannot drive: Mozilla's own Marionette speaks to the browser as installed."""

from __future__ import annotations

import shutil
from array import array
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from py_edge.bundle.collect import Bundle
from py_edge.model import load_model
from py_edge.node.app import create_app
from py_edge.node.settings import Settings
from py_edge.testing import Origin

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
SCRIPT_TIMEOUT_S = 120
# In the browser's own context, for a page sees nothing of what its workers fetch; Firefox's own errands are not the page's.
WATCH = """window.fetchedByPages = [];
Services.obs.addObserver({
  observe(channel) {
    const { URI, loadInfo } = channel.QueryInterface(Ci.nsIHttpChannel);
    if (!loadInfo.triggeringPrincipal.isSystemPrincipal) window.fetchedByPages.push(URI.spec);
  },
}, 'http-on-modify-request');"""
OPEN = """const edge = document.createElement('py-edge');
self.told = [];
for (const [name, value] of Object.entries({ src: 'models/device/', origin: '.', learn: 'manual' })) edge.setAttribute(name, value);
for (const name of ['answered', 'error']) edge.addEventListener('pyedge:' + name, event => told.push([name, event.detail]));
document.body.append(edge);
return (await edge.ready).info.version;"""
PREDICT = "return (await document.querySelector('py-edge').predict(new Float32Array(image))).label_index;"
ASK = "return await document.querySelector('py-edge').ask(new Float32Array(image));"
HEARD = """for (let i = 0; i < 300 && !told.some(([name]) => name === 'answered'); i++) await new Promise(resolve => setTimeout(resolve, 100));
return told;"""
LEARN = """const edge = document.querySelector('py-edge');
const python = (await edge.learning).python;
const { examples, loss } = await edge.learn({ epochs: 5 });
const { label_index } = await edge.predict(new Float32Array(image));
return { python, examples, loss, label_index };"""


@pytest.fixture
def firefox(tmp_path: Path) -> Iterator[Any]:
    """The Firefox of this machine, headless, with a new profile."""
    from marionette_driver.marionette import Marionette

    assert FIREFOX, "Firefox is missing: apt-get install firefox-esr"
    driver = Marionette(
        bin=FIREFOX, headless=True, startup_timeout=120, gecko_log=str(tmp_path / "gecko.log")
    )
    driver.start_session()
    driver.timeout.script = SCRIPT_TIMEOUT_S
    yield driver
    driver.cleanup()


def _run(firefox: Any, body: str, image: list[float] | None = None) -> Any:
    """What the async function with this body gives; an exception in the page is one here."""
    code = f"""const [image, done] = arguments;
    (async () => {{ {body} }})().then(value => done({{ value }}), error => done({{ error: String(error) }}));"""
    told = firefox.execute_async_script(code, script_args=[image or []], sandbox=None)
    assert "error" not in told, told
    return told["value"]


def _answer(node: Origin, image: list[float], label: int) -> None:
    """A person at the desk, who is shown just this image."""
    with httpx.Client(base_url=node.url, timeout=10) as desk:
        task = desk.get("v1/desk/next", params={"annotator": "tester"}).json()["task"]
        assert task["input"]["data"] == b64encode(array("f", image).tobytes()).decode()
        vote = {"annotator": "tester", "verdict": "label", "label_index": label, "seconds": 0.1}
        desk.post(f"v1/desk/{task['task']}/vote", json=vote).raise_for_status()


def test_the_page_opens_predicts_asks_hears_the_answer_and_learns(
    firefox: Any,
    bundle: Bundle,
    digits: tuple[list[list[float]], list[int]],
    released: tuple[dict[str, Any], dict[str, bytes]],
) -> None:
    """From a real node, with a person at its desk, in one tab of Firefox, which asks no other host for anything."""
    images, labels = digits
    files = {name: data for name, data in released[1].items() if name not in ("memory.json", "wasm.plan")}
    native = load_model(files).predict(images[600:620]).tolist()
    with firefox.using_context("chrome"):
        firefox.execute_script(WATCH, sandbox=None)
    with Origin(create_app(Settings(site_dir=str(bundle.folder)))) as node:
        firefox.navigate(f"{node.url}test-bare")
        assert _run(firefox, OPEN) == 1
        said = [_run(firefox, PREDICT, image) for image in images[600:620]]
        assert said == [max(range(10), key=row.__getitem__) for row in native]
        asked = _run(firefox, ASK, images[620])
        assert asked["sequence"] == 1
        for _ in range(100):
            if httpx.get(f"{node.url}v1/status").json()["questions"].get("queued"):
                break
            _run(firefox, "await new Promise(resolve => setTimeout(resolve, 100));")
        _answer(node, images[620], labels[620])
        name, answer = _run(firefox, HEARD)[-1]
        assert (name, answer["label_index"], answer["source"]) == ("answered", labels[620], "person")
        learnt = _run(firefox, LEARN, images[620])
        assert learnt["python"].startswith("3.14")
        assert learnt["examples"] == 1
        assert len(learnt["loss"]) == 5
        assert learnt["loss"][-1] <= learnt["loss"][0]
        with firefox.using_context("chrome"):
            fetched = firefox.execute_script("return window.fetchedByPages;", sandbox=None)
        for path in ("py-edge.js", "wasm.plan", "pyodide.asm.wasm", "v1/questions"):
            assert [url for url in fetched if path in url], f"{path} went unseen"
        assert [url for url in fetched if not url.startswith((node.url, "blob:", "data:"))] == []
