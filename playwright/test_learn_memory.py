"""Fine-tune after fine-tune in one tab: the memory of Python, of the executor and of the page does not grow."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route

pytestmark = pytest.mark.browser
Open = Callable[[str], dict[str, Any]]
SLOW_MS = 120_000
# Allocators and caches fill in the first fits; later ones may add this much in all, however many they are.
SETTLED = 4
PYTHON_SLACK, PAGE_SLACK = 1_000_000, 500_000
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
# Bytes that the C allocator under Python has given away (mallinfo's uordblks), and those of the memory.
PYTHON = """() => {
  const { memory, malloc, mallinfo, free } = instances.map(one => one.deref()).find(one => one?.mallinfo);
  const at = malloc(64);
  mallinfo(at);
  const [used] = new Uint32Array(memory.buffer, at + 28, 1);
  free(at);
  return [used, memory.buffer.byteLength];
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
    page.route("**/worker.js", watched)
    open_edge("learn")
    images, labels = digits
    page.evaluate(TEACH, [images[500:550], labels[500:550]])
    return lambda count: page.evaluate(FITS, [count, FIT])


def _memory(page: Page) -> dict[str, int]:
    learn, predict = (
        next(one for one in page.workers if one.url.endswith(f"#{name}")) for name in ("learn", "predict")
    )
    used, memory = learn.evaluate(PYTHON)
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    heap = session.send("Runtime.getHeapUsage")["usedSize"]
    session.detach()
    return {"python": used, "memory": memory, "page": heap, "executors": predict.evaluate(EXECUTORS)}


def _stays_flat(page: Page, fits: Callable[[int], None], count: int) -> None:
    fits(SETTLED)
    before = _memory(page)
    fits(count - SETTLED)
    after = _memory(page)
    print(f"{count} fits: {before} -> {after}")
    assert after["python"] < before["python"] + PYTHON_SLACK
    assert after["memory"] == before["memory"]
    assert after["page"] < before["page"] + PAGE_SLACK
    assert after["executors"] <= 2


def test_memory_stays_flat_over_a_few_fits(page: Page, fits: Callable[[int], None]) -> None:
    """Twelve fine-tunes leave no more behind than four."""
    _stays_flat(page, fits, 12)


@pytest.mark.slow
def test_memory_stays_flat_over_many_fits(page: Page, fits: Callable[[int], None]) -> None:
    """The same, with as many as PY_EDGE_FITS says."""
    page.set_default_timeout(10 * SLOW_MS)
    _stays_flat(page, fits, int(os.environ.get("PY_EDGE_FITS", "80")))
