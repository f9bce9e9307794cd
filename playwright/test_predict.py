"""The page answers without Python: executor, plan, policy, and clear sentences when something is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from py_edge.bundle.collect import Bundle
from py_edge.model import load_model
from py_edge.testing import Fault, Origin

pytestmark = pytest.mark.browser
Open = Callable[[str], dict[str, Any]]

PREDICT = "input => document.getElementById('edge').predict(new Float32Array(input))"
ERROR = """() => new Promise(resolve => {
  const edge = document.createElement('py-edge');
  edge.setAttribute('src', 'models/device/');
  edge.setAttribute('learn', 'off');
  edge.addEventListener('pyedge:error', event => resolve(event.detail));
  document.body.append(edge);
})"""


def _input(seed: int) -> list[float]:
    return [((i * 7 + seed * 13) % 17) / 16 for i in range(64)]


def test_the_predict_worker_computes_what_python_computes(
    page: Page, open_edge: Open, released: tuple[dict[str, Any], dict[str, bytes]]
) -> None:
    """The stand-alone executor and the native kernels agree on every class to five digits."""
    info = open_edge("predict")
    assert info["labels"] == [str(digit) for digit in range(10)]
    files = {name: data for name, data in released[1].items() if name not in ("memory.json", "wasm.plan")}
    model = load_model(files)
    for seed in range(5):
        native = model.predict([_input(seed)]).tolist()[0]
        said = page.evaluate(PREDICT, _input(seed))
        assert said["probabilities"] == pytest.approx(native, abs=1e-5)
        assert said["label_index"] == max(range(10), key=native.__getitem__)


def test_it_is_unsure_exactly_below_its_threshold(page: Page, open_edge: Open) -> None:
    """A prediction defers if and only if its confidence is below the released threshold."""
    info = open_edge("predict")
    said = [page.evaluate(PREDICT, _input(seed)) for seed in range(20)]
    assert {one["defer"] for one in said} <= {True, False}
    for one in said:
        assert one["defer"] == (one["confidence"] < info["threshold"])


def test_nothing_but_the_page_the_model_and_the_executor_is_fetched(open_edge: Open, origin: Origin) -> None:
    """Answering needs no Python: with learn="off" not one byte of the runtime is asked for."""
    open_edge("predict")
    assert not [path for _, path in origin.faults.log if "/rt-" in path or path.endswith(".whl")]
    assert len([path for _, path in origin.faults.log if path.endswith(".wasm")]) == 1


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        (Fault("alter", r"\.plan$"), "E_INTEGRITY", "digest"),
        (Fault("html", r"\.plan$"), "E_INTEGRITY", "web page"),
        (Fault("html", r"release\.json$"), "E_FORMAT", "not a release"),
        (Fault("refuse", r"\.plan$"), "E_NETWORK", "503"),
        (Fault("drop", r"executor"), "E_NETWORK", "connection broke"),
        (Fault("truncate", r"executor"), "E_NETWORK", "connection broke"),
        (Fault("alter", r"executor"), "E_INTEGRITY", "digest"),
        (Fault("refuse", r"release\.json$", 404), "E_NOT_FOUND", "404"),
    ],
)
def test_bad_weather_at_the_start_is_one_clear_sentence(
    page: Page, origin: Origin, tattler: Any, fault: Fault, code: str, words: str
) -> None:
    """Every fault while loading becomes one error event with a stable code, and the same sentence on the page."""
    tattler.expected += ["Failed to load resource"]
    page.goto(f"{origin.url}test-bare.html")
    origin.faults.active.append(fault)
    told = page.evaluate(ERROR)
    assert told["code"] == code
    shown = page.locator("py-edge").locator("[part=status]")
    assert code in (shown.text_content() or "")
    assert words in (shown.text_content() or "")


def test_a_browser_without_simd_is_told_what_to_do(page: Page, origin: Origin) -> None:
    """Without WebAssembly SIMD the page says so, with a remedy, instead of failing somewhere inside."""
    page.route(
        "**/predict.worker.js",
        lambda route: route.fulfill(
            content_type="text/javascript",
            body="WebAssembly.validate = () => false;" + (route.fetch().text()),
        ),
    )
    page.goto(f"{origin.url}test-bare.html")
    told = page.evaluate(ERROR)
    assert (told["code"], "SIMD" in told["message"]) == ("E_ENVIRONMENT", True)
    assert "browser" in told["remedy"]


def test_the_small_module_runs_a_plan_without_a_worker(page: Page, origin: Origin) -> None:
    """`load(url)` of predict.js gives inputs, outputs, run, memory and dispose."""
    page.goto(f"{origin.url}test-bare.html")
    told = page.evaluate(
        """async () => {
          const { load } = await import('./predict.js');
          const seen = [];
          const model = await load('models/device/wasm.plan', { onprogress: p => seen.push(p.done / p.total) });
          const [output] = model.run(new Float32Array(64));
          const kept = { shape: model.inputs[0].shape, sum: output.reduce((a, b) => a + b), memory: model.memory() };
          model.dispose();
          let after = '';
          try { model.run(new Float32Array(64)); } catch (error) { after = error.message; }
          return { ...kept, last: seen.at(-1), monotonic: seen.every((v, i) => !i || v >= seen[i - 1]), after };
        }"""
    )
    assert told["shape"] == [1, 64]
    assert told["sum"] == pytest.approx(1, abs=1e-5)
    assert (told["last"], told["monotonic"], told["after"]) == (1, True, "this model was disposed of")
    assert told["memory"] > 0


def test_it_works_below_any_path_and_under_a_strict_policy(page: Page, bundle: Bundle) -> None:
    """The same folder under /a/b/ with a policy that allows WebAssembly but no eval and no inline script."""
    policy = (
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; "
        "style-src 'self'; img-src 'self' data:"
    )
    with Origin(bundle.folder, under="/a/b", headers={"content-security-policy": policy}) as served:
        page.goto(f"{served.url}test-predict.html")
        info = page.evaluate("async () => (await document.getElementById('edge').ready).info")
        assert info["version"] == 1
