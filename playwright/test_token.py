"""A page that brings a node's token, from another origin: questions, answers by stream, models; without it, a clear no."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, Request

from py_edge.node.app import create_app
from py_edge.node.node import Parts
from py_edge.node.settings import Settings
from py_edge.retrain.learner import Owned
from py_edge.testing import Origin

pytestmark = pytest.mark.browser
Released = tuple[dict[str, Any], dict[str, bytes]]
TOKEN = "a-token-of-the-tests-own"
SLOW_MS = 60_000
# The element of this page, asking the node of another origin; what it tells is kept.
OPEN = """([attributes, token]) => {
  const edge = Object.assign(document.createElement('py-edge'), { id: 'edge', ...(token && { token }) });
  for (const [name, value] of Object.entries({ learn: 'off', ...attributes })) edge.setAttribute(name, value);
  self.told = { error: [], state: [], answered: [] };
  for (const name in told) edge.addEventListener('pyedge:' + name, event => told[name].push(event.detail));
  document.body.append(edge);
  return edge.ready.then(() => '', error => error.code);
}"""
ASK = "image => document.getElementById('edge').ask(new Float32Array(image))"
SENT = "async () => { while (!(await edge.edge.counts()).waiting) await new Promise(resolve => setTimeout(resolve, 50)); }"
STATUS = "() => document.getElementById('edge').shadowRoot.querySelector('[part=status]').textContent"
# Everything that this page's origin keeps, as text.
KEPT = """async () => {
  const done = request => new Promise((yes, no) => { request.onsuccess = () => yes(request.result); request.onerror = no; });
  const kept = [JSON.stringify({ ...localStorage, ...sessionStorage }), document.cookie, document.documentElement.outerHTML];
  for (const { name } of await indexedDB.databases()) {
    const database = await done(indexedDB.open(name));
    for (const store of database.objectStoreNames) kept.push(JSON.stringify(await done(database.transaction(store).objectStore(store).getAll())));
    database.close();
  }
  return kept.join();
}"""


class Unlearning:
    """A model's keeper that never trains: these tests ask and answer."""

    def train(self, base: Any, examples: Any, seed: int) -> tuple[Any, dict[str, Any]]:
        """The same files."""
        return base, {}

    def evaluate(self, files: Any, examples: Any) -> list[Any]:
        """Nothing is judged."""
        return []

    def certify(self, files: Any, audits: Any, gold: Any) -> tuple[Any, dict[str, Any]]:
        """Everything climbs."""
        return files, {}


@pytest.fixture
def node(origin: Origin, released: Released) -> Iterator[Origin]:
    """A node that wants its token from everybody, and lets the page's origin call."""
    release, files = released
    owned = Owned("device", Unlearning(), 0, (files, release["metadata"]))
    settings = Settings(
        token=TOKEN, require_token=True, origins=(origin.url.rstrip("/"),), retrain_after=10_000
    )
    with Origin(create_app(settings, Parts(owned=(owned,)))) as served:
        yield served


def _answer(node: Origin, label: int) -> None:
    """The person at the desk, who brings the token too."""
    with httpx.Client(base_url=node.url, headers={"authorization": f"Bearer {TOKEN}"}) as desk:
        task, end = None, time.monotonic() + 30
        while task is None and time.monotonic() < end:
            time.sleep(0.05)
            task = desk.get("v1/desk/next", params={"annotator": "ann"}).json()["task"]
        assert task
        vote = {"annotator": "ann", "verdict": "label", "label_index": label, "seconds": 1.0}
        desk.post(f"v1/desk/{task['task']}/vote", json=vote).raise_for_status()


def test_with_the_token_everything_goes_and_it_stays_in_memory(
    page: Page, origin: Origin, node: Origin
) -> None:
    """The model from the node, a question up, its answer home by the stream; the token went to that node alone, and is
    nowhere among what the browser keeps."""
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request))
    page.goto(f"{origin.url}test-bare.html")
    assert page.evaluate(OPEN, [{"origin": node.url, "model": "device"}, TOKEN]) == ""
    page.evaluate(ASK, [0.5] * 64)
    page.evaluate(SENT)
    _answer(node, 3)
    page.wait_for_function("() => told.answered.length === 1", timeout=SLOW_MS)
    assert page.evaluate("() => [told.answered[0].label_index, told.error]") == [3, []]
    brought = [(r.url, r.all_headers().get("authorization")) for r in sent if r.url.startswith("http")]
    assert all(value == f"Bearer {TOKEN}" for url, value in brought if url.startswith(f"{node.url}v1/"))
    assert all(value is None for url, value in brought if not url.startswith(node.url))
    assert any("answers/stream" in url for url, _ in brought)
    assert not any("after=0&limit" in url for url, _ in brought)
    assert TOKEN not in page.evaluate(KEPT)


def test_without_it_the_question_waits_and_the_page_says_why(
    page: Page, origin: Origin, node: Origin, tattler: Any
) -> None:
    """A node that wants a token is told apart from one that is silent; nothing is lost, and with the token it goes up."""
    tattler.expected += ["Failed to load resource"]
    page.goto(f"{origin.url}test-bare.html")
    assert page.evaluate(OPEN, [{"origin": node.url, "src": "models/device/"}, ""]) == ""
    page.evaluate(ASK, [0.5] * 64)
    page.wait_for_function("() => told.error.length")
    problem: dict[str, Any] = page.evaluate("() => told.error[0]")
    assert (problem["code"], problem["got"]) == ("E_AUTH", 401)
    assert "set token" in problem["remedy"]
    assert page.evaluate("() => told.state.at(-1).denied")
    assert "token" in page.evaluate(STATUS)
    assert page.evaluate("async () => edge.edge.counts()") == {
        "outbox": 1, "waiting": 0, "answered": 0, "dead": 0,
    }  # fmt: skip
    page.evaluate("token => { edge.token = async () => token; }", TOKEN)
    page.evaluate(SENT)
    _answer(node, 7)
    page.wait_for_function("() => told.answered.length === 1", timeout=SLOW_MS)
    assert page.evaluate("() => told.error.length") == 1


def test_a_model_that_needs_the_token_says_so(page: Page, origin: Origin, node: Origin, tattler: Any) -> None:
    """No token, or another one: the start is refused with the code and what to do, in the page's words too."""
    tattler.expected += ["Failed to load resource"]
    page.goto(f"{origin.url}test-bare.html")
    assert (
        page.evaluate(OPEN, [{"origin": node.url, "model": "device"}, "another-token-altogether"]) == "E_AUTH"
    )
    assert "[E_AUTH]" in page.evaluate(STATUS)
