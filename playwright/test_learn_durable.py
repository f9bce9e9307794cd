"""A fine-tune in the tab is told step by step, can be stopped, survives every death, and a full disk does not end it."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

pytestmark = pytest.mark.browser
Open = Callable[[str], dict[str, Any]]
SLOW_MS = 120_000
# Processor time that the page's own thread may take in one piece while Python starts and learns beside it.
BUSY_MS = 50
LONG = {"epochs": 300, "batch": 8, "per_class": 100, "learning_rate": 0.001}
TEACH = """async ([images, labels]) => {
  const edge = await document.getElementById('edge').ready;
  for (const [i, image] of images.entries()) await edge.teach(new Float32Array(image), labels[i]);
}"""
ANSWER = "image => document.getElementById('edge').predict(new Float32Array(image)).then(({ probabilities }) => probabilities)"


@pytest.fixture
def taught(page: Page, open_edge: Open, digits: tuple[list[list[float]], list[int]]) -> list[float]:
    """A tab that is ready to learn from 200 pictures; gives one more picture."""
    page.set_default_timeout(SLOW_MS)
    images, labels = digits
    open_edge("learn")
    page.evaluate(TEACH, [images[500:700], labels[500:700]])
    page.evaluate("() => document.getElementById('edge').learning")
    return images[0]


def test_progress_is_told_and_a_signal_stops_it(page: Page, taught: list[float]) -> None:
    """Loss and place come while it learns; after an abort the old weights answer, and nothing is left to go on with."""
    before = page.evaluate(ANSWER, taught)
    told = page.evaluate(
        """async options => {
          const edge = await document.getElementById('edge').ready, control = new AbortController(), seen = [];
          edge.addEventListener('learning', event => { seen.push(event.detail); if (seen.length === 3) control.abort(); });
          const code = await edge.learn({ ...options, signal: control.signal }).catch(error => error.code);
          return { seen, code };
        }""",
        {**LONG, "epochs": 5000},
    )
    assert told["code"] == "E_ABORTED"
    assert 3 <= len(told["seen"]) <= 5
    places = [entry["epoch"] * entry["steps"] + entry["step"] for entry in told["seen"]]
    assert places == sorted(set(places))
    assert all(entry["loss"] > 0 for entry in told["seen"])
    assert page.evaluate(ANSWER, taught) == before
    assert page.evaluate("async () => (await document.getElementById('edge').ready).resume()") is None


def test_a_fit_that_explodes_is_told_and_the_old_weights_answer(page: Page, taught: list[float]) -> None:
    """A learning rate beyond reason ends as a typed error, and the page answers as before."""
    before = page.evaluate(ANSWER, taught)
    problem = page.evaluate(
        "() => document.getElementById('edge').learn({ learning_rate: 1e6, epochs: 50 }).catch(error => error.problem)"
    )
    assert problem["code"] == "E_TRAINING"
    assert "the last good weights are back" in problem["message"]
    assert page.evaluate(ANSWER, taught) == before


def test_a_full_storage_does_not_end_learning(page: Page, taught: list[float]) -> None:
    """When the browser keeps no more (thrown as it would: its own quota lets small writes pass) the page says so with a
    code, once, and the fine-tune ends in memory."""
    before = page.evaluate(ANSWER, taught)
    page.evaluate(
        """() => {
          self.heard = [];
          addEventListener('pyedge:error', event => heard.push(event.detail));
          IDBObjectStore.prototype.put = () => { throw new DOMException('full', 'QuotaExceededError'); };
        }"""
    )
    trained = page.evaluate(
        "options => document.getElementById('edge').learn(options).then(({ examples }) => examples)",
        {"epochs": 30},
    )
    assert trained == 200
    heard = page.evaluate("heard")
    assert [problem["code"] for problem in heard] == ["E_STORAGE"]
    assert "goes on in memory" in heard[0]["remedy"]
    assert page.evaluate(ANSWER, taught) != before


def test_the_page_is_never_busy_long(page: Page, taught: list[float], task_times: Any) -> None:
    """While Python learns, no task of the page's own thread takes more than 50 ms of processor time; by the clock it may,
    for a busy machine lets it wait."""
    with task_times() as times:
        page.evaluate("options => document.getElementById('edge').learn(options).then(() => 0)", LONG)
    print(f"{len(times)} tasks, the longest {max(times):.1f} ms of processor time")
    assert len(times) > 100
    assert 0 < max(times) < BUSY_MS


def _killed(
    killing: ModuleType,
    context: BrowserContext,
    page: Page,
    watch: Any,
    kills: int,
    seed: int,
    times: Any = None,
) -> Any:
    """Unbroken once, then so many kills; the Killer with what came of it."""
    page.evaluate("options => document.getElementById('edge').learn(options).then(() => 0)", LONG)
    unbroken = page.evaluate(killing.KEPT)["plan"]
    url = page.url
    page.close()
    killer = killing.Killer(context, url, LONG, random.Random(seed), watch, times)
    killer.run(kills)
    assert killer.total == kills
    assert set(killer.ends) == {unbroken}
    return killer


def test_killed_fits_end_where_an_unbroken_one_ends(
    context: BrowserContext, page: Page, tattler: Any, killing: ModuleType, taught: list[float]
) -> None:
    """Worker, tab and process die at random; each fit goes on from its last generation to the very same plan."""
    killer = _killed(killing, context, page, tattler.watch, 5, seed=3)
    assert killer.resumed


@pytest.mark.slow
def test_many_kills(
    context: BrowserContext,
    page: Page,
    tattler: Any,
    killing: ModuleType,
    taught: list[float],
    task_times: Any,
) -> None:
    """The same with many more, PY_EDGE_KILLS says how many; up to each kill the page's own thread is never busy long."""
    kills = int(os.environ.get("PY_EDGE_KILLS", "30"))
    killer = _killed(killing, context, page, tattler.watch, kills, 5, task_times)
    print(killer)
    assert killer.resumed >= killer.total / 5
    assert len(killer.longest_ms) >= kills
    assert max(killer.longest_ms) < BUSY_MS
