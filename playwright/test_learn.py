"""Learning in the tab: Python starts beside the predict worker, fine-tunes, and the new plan is swapped in."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from py_edge.model import Model, load_model
from py_edge.testing import Fault, Origin
from py_edge.train.delta import apply_delta

pytestmark = pytest.mark.browser
Open = Callable[[str], dict[str, Any]]

TEACH = """async ([images, labels]) => {
  const edge = await document.getElementById('edge').ready;
  for (const [i, image] of images.entries()) await edge.teach(new Float32Array(image), labels[i]);
}"""
SAVED = """async () => {
  const edge = await document.getElementById('edge').ready, files = await edge.save(), delta = await edge.delta();
  const told = bytes => btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(''));
  return { files: Object.fromEntries(Object.entries(files).map(([path, bytes]) => [path, told(bytes)])), delta: told(delta) };
}"""
LEARN = """options => document.getElementById('edge').learn(options)
  .then(({ plan, change, ...rest }) => ({ ...rest, bytes: plan.length }))"""
MANY = """async images => {
  const edge = await document.getElementById('edge').ready;
  return edge.predictMany(new Float32Array(images.flat()), images.length);
}"""
ROWS = """async images => {
  const edge = await document.getElementById('edge').ready, rows = [];
  for (const image of images) rows.push([...(await edge.predict(new Float32Array(image))).probabilities]);
  return rows;
}"""
SLOW_MS = 120_000


def _accuracy(labels: list[int], truth: list[int]) -> float:
    return sum(a == b for a, b in zip(labels, truth, strict=True)) / len(truth)


def test_the_tab_learns_and_answers_better_and_keeps_it_over_a_reload(
    page: Page, open_edge: Open, digits: tuple[list[list[float]], list[int]]
) -> None:
    """What is taught in the page raises accuracy on images never shown, and is still there after a reload."""
    page.set_default_timeout(SLOW_MS)
    images, labels = digits
    open_edge("learn")
    before = _accuracy(page.evaluate(MANY, images[900:1200])["labels"], labels[900:1200])
    page.evaluate(TEACH, [images[500:800], labels[500:800]])
    trained = page.evaluate(LEARN, {"epochs": 20, "learning_rate": 0.003})
    assert trained["examples"] == 300
    assert trained["loss"][-1] < trained["loss"][0]
    after = _accuracy(page.evaluate(MANY, images[900:1200])["labels"], labels[900:1200])
    assert after > before + 0.05
    page.reload()
    page.evaluate("async () => (await document.getElementById('edge').ready).info")
    kept = _accuracy(page.evaluate(MANY, images[900:1200])["labels"], labels[900:1200])
    assert kept == after


def test_what_was_learnt_is_taken_away_as_files_and_as_a_delta(
    page: Page,
    open_edge: Open,
    digits: tuple[list[list[float]], list[int]],
    released: tuple[dict[str, Any], dict[str, bytes]],
) -> None:
    """The files compute what the page answers, before and after a reload; a delta of at most a kilobyte on the release
    answers as well to a point."""
    page.set_default_timeout(SLOW_MS)
    images, labels = digits
    open_edge("learn")
    page.evaluate(TEACH, [images[500:800], labels[500:800]])
    trained = page.evaluate(LEARN, {"epochs": 20, "learning_rate": 0.003})
    told = page.evaluate(SAVED)
    model = load_model({path: b64decode(data) for path, data in told["files"].items()})
    wanted = page.evaluate(ROWS, images[900:1000])
    for row, want in zip(model.predict(images[900:1000]).tolist(), wanted, strict=True):
        shares = [share ** (1 / trained["temperature"]) for share in row]
        assert [share / sum(shares) for share in shares] == pytest.approx(want, abs=1e-4)
    page.reload()
    assert page.evaluate(SAVED) == told
    base = load_model(
        {path: data for path, data in released[1].items() if path.endswith((".bin", "model.json"))}
    )
    delta = b64decode(told["delta"])
    right = _accuracy(_best(model, images[900:1500]), labels[900:1500])
    base.set_weights(apply_delta(base.weights, delta))
    print(
        f"delta {len(delta)} bytes, right {right:.4f}, with the delta {_accuracy(_best(base, images[900:1500]), labels[900:1500]):.4f}"
    )
    assert len(delta) <= 1000
    assert _accuracy(_best(base, images[900:1500]), labels[900:1500]) >= right - 0.01


@pytest.mark.slow
def test_tfjs_reads_what_the_tab_has_learnt(
    page: Page,
    open_edge: Open,
    digits: tuple[list[list[float]], list[int]],
    read_by_tfjs: Callable[[Path], list[Any]],
    tmp_path: Path,
) -> None:
    """TensorFlow.js itself, in Node, loads the files of a fine-tune in the tab and computes what we compute from them."""
    page.set_default_timeout(SLOW_MS)
    images, labels = digits
    open_edge("learn")
    page.evaluate(TEACH, [images[500:700], labels[500:700]])
    page.evaluate(LEARN, {"epochs": 10})
    files = {path: b64decode(data) for path, data in page.evaluate(SAVED)["files"].items()}
    for path, data in files.items():
        (tmp_path / path).write_bytes(data)
    given = {
        "shape": [50, 64],
        "dtype": "float32",
        "values": [value for image in images[900:950] for value in image],
    }
    (tmp_path / "cases.json").write_text(json.dumps([{"folders": [str(tmp_path)], "inputs": [given]}]))
    found = read_by_tfjs(tmp_path / "cases.json")[0][0][0]
    ours = load_model(files).predict(images[900:950]).flat.tolist()
    assert found["shape"] == [50, 10]
    assert [float(value) for value in found["values"]] == pytest.approx(ours, abs=1e-6)


def _best(model: Model, images: list[list[float]]) -> list[int]:
    return [row.index(max(row)) for row in model.predict(images).tolist()]


def test_numpy_is_not_needed_and_python_reports_itself(page: Page, open_edge: Open) -> None:
    """Python in the tab is the locked one, and nothing of it comes from elsewhere."""
    page.set_default_timeout(SLOW_MS)
    open_edge("learn")
    report = page.evaluate("() => document.getElementById('edge').learning")
    assert report["python"].startswith("3.14")
    assert report["ms"] > 0
    assert report["without_snapshot"] == ""


def test_predictions_go_on_while_the_tab_learns(
    page: Page, open_edge: Open, digits: tuple[list[list[float]], list[int]]
) -> None:
    """Predictions asked during a fine-tune come back before it ends, from the old model, none hangs."""
    page.set_default_timeout(SLOW_MS)
    images, labels = digits
    open_edge("learn")
    page.evaluate("() => document.getElementById('edge').learning")
    page.evaluate(TEACH, [images[500:800], labels[500:800]])
    told = page.evaluate(
        """async image => {
          const edge = await document.getElementById('edge').ready;
          let done = false;
          const learning = edge.learn({ epochs: 200, per_class: 100 }).then(() => (done = true));
          let during = 0, slowest = 0;
          while (!done && during < 200) {
            const begin = performance.now();
            await edge.predict(new Float32Array(image));
            if (!done) { during++; slowest = Math.max(slowest, performance.now() - begin); }
          }
          await learning;
          return { during, slowest };
        }""",
        images[0],
    )
    assert told["during"] >= 20


def test_without_examples_learning_says_so_and_the_model_stays(page: Page, open_edge: Open) -> None:
    """Nothing to learn from is an error with a code, and the released model goes on answering."""
    page.set_default_timeout(SLOW_MS)
    open_edge("learn")
    code = page.evaluate("() => document.getElementById('edge').learn().catch(error => error.code)")
    assert code == "E_TRAINING"
    assert (
        page.evaluate("() => document.getElementById('edge').predict(new Float32Array(64))")["model_version"]
        == 1
    )


@pytest.mark.parametrize(
    "fault",
    [Fault("refuse", r"/rt-"), Fault("html", r"asm\.wasm$"), Fault("truncate", r"\.(whl|snapshot\.gz)$")],
)
def test_python_that_does_not_start_leaves_the_page_answering(
    page: Page, origin: Origin, open_edge: Open, tattler: Any, fault: Fault
) -> None:
    """When the runtime cannot be had, learning fails with a sentence, predicting does not."""
    page.set_default_timeout(SLOW_MS)
    tattler.expected += ["Failed to load resource"]
    origin.faults.active.append(fault)
    open_edge("learn")
    told = page.evaluate("() => document.getElementById('edge').learning.catch(error => error.problem)")
    assert told["code"] in ("E_NETWORK", "E_ENVIRONMENT", "E_WORKER", "E_INTEGRITY")
    assert (
        page.evaluate("() => document.getElementById('edge').predict(new Float32Array(64))")["model_version"]
        == 1
    )


@pytest.mark.parametrize(
    "kind", ["alter", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("truncate", "refuse"))]
)
def test_the_snapshot_is_only_a_shortcut(
    page: Page, origin: Origin, open_edge: Open, tattler: Any, kind: Any
) -> None:
    """A damaged snapshot costs time, nothing else: Python starts the long way, and tells why."""
    page.set_default_timeout(SLOW_MS)
    tattler.expected += ["Failed to load resource"]
    origin.faults.active.append(Fault(kind, r"\.snapshot\.gz$"))
    open_edge("learn")
    report = page.evaluate("() => document.getElementById('edge').learning")
    assert report["python"].startswith("3.14")
    assert report["without_snapshot"]


def test_a_dead_learn_worker_takes_nothing_with_it(
    page: Page, open_edge: Open, digits: tuple[list[list[float]], list[int]]
) -> None:
    """After the learn worker is killed, predictions go on and the next fine-tune starts a new one."""
    page.set_default_timeout(SLOW_MS)
    images, labels = digits
    page.add_init_script(
        """const Real = Worker;
        self.workers = {};
        self.Worker = class extends Real { constructor(url, options) { super(url, options); workers[options.name] = this; } };"""
    )
    open_edge("learn")
    page.evaluate("() => document.getElementById('edge').learning")
    page.evaluate(TEACH, [images[500:600], labels[500:600]])
    page.evaluate(
        "() => { workers['py-edge learn'].terminate(); workers['py-edge learn'].dispatchEvent(new ErrorEvent('error', { message: 'killed' })); }"
    )
    assert (
        page.evaluate("() => document.getElementById('edge').predict(new Float32Array(64))")["model_version"]
        == 1
    )
    assert page.evaluate(LEARN, {"epochs": 2})["examples"] == 100


def test_first_files_are_the_small_ones(origin: Origin, open_edge: Open, tmp_path: Path) -> None:
    """The page asks for the model and the executor before any byte of Python."""
    open_edge("learn")
    paths = [path for _, path in origin.faults.log]
    runtime = next((i for i, path in enumerate(paths) if "/rt-" in path), len(paths))
    assert paths.index(next(p for p in paths if p.endswith(".plan"))) < runtime
