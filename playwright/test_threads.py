"""Threads of the element's predict worker: they run where memory can be shared, change no bit, and may be lost."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from py_edge.bundle.collect import Bundle
from py_edge.bundle.models import model_files
from py_edge.model import Model
from py_edge.testing import Fault, Origin
from py_edge.tfjs.new import sequential

pytestmark = pytest.mark.browser
ISOLATED = {"cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp"}
LAYERS: list[dict[str, Any]] = [
    {"class_name": "Conv2D", "filters": 32, "kernel_size": [3, 3], "activation": "relu"},
    {"class_name": "Conv2D", "filters": 64, "kernel_size": [3, 3], "strides": [2, 2], "activation": "relu"},
    {"class_name": "GlobalAveragePooling2D"},
    {"class_name": "Dense", "units": 10, "activation": "softmax"},
]
PREDICT = """async (threads) => {
  const edge = document.createElement('py-edge');
  edge.setAttribute('src', 'models/wide/');
  edge.setAttribute('learn', 'off');
  if (threads) edge.setAttribute('threads', threads);
  document.body.append(edge);
  const loaded = await edge.ready;
  const input = (seed) => Float32Array.from({ length: 48 * 48 * 3 }, (_, i) => ((i * 13 + seed) % 29 - 14) / 7);
  const said = [];
  for (let seed = 0; seed < 10; seed++) said.push((await edge.predict(input(seed))).probabilities);
  const { info } = loaded;
  edge.remove();
  return { threads: info.threads, reason: info.reason, said: said.map((one) => [...one]) };
}"""


@pytest.fixture(scope="module")
def site(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle with a model that is worth two threads."""
    folder = tmp_path_factory.mktemp("threads")
    shutil.copytree(bundle.folder, folder / "site")
    Model(sequential((48, 48, 3), LAYERS, seed=1)).save(folder / "wide")
    target = folder / "site" / "models" / "wide"
    target.mkdir()
    for path, data in model_files(folder / "wide")[1].items():
        (target / path).write_bytes(data)
    return folder / "site"


@pytest.fixture
def isolated(page: Page, site: Path) -> Iterator[Page]:
    """A page that may share memory."""
    with Origin(site, headers=ISOLATED) as served:
        page.goto(f"{served.url}test-bare.html")
        yield page


def test_the_element_takes_two_threads_and_changes_no_bit(isolated: Page) -> None:
    """In an isolated page a prediction takes as many threads as told, else half the cores and at most two: the same results."""
    one, two, three, default = (isolated.evaluate(PREDICT, threads) for threads in ("1", "2", "3", ""))
    cores = isolated.evaluate("navigator.hardwareConcurrency")
    assert [told["threads"] for told in (one, two, three)] == [1, 2, 3]
    assert default["threads"] == max(1, min(2, cores // 2))
    assert one["said"] == two["said"] == three["said"] == default["said"]
    assert one["said"][0] != one["said"][1]


def test_without_isolation_the_element_takes_one_thread(page: Page, site: Path) -> None:
    """Where memory cannot be shared it is one thread, also when more are asked for, and the same answer."""
    with Origin(site) as served:
        page.goto(f"{served.url}test-bare.html")
        assert page.evaluate(PREDICT, "2")["threads"] == 1
        assert not [path for _, path in served.faults.log if "crew" in path]


def test_a_small_model_stays_with_one_thread_and_says_why(isolated: Page) -> None:
    """Where waking a helper costs more than it gives there is none."""
    told = isolated.evaluate(
        PREDICT.replace("models/wide/", "models/device/").replace("48 * 48 * 3", "64"), "2"
    )
    assert (told["threads"], told["reason"]) == (1, "the model is too small to share")


def test_helpers_that_do_not_start_leave_one_thread_and_a_reason(
    page: Page, site: Path, tattler: Any
) -> None:
    """A helper's script that cannot be fetched costs a thread, no answer."""
    tattler.expected += ["runs on one thread", "Failed to load resource"]
    with Origin(site, headers=ISOLATED) as served:
        served.faults.active.append(Fault("refuse", r"crew\.worker"))
        page.goto(f"{served.url}test-bare.html")
        one, two = page.evaluate(PREDICT, "1"), page.evaluate(PREDICT, "2")
    assert (two["threads"], two["said"] == one["said"]) == (1, True)
    assert two["reason"].startswith("helpers did not start: ")


LOST = {
    "traps": """onmessage = ({ data }) => {
      const { exports } = new WebAssembly.Instance(data.module, { env: { memory: data.memory } });
      postMessage('serving');
      setTimeout(() => exports.pe_crew_lose(data.crew), 50);
    };""",
    "dies without a word": "onmessage = () => { postMessage('serving'); close(); };",
}
RUN = """async () => {
  const { load } = await import('./predict.js');
  const run = async (threads) => {
    const model = await load('models/wide/wasm.plan', { threads });
    const [{ name }] = model.inputs, [{ name: out }] = model.outputs;
    const input = (seed) => Float32Array.from({ length: 48 * 48 * 3 }, (_, i) => ((i * 13 + seed) % 29 - 14) / 7);
    const begun = model.threads, said = [];
    for (let seed = 0; seed < 10; seed++) said.push([...(await model.run({ [name]: input(seed) }))[out].data]);
    return { begun, threads: model.threads, reason: model.reason, said };
  };
  return [await run(1), await run(2)];
}"""


@pytest.mark.parametrize("how", LOST)
def test_a_helper_lost_in_a_run_costs_a_thread_and_no_answer(
    page: Page, site: Path, tattler: Any, tmp_path: Path, how: str
) -> None:
    """A helper that traps, or dies without a word, leaves one thread, a reason and exactly the same results."""
    tattler.expected += ["runs on one thread"]
    broken = shutil.copytree(site, tmp_path / "site")
    next(broken.glob("app-*/crew.worker.js")).write_text(LOST[how])
    with Origin(broken, headers=ISOLATED) as served:
        page.goto(f"{served.url}test-bare.html")
        one, two = page.evaluate(RUN)
        lost = page.evaluate(PREDICT, "2")
        assert lost["said"] == page.evaluate(PREDICT, "1")["said"]
    assert (lost["threads"], lost["reason"]) == (1, "a helper was lost")
    assert (two["begun"], two["threads"], two["reason"]) == (2, 1, "a helper was lost")
    assert two["said"] == one["said"]
