"""What the way between server and page can do to model files, row by row: one clear sentence with a stable code, bounded."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, Route

from py_edge.testing import Fault, Origin
from tests.node.raw_server import head, length, raw_server

pytestmark = pytest.mark.browser
START = """src => new Promise(resolve => {
  const edge = document.createElement('py-edge');
  for (const [name, value] of [['src', src], ['learn', 'off']]) edge.setAttribute(name, value);
  document.body.append(edge);
  edge.ready.then(() => resolve(['ready', '']), error => resolve([error.code, error.message]));
})"""
LOAD = """async url => {
  const { load } = await import('./predict.js');
  return load(url).then(() => ['ready', ''], error => [error.code, error.message]);
}"""
ELSEWHERE = "{elsewhere}models/device/release.json"
ROWS = [
    (Fault("redirect", r"release\.json$", to=ELSEWHERE), "E_POLICY", "another origin"),
    (Fault("redirect", r"wasm\.plan$", to=ELSEWHERE), "E_POLICY", "another origin"),
    (Fault("redirect", r"executor.*wasm$", to=ELSEWHERE), "E_POLICY", "another origin"),
    (Fault("redirect", r"/device/release\.json$", to="/models/device/labels/../release.json?again"), "", ""),
    (Fault("endless", r"release\.json$"), "E_LIMIT", "too large"),
    (Fault("endless", r"wasm\.plan$"), "E_INTEGRITY", "more bytes than promised"),
    (Fault("pack", r"release\.json$"), "E_INTEGRITY", "packed with gzip"),
    (Fault("pack", r"wasm\.plan$"), "E_INTEGRITY", "wasm.plan"),
    (Fault("truncate", r"release\.json$"), "E_NETWORK", "connection broke"),
    (Fault("html", r"release\.json$"), "E_INTEGRITY", "web page"),
]
MODEL_ROWS = [
    (Fault("redirect", r"model\.json$", to=ELSEWHERE), "E_POLICY", "another origin"),
    (Fault("endless", r"model\.json$"), "E_LIMIT", "too large"),
    (Fault("pack", r"model\.json$"), "E_INTEGRITY", "packed with gzip"),
    (Fault("html", r"model\.json$"), "E_INTEGRITY", "web page"),
]


@pytest.fixture(autouse=True)
def _provoked(tattler: Any) -> None:
    """The browser's own lines about requests that these tests make fail."""
    tattler.expected += ["Failed to load resource", "ERR_", "blocked", "third host", "Mixed Content", "CORS"]


def _set(origin: Origin, elsewhere: Origin, fault: Fault) -> None:
    to = fault.to.format(elsewhere=elsewhere.url)
    origin.faults.active.append(
        Fault(fault.kind, fault.path, times=1 if fault.to.startswith("/") else -1, to=to)
    )


@pytest.mark.parametrize(("fault", "code", "words"), ROWS)
def test_a_release_comes_whole_from_where_it_was_asked_or_not_at_all(
    page: Page, origin: Origin, serve: Any, bundle: Any, fault: Fault, code: str, words: str
) -> None:
    """Another origin, no end, packed twice, cut, replaced: the code and the file's address; a redirect at home is fine."""
    _set(origin, serve(bundle.folder, headers={"access-control-allow-origin": "*"}), fault)
    page.goto(f"{origin.url}test-bare.html")
    said, message = page.evaluate(START, "models/device/")
    assert said == (code or "ready")
    assert words in message
    assert not code or f"{origin.url}" in message


@pytest.mark.parametrize(("fault", "code", "words"), MODEL_ROWS)
def test_a_model_json_that_promises_nothing_is_bounded_too(
    page: Page, origin: Origin, serve: Any, bundle: Any, fault: Fault, code: str, words: str
) -> None:
    """A bare model.json has neither size nor digest: the same rules, before Python is started."""
    origin.faults.active.append(Fault("refuse", r"wasm\.plan$", 404))
    _set(origin, serve(bundle.folder, headers={"access-control-allow-origin": "*"}), fault)
    page.goto(f"{origin.url}test-bare.html")
    said, message = page.evaluate(LOAD, f"{origin.url}models/device/model.json")
    assert said == code
    assert words in message
    assert "model.json" in message
    assert not [path for _, path in origin.faults.log if "/rt-" in path]


@pytest.mark.parametrize(
    ("promised", "after", "code", "words"),
    [
        (0, b"HTTP/1.1 junk" * 500, "ready", ""),
        (-100, b"", "E_FORMAT", "wrong length"),
        (100, b"", "E_NETWORK", "model.plan"),
    ],
    ids=["more follows", "length too small", "length too large"],
)
def test_a_content_length_that_is_not_true(
    page: Page, origin: Origin, bundle: Any, promised: int, after: bytes, code: str, words: str
) -> None:
    """Bytes beyond the length never reach the model; a length that cuts it, or that it never fills, has a code."""
    (plan,) = (bundle.folder / "models" / "device").glob("*wasm.plan")
    body = plan.read_bytes()
    lines = head("access-control-allow-origin: *", length(len(body) + promised)) + body + after
    page.goto(f"{origin.url}test-bare.html")
    with raw_server(lines) as raw:
        said, message = page.evaluate(LOAD, f"{raw}/model.plan")
    assert said == code, message
    assert words in message


def test_a_page_on_https_is_told_that_http_is_not_allowed(page: Page, origin: Origin) -> None:
    """Mixed content, which the browser blocks without a reason, has a code and a remedy of its own."""

    def answer(route: Route) -> None:
        path = route.request.url.removeprefix("https://secure.test/")
        route.fulfill(response=route.fetch(url=origin.url + path))

    page.route("https://secure.test/**", answer)
    page.goto("https://secure.test/test-bare.html")
    said, message = page.evaluate(LOAD, "http://plain.test/model.plan")
    assert said == "E_POLICY"
    assert "http://plain.test/model.plan" in message
    assert "https" in message
    page.unroute_all(behavior="ignoreErrors")


def test_a_node_whose_answer_does_not_end_is_left_and_the_question_kept(page: Page, origin: Origin) -> None:
    """A receipt without an end is read up to a bound; what came is told with its code, the question stays to be sent."""
    origin.faults.active.append(Fault("endless", r"/v1/questions", times=-1))
    page.goto(f"{origin.url}test-ask.html")
    row: dict[str, Any] = page.evaluate(
        """async () => {
          const edge = await document.getElementById('edge').ready;
          await edge.ask(new Float32Array(64));
          for (;; await new Promise(resolve => setTimeout(resolve, 50))) {
            const [row] = await edge.questions();
            if (row.problem) return row;
          }
        }"""
    )
    assert (row["problem"]["code"], row["state"]) == ("E_LIMIT", "asked")
