"""Bad weather, table by table: whatever fails, the page says one sentence with a stable code and goes on with what it has."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from py_edge.bundle.collect import Bundle
from py_edge.model import Model
from py_edge.records import ReleaseFile, digest_of_release
from py_edge.testing import Fault, Origin
from py_edge.tfjs.new import sequential

pytestmark = pytest.mark.browser
START = """src => new Promise(resolve => {
  const edge = document.createElement('py-edge');
  self.errors = [];
  for (const [name, value] of [['src', src], ['learn', 'off']]) edge.setAttribute(name, value);
  edge.addEventListener('pyedge:error', event => errors.push(event.detail));
  document.body.append(edge);
  edge.ready.then(() => resolve('ready'), error => resolve(error.code));
})"""
FULL = "IDBObjectStore.prototype.put = () => { throw new DOMException('full', 'QuotaExceededError'); };"
FULL_AFTER_LARGE = """{
  const { put } = IDBObjectStore.prototype;
  let full = false;
  IDBObjectStore.prototype.put = function (value, key) {
    full ||= value.length > 1e6;
    if (full) throw new DOMException('full', 'QuotaExceededError');
    return put.call(this, value, key);
  };
}"""
ASK = """async () => {
  const edge = document.querySelector('py-edge');
  self.errors = [];
  edge.addEventListener('pyedge:error', event => errors.push(event.detail));
  const { prediction, sequence } = await edge.predictOrAsk(new Float32Array(64));
  return { label: prediction.label, sequence };
}"""
VERSION = "async () => (await document.querySelector('py-edge').predict(new Float32Array(64))).model_version"
KINDS = [
    Fault("latency", amount=0.3),
    Fault("bandwidth", amount=200_000),
    Fault("drop"),
    Fault("refuse"),
    Fault("truncate"),
    Fault("alter"),
    Fault("html"),
    Fault("redirect", to="/test-bare.html"),
    Fault("endless"),
    Fault("pack"),
]
SLOW_ONLY = ("latency", "bandwidth")


def _rows(*quick: str) -> list[Any]:
    """KINDS as parameters; all but those named here wait for the slow run."""
    return [
        pytest.param(fault, id=fault.kind, marks=() if fault.kind in quick else pytest.mark.slow)
        for fault in KINDS
    ]


def _status(page: Page) -> str:
    return page.locator("py-edge [part=status]").text_content() or ""


def _publish(own: Origin, better: tuple[dict[str, Any], dict[str, bytes]]) -> None:
    """Put a version 2 in the place of the first."""
    release, files = better
    assert own.folder
    folder = own.folder / "models" / "device"
    for name, data in files.items():
        (folder / name).write_bytes(data)
    for stale in folder.glob("*.[bg][rz]"):
        stale.unlink()
    (folder / "release.json").write_text(json.dumps({**release, "version": 2}))


def _large() -> tuple[dict[str, Any], dict[str, bytes]]:
    """A release of 5 MB for the same pictures."""
    layers = [
        {"class_name": "Dense", "units": 16_384, "activation": "relu"},
        {"class_name": "Dense", "units": 10, "activation": "softmax"},
    ]
    plan = Model(sequential((64,), layers, seed=1, name="large")).plan(panel=8).to_bytes()
    file = ReleaseFile("wasm.plan", len(plan), sha256(plan).hexdigest())
    facts = {"name": "device", "digest": digest_of_release((file,), {}), "files": [file.to_json()]}
    return {**facts, "metadata": {}, "released_at_ms": 0}, {"wasm.plan": plan}


@pytest.fixture
def own(bundle: Bundle, tmp_path: Path) -> Iterator[Origin]:
    """A copy of the bundle that a test may change."""
    shutil.copytree(bundle.folder, tmp_path / "site")
    with Origin(tmp_path / "site") as origin:
        yield origin


@pytest.fixture(autouse=True)
def _provoked(tattler: Any) -> None:
    """The browser's own lines about requests that these tests make fail."""
    tattler.expected += ["Failed to load resource", "MIME type", "ERR_"]


@pytest.mark.parametrize("kind", _rows("drop", "alter", "html"))
def test_during_start(page: Page, own: Origin, kind: Fault) -> None:
    """Slow is only slow; everything else is one error with the sentence on the page, and after it a reload is well."""
    page.goto(f"{own.url}test-bare.html")
    own.faults.active.append(replace(kind, path=r"wasm\.plan$"))
    said = page.evaluate(START, "models/device/")
    if kind.kind in SLOW_ONLY:
        assert said == "ready"
        return
    assert said in ("E_NETWORK", "E_INTEGRITY")
    assert page.evaluate("() => errors.map(one => one.code)") == [said]
    assert said in _status(page)
    own.faults.clear()
    page.reload()
    assert page.evaluate(START, "models/device/") == "ready"


@pytest.mark.parametrize("kind", _rows("alter"))
def test_during_an_update(
    page: Page, own: Origin, kind: Fault, better: tuple[dict[str, Any], dict[str, bytes]]
) -> None:
    """A new release that cannot be fetched whole leaves the old one answering, and is taken when the weather is fair."""
    page.goto(f"{own.url}test-bare.html")
    assert page.evaluate(START, "models/device/") == "ready"
    _publish(own, better)
    own.faults.active.append(replace(kind, path=r"wasm\.plan$"))
    page.reload()
    assert page.evaluate(START, "models/device/") == "ready"
    bad = kind.kind not in SLOW_ONLY
    codes = page.evaluate("() => errors.map(one => one.code)")
    assert len(codes) == bad
    assert [code for code in codes if code not in _status(page)] == []
    assert page.evaluate(VERSION) == (1 if bad else 2)
    own.faults.clear()
    page.reload()
    assert page.evaluate(START, "models/device/") == "ready"
    assert (page.evaluate(VERSION), page.evaluate("() => errors")) == (2, [])


@pytest.mark.parametrize("kind", _rows("drop", "truncate", "html"))
def test_during_an_ask(page: Page, own: Origin, kind: Fault) -> None:
    """Nobody answers, or nonsense comes: the device's own answer stands, the question stays in the outbox, nothing throws."""
    own.faults.active.append(replace(kind, path="/v1/"))
    page.goto(f"{own.url}test-ask.html")
    page.evaluate(
        "async () => { const edge = document.querySelector('py-edge'); edge.setAttribute('threshold', '1.1'); await edge.ready; }"
    )
    said = page.evaluate(ASK)
    assert said["sequence"] == 1
    page.wait_for_timeout(300)
    counts = page.evaluate("() => document.querySelector('py-edge').edge.counts()")
    assert counts["answered"] == 0
    assert counts["outbox"] + counts["dead"] == 1
    if kind.kind in ("drop", "refuse", "html"):
        assert counts["outbox"] == 1


def test_another_models_shard_is_found(page: Page, own: Origin, better: tuple[Any, dict[str, bytes]]) -> None:
    """A shard of a different model under the right name does not match its digest: learning stops with a sentence,
    predicting goes on."""
    assert own.folder
    shard = next(name for name in better[1] if name.endswith(".bin"))
    (own.folder / "models" / "device" / shard).write_bytes(better[1][shard])
    page.set_default_timeout(120_000)
    page.goto(f"{own.url}test-learn.html")
    told = page.evaluate("() => document.querySelector('py-edge').learning.catch(error => error.problem)")
    assert told["code"] == "E_INTEGRITY"
    assert shard in told["where"]
    label = page.evaluate(
        "async () => (await document.querySelector('py-edge').predict(new Float32Array(64))).label"
    )
    assert label


def test_a_full_disk_is_told_and_the_page_goes_on(page: Page, own: Origin) -> None:
    """Over quota (thrown as the browser would: its own quota lets small writes pass) the question cannot be kept:
    E_STORAGE, the prediction stands, and with room again the next question is asked."""
    page.goto(f"{own.url}test-ask.html")
    page.evaluate(
        "async () => { const edge = document.querySelector('py-edge'); edge.setAttribute('threshold', '1.1'); await edge.ready; }"
    )
    page.evaluate(
        """() => {
          self.put = IDBObjectStore.prototype.put;
          FULL
        }""".replace("FULL", FULL)
    )
    said = page.evaluate(ASK)
    assert said["label"]
    assert said["sequence"] is None
    assert [one["code"] for one in page.evaluate("() => errors")][:1] == ["E_STORAGE"]
    page.evaluate("() => { IDBObjectStore.prototype.put = put; }")
    assert page.evaluate(ASK)["sequence"] == 1


def test_a_model_over_the_quota_does_not_cost_the_old_one(page: Page, own: Origin) -> None:
    """The browser has no room for a new release: it answers while the page is open and E_STORAGE is told; the next starts,
    with a network or without, have the old one and do not fetch the new one again until a day has passed."""
    session = page.context.new_cdp_session(page)
    quota = {"origin": own.url.rstrip("/"), "quotaSize": 2_000_000}
    session.send("Storage.overrideQuotaForOrigin", quota)
    page.goto(f"{own.url}test-bare.html")
    assert page.evaluate(START, "models/device/") == "ready"
    _publish(own, _large())
    page.reload()
    assert page.evaluate(START, "models/device/") == "ready"
    assert page.evaluate(VERSION) == 2
    assert [one["code"] for one in page.evaluate("() => errors")] == ["E_STORAGE"]
    own.faults.log.clear()
    for _ in range(2):
        page.reload()
        assert page.evaluate(START, "models/device/") == "ready"
        assert page.evaluate(VERSION) == 1
        assert [one["code"] for one in page.evaluate("() => errors")] == ["E_STORAGE"]
    assert [path for _, path in own.faults.log if path.endswith("wasm.plan")] == []
    own.faults.active.append(Fault("drop", r"models/device/"))
    page.reload()
    assert page.evaluate(START, "models/device/") == "ready"
    assert (page.evaluate(VERSION), page.evaluate("() => errors")) == (1, [])
    own.faults.clear()
    session.send("Storage.overrideQuotaForOrigin", quota | {"quotaSize": 100_000_000})
    page.clock.set_fixed_time(datetime.now(UTC) + timedelta(hours=25))
    page.reload()
    assert page.evaluate(START, "models/device/") == "ready"
    assert (page.evaluate(VERSION), page.evaluate("() => errors")) == (2, [])


def test_a_browser_that_refuses_the_smallest_row_answers_all_the_same(page: Page, own: Origin) -> None:
    """Over quota already when the page starts, or so full after one large row that no small one may be written: with
    nothing kept, with the release kept and with a newer one published it answers, and E_STORAGE is told."""
    session = page.context.new_cdp_session(page)
    session.send("Page.enable")

    def start(refusing: str = "") -> tuple[int, list[str]]:
        added = session.send("Page.addScriptToEvaluateOnNewDocument", {"source": refusing})
        page.goto(f"{own.url}test-bare.html")
        assert page.evaluate(START, "models/device/") == "ready"
        session.send("Page.removeScriptToEvaluateOnNewDocument", added)
        return page.evaluate(VERSION), [one["code"] for one in page.evaluate("() => errors")]

    assert start(FULL) == (1, ["E_STORAGE"])
    assert start() == (1, [])
    assert start(FULL) == (1, [])
    _publish(own, _large())
    assert start(FULL) == (2, ["E_STORAGE"])
    assert start(FULL_AFTER_LARGE) == (2, ["E_STORAGE"])
    assert start() == (1, ["E_STORAGE"])  # noted before the large row was tried


def test_storage_wiped_under_an_open_page_loses_no_identity(page: Page, own: Origin, tattler: Any) -> None:
    """After a wipe, reads that it cut short included, the page goes on asking, with ids that were never used before."""
    tattler.expected += ["Force close delete origin"]
    page.goto(f"{own.url}test-ask.html")
    page.evaluate(
        "async () => { const edge = document.querySelector('py-edge'); edge.setAttribute('threshold', '1.1'); await edge.ready; }"
    )
    assert page.evaluate(ASK)["sequence"] == 1
    page.evaluate(
        "() => { window.reading = true; window.reads = (async () => { while (reading) await document.querySelector('py-edge').edge.questions(); })(); }"
    )
    session = page.context.new_cdp_session(page)
    session.send("Storage.clearDataForOrigin", {"origin": own.url.rstrip("/"), "storageTypes": "all"})
    page.wait_for_timeout(300)
    page.evaluate("async () => { reading = false; await reads; }")
    assert page.evaluate(ASK)["sequence"] == 2
    rows = page.evaluate("() => document.querySelector('py-edge').edge.questions()")
    assert [row["sequence"] for row in rows] == [2]


@pytest.mark.slow
def test_a_predict_worker_that_the_browser_ended_is_started_again(page: Page, own: Origin) -> None:
    """A worker that silently goes away costs one timeout, told with a code; the next prediction is well."""
    page.set_default_timeout(90_000)
    page.goto(f"{own.url}test-predict.html")
    page.evaluate("async () => (await document.querySelector('py-edge').ready).info")
    next(worker for worker in page.workers if "predict" in worker.url).evaluate("() => self.close()")
    predict = "() => document.querySelector('py-edge').predict(new Float32Array(64)).then(said => said.label, error => error.code)"
    assert page.evaluate(predict) == "E_TIMEOUT"
    page.wait_for_timeout(1000)
    assert len(page.evaluate(predict)) == 1
    assert "E_TIMEOUT" not in _status(page)


def test_opened_from_disk_the_page_shows_its_own_words(page: Page, bundle: Bundle, tattler: Any) -> None:
    """From file:// no module script runs in Chromium; what the page wrote into the element stays readable."""
    tattler.expected += ["file:", "CORS"]
    page.goto((bundle.folder / "test-predict.html").as_uri())
    expect(page.locator("py-edge")).to_contain_text("Loading")
