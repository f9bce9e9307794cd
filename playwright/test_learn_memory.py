"""Fine-tune after fine-tune in one tab: nothing that Python's collector, executor or page could not free is left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route

pytestmark = pytest.mark.browser
Open = Callable[[str], dict[str, Any]]
SLOW_MS = 120_000
# Allocators and caches fill in the first fits.
SETTLED, COUNTED = 4, 8
PYTHON_SLACK, PAGE_SLACK = 64_000, 500_000
FIT = {"epochs": 2, "batch": 32, "per_class": 5, "learning_rate": 0.001}
TEACH = """async ([images, labels]) => {
  const edge = await document.getElementById('edge').ready;
  for (const [i, image] of images.entries()) await edge.teach(new Float32Array(image), labels[i]);
}"""
FITS = """async ([count, options]) => {
  for (let i = 0; i < count; i++) await document.getElementById('edge').learn(options);
}"""
# In front of a worker's script: remember what each WebAssembly module with a memory exports.
WATCH = """
globalThis.instances = [];
const keep = ({ exports }) => { if (exports.memory) instances.push(new WeakRef(exports)); };
const { Instance } = WebAssembly;
WebAssembly.Instance = class extends Instance { constructor(...rest) { super(...rest); keep(this); } };
for (const name of ["instantiate", "instantiateStreaming"]) {
  const plain = WebAssembly[name];
  WebAssembly[name] = async (...rest) => {
    const made = await plain.apply(WebAssembly, rest);
    keep(made.instance ?? made);
    return made;
  };
}
"""
# Bytes that the C allocator under Python has given away (mallinfo's uordblks). A fit leaves some 47 kB in
# cycles, which wait for the collector: it runs first.
PYTHON = """() => {
  const { PyGC_Collect, memory, malloc, mallinfo, free } = instances.map(one => one.deref()).find(one => one?.mallinfo);
  PyGC_Collect();
  const at = malloc(64);
  mallinfo(at);
  const [used] = new Uint32Array(memory.buffer, at + 28, 1);
  free(at);
  return used;
}"""
# Executors that are still alive when the collector has been pressed.
EXECUTORS = """async () => {
  for (let i = 0; i < 40; i++) { new ArrayBuffer(32 << 20); await new Promise(resolve => setTimeout(resolve)); }
  return instances.filter(one => one.deref()).length;
}"""


@pytest.fixture
def fits(page: Page, open_edge: Open, digits: tuple[list[list[float]], list[int]]) -> Callable[[int], None]:
    """A tab that was taught fifty pictures and whose workers are watched; `fits(n)` fine-tunes n times."""

    def watched(route: Route) -> None:
        script = route.fetch()
        route.fulfill(response=script, body=WATCH + script.text())

    page.set_default_timeout(SLOW_MS)
    page.route(lambda url: url.endswith(".worker.js"), watched)
    open_edge("learn")
    images, labels = digits
    page.evaluate(TEACH, [images[500:550], labels[500:550]])
    return lambda count: page.evaluate(FITS, [count, FIT])


def _memory(page: Page) -> dict[str, int]:
    learn, predict = (
        next(one for one in page.workers if f"/{name}.worker.js" in one.url) for name in ("learn", "predict")
    )
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    heap = session.send("Runtime.getHeapUsage")["usedSize"]
    session.detach()
    return {"python": learn.evaluate(PYTHON), "page": heap, "executors": predict.evaluate(EXECUTORS)}


def test_what_a_fit_leaves_in_memory(page: Page, fits: Callable[[int], None]) -> None:
    """After the first few, eight fine-tunes leave nothing to Python once it has collected, no executor, no objects to the page."""
    fits(SETTLED)
    before = _memory(page)
    fits(COUNTED)
    after = _memory(page)
    assert after["python"] < before["python"] + PYTHON_SLACK
    assert after["page"] < before["page"] + PAGE_SLACK
    assert after["executors"] <= 2
