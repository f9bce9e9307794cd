"""The page answers without Python: executor, plan, policy, and clear sentences when something is wrong."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Route

from py_edge.bundle.collect import Bundle
from py_edge.graph import Builder
from py_edge.model import load_model
from py_edge.plan import Plan, compile_graph
from py_edge.tensor import Tensor
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


def test_a_page_on_plain_http_checks_its_bytes_too(context: BrowserContext, origin: Origin) -> None:
    """Where the browser has no digest of its own, as in a local network, ours is fetched and the model answers."""
    host = "http://plain.test/"

    def forward(route: Route) -> None:
        route.fulfill(response=route.fetch(url=origin.url + route.request.url.removeprefix(host)))

    context.route(f"{host}**", forward)
    tab, asked = context.new_page(), []
    tab.on("request", lambda request: asked.append(request.url.rsplit("/", 1)[-1]))
    tab.goto(f"{host}test-predict.html")
    assert tab.evaluate("isSecureContext") is False
    tab.evaluate("async () => { await document.getElementById('edge').ready }")
    assert len(tab.evaluate(PREDICT, _input(0))["probabilities"]) == 10
    assert "sha256.js" in asked


def test_it_is_unsure_exactly_below_its_threshold(page: Page, open_edge: Open) -> None:
    """A prediction defers if and only if its confidence is below the released threshold."""
    info = open_edge("predict")
    said = [page.evaluate(PREDICT, _input(seed)) for seed in range(20)]
    assert {one["defer"] for one in said} <= {True, False}
    for one in said:
        assert one["defer"] == (one["confidence"] < info["threshold"])


def test_what_is_no_number_is_hard_and_never_easy(page: Page, open_edge: Open) -> None:
    """NaN or infinity in an input, be it one that the net would swallow: no label, no confidence, asked; said in words."""
    open_edge("predict")
    told = page.evaluate(
        """async () => {
          const element = document.getElementById('edge');
          const values = (at, value) => Object.assign(new Float32Array(64).fill(0.5), { [at]: value });
          const shadow = () => [...element.shadowRoot.querySelectorAll('[part~=result], [part=status]')].map((node) => node.textContent);
          const said = [];
          for (const value of [NaN, Infinity, 0.5]) {
            const { prediction } = await element.predictOrAsk(values(3, value));
            said.push([prediction.label === null, prediction.label_index, prediction.confidence, prediction.defer, ...shadow()]);
          }
          const { labels } = await element.edge.predictMany(new Float32Array([...values(0, NaN), ...values(0, 0.5)]), 2);
          return [...said, labels[0], labels[1] >= 0];
        }"""
    )
    hard = [
        True,
        -1,
        0,
        True,
        "no answer",
        "This is nothing that the model can judge; kept here, no node is named to ask",
    ]
    assert told[:2] == [hard, hard]
    assert told[2][0] is False
    assert told[2][5].startswith(("Answered on this device", "Not sure"))
    assert told[3:] == [-1, True]


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
        (Fault("html", r"release\.json$"), "E_INTEGRITY", "web page"),
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
        "**/worker.js",
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
    """`load(url)` of predict.js gives inputs, outputs, run, memory and dispose; what does not fit is told by code and place."""
    page.goto(f"{origin.url}test-bare.html")
    told = page.evaluate(
        """async () => {
          const { load } = await import('./predict.js');
          const seen = [];
          const model = await load('models/device/model.json', { onprogress: p => seen.push(p.done / p.total) });
          const [{ name, shape, dtype }] = model.inputs;
          const outputs = await model.run({ [name]: new Float32Array(64) });
          const [{ name: out }] = model.outputs;
          const { data, shape: given } = outputs[out];
          const codes = [];
          const fail = async (inputs) => {
            try { await model.run(inputs); codes.push('none'); } catch (error) { codes.push(error.code, error.problem.where); }
          };
          await fail({ [name]: new Float32Array(63) });
          await fail({ [name]: new Float64Array(64) });
          await fail({ [name]: Array(64).fill(0) });
          await fail({ other: new Float32Array(64) });
          await fail({});
          const kept = { name, shape, dtype, given, sum: data.reduce((a, b) => a + b), memory: model.memory(), threads: model.threads };
          model.dispose();
          await fail({ [name]: new Float32Array(64) });
          return { ...kept, codes, last: seen.at(-1), monotonic: seen.every((v, i) => !i || v >= seen[i - 1]), after: model.memory() };
        }"""
    )
    name = told["name"]
    assert (told["shape"], told["dtype"], told["given"]) == ([1, 64], "float32", [1, 10])
    assert told["sum"] == pytest.approx(1, abs=1e-5)
    assert (told["last"], told["monotonic"], told["after"], told["threads"]) == (1, True, 0, 1)
    assert told["memory"] > 0
    assert told["codes"] == [
        "E_SHAPE", name, "E_VALUE", name, "E_VALUE", name, "E_NOT_FOUND", "predict.js", "E_NOT_FOUND", name,
        "E_NOT_FOUND", "predict.js",
    ]  # fmt: skip


def _wide() -> Plan:
    """Enough to share between threads: a product, an activation, a softmax, and int32 and bool at the borders."""
    b = Builder()
    x, n, flag = b.input("x", (96, 192)), b.input("n", (96, 1), "int32"), b.input("flag", (96, 1), "bool")
    weights = Tensor.from_flat([((i * 37) % 101 - 50) / 100 for i in range(192 * 256)], (192, 256))
    y = b.op("softmax", b.op("tanh", b.op("matmul", x, b.constant(weights))))
    b.output("y", b.op("mul", y, b.op("cast", n, dtype="float32")))
    b.output("twice", b.op("add", n, n))
    b.output("not", b.op("logical_not", flag))
    return compile_graph(b.graph, 8)


RUN_WIDE = """async (threads) => {
  const { load } = await import(new URL('predict.js', globalThis.root ?? location.href).href);
  const model = await load(new URL('wide.plan', globalThis.root ?? location.href).href, { threads });
  const x = Float32Array.from({ length: 96 * 192 }, (_, i) => ((i * 13) % 29 - 14) / 7);
  const n = Int32Array.from({ length: 96 }, (_, i) => i - 50);
  const flag = Uint8Array.from({ length: 96 }, (_, i) => i % 2);
  const runs = [];
  for (let i = 0; i < 50; i++) runs.push(await model.run({ x, n, flag }));
  const same = runs.every(({ y }) => y.data.every((v, i) => v === runs[0].y.data[i]));
  const { y, twice, not } = runs[0];
  const told = { threads: model.threads, same, y: [...y.data], twice: [...twice.data], not: [...not.data], dtypes: [y.dtype, twice.dtype, not.dtype] };
  model.dispose();
  return told;
}"""
ISOLATED = {"cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp"}


def _serve_wide(page: Page) -> None:
    body = _wide().to_bytes()
    page.context.route(
        "**/wide.plan", lambda route: route.fulfill(body=body, content_type="application/octet-stream")
    )


@pytest.mark.parametrize("place", ["page", "classic worker"])
def test_threads_give_the_same_bits_as_one(page: Page, bundle: Bundle, place: str) -> None:
    """With isolation three threads share a run, in a page and in a classic worker, and change no bit of it."""
    _serve_wide(page)
    with Origin(bundle.folder, headers=ISOLATED) as served:
        page.goto(f"{served.url}test-bare.html")
        run = "(threads) => run(threads)"
        if place == "classic worker":
            script = f"root = {served.url!r}; const run = {RUN_WIDE}; onmessage = async ({{ data }}) => postMessage(await run(data));"
            page.route(
                "**/classic.js",
                lambda route: route.fulfill(body=script, content_type="text/javascript", headers=ISOLATED),
            )
            page.evaluate(
                """() => { globalThis.run = (threads) => new Promise((resolve, reject) => {
                  const worker = new Worker('classic.js');
                  worker.onmessage = ({ data }) => resolve(data);
                  worker.onerror = (event) => reject(new Error(event.message));
                  worker.postMessage(threads);
                }); }"""
            )
        else:
            page.evaluate(f"() => {{ globalThis.run = {RUN_WIDE} }}")
        one, three = page.evaluate(run, 1), page.evaluate(run, 3)
    assert (one["threads"], three["threads"]) == (1, 3)
    assert three["same"]
    assert one["y"] == three["y"]
    assert one["twice"] == [2 * (i - 50) for i in range(96)]
    assert one["not"] == [1 - i % 2 for i in range(96)]
    assert one["dtypes"] == ["float32", "int32", "bool"]


def test_without_isolation_threads_are_one(page: Page, origin: Origin) -> None:
    """Asking for threads where memory cannot be shared gives one thread, not an error."""
    _serve_wide(page)
    page.goto(f"{origin.url}test-bare.html")
    assert page.evaluate(f"({RUN_WIDE})(2)")["threads"] == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda plan: replace(plan, arena_bytes=1 << 45), "E_CAPACITY"),
        (lambda plan: replace(plan, arena_bytes=3 << 30, weights_bytes=3 << 30), "E_CAPACITY"),
        (lambda plan: replace(plan, arena_bytes=64), "E_FORMAT"),
        (lambda plan: replace(plan, inputs=(replace(plan.inputs[0], shape=(1 << 40, 1 << 40)),)), "E_FORMAT"),
        (lambda plan: replace(plan, outputs=(replace(plan.outputs[0], dtype="float99"),)), "E_FORMAT"),
        (
            lambda plan: replace(
                plan, code=plan.code[:64] + b"\xf0\xff\xff\x7f" * (len(plan.code) // 4 - 16)
            ),
            "E_KERNEL",
        ),
    ],
)
def test_an_absurd_plan_is_an_error_and_never_a_trap(
    page: Page, bundle: Bundle, change: Any, code: str
) -> None:
    """Sizes beyond memory, ports outside of the arena and damaged code are told by code, with one thread and with two."""
    body = change(_wide()).to_bytes()
    page.route(
        "**/wide.plan", lambda route: route.fulfill(body=body, content_type="application/octet-stream")
    )
    with Origin(bundle.folder, headers=ISOLATED) as served:
        page.goto(f"{served.url}test-bare.html")
        for threads in (1, 2):
            run = f"({RUN_WIDE})({threads}).then(() => 'none', error => error.code ?? String(error))"
            assert page.evaluate(run) == code


def test_a_model_without_a_plan_is_compiled_once_and_kept(
    page: Page,
    tattler: Any,
    bundle: Bundle,
    released: tuple[dict[str, Any], dict[str, bytes]],
    tmp_path: Path,
) -> None:
    """A model.json alone is compiled by Python, also for several examples; the next page finds both plans kept."""
    tattler.expected += ["wasm.plan"]
    site = tmp_path / "site"
    shutil.copytree(bundle.folder, site)
    (site / "models" / "device" / "wasm.plan").unlink()
    files = {name: data for name, data in released[1].items() if name not in ("memory.json", "wasm.plan")}
    wanted = load_model(files).predict([_input(seed) for seed in range(3)]).tolist()
    run = """async (values) => {
      const { load } = await import('./predict.js');
      const model = await load('models/device/model.json');
      const [{ name }] = model.inputs, [{ name: out }] = model.outputs;
      const one = await model.run({ [name]: new Float32Array(values.slice(0, 64)) });
      const three = await model.run({ [name]: new Float32Array(values) });
      return [one[out].shape, [...one[out].data], three[out].shape, [...three[out].data]];
    }"""
    values = [value for seed in range(3) for value in _input(seed)]
    with Origin(site) as served:
        for visit in range(2):
            served.faults.log.clear()
            page.goto(f"{served.url}test-bare.html")
            one_shape, one, three_shape, three = page.evaluate(run, values)
            assert (one_shape, three_shape) == ([1, 10], [3, 10])
            assert one == pytest.approx(wanted[0], abs=1e-5)
            assert three == pytest.approx([value for row in wanted for value in row], abs=1e-5)
            python = any("/rt-" in path for _, path in served.faults.log)
            assert python == (visit == 0)


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
