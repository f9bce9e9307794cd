"""Many tabs are one device: killed, frozen out, offline, away for a month, an answer takes effect exactly once."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page

from py_edge.bundle.collect import Bundle
from py_edge.chain.ports import Guess
from py_edge.node.app import create_app
from py_edge.node.node import Parts, SystemClock
from py_edge.node.settings import Settings
from py_edge.records import Question
from py_edge.storage.backup import make_backup, restore_backup
from py_edge.testing import Origin

pytestmark = pytest.mark.browser
MONTH_MS = 30 * 86_400_000
IMAGE = [0.25 + n / 256 for n in range(64)]

# From before the page's first script on, for an answer may come home before the element is asked for.
HEAR = "globalThis.effects = []; addEventListener('pyedge:answered', (event) => effects.push(event.detail.sequence));"
OPEN = "async () => void (await document.getElementById('edge').ready)"
ASK = "image => document.getElementById('edge').edge.ask(new Float32Array(image), undefined, { audit: true })"
# Everything that the device keeps: its store by name of table.
KEPT = """async () => {
  const [{ name }] = (await indexedDB.databases()).filter((one) => one.name.includes("device"));
  const db = await new Promise((resolve) => { const r = indexedDB.open(name); r.onsuccess = () => resolve(r.result); });
  const all = (store) => new Promise((resolve) => { const r = db.transaction(store).objectStore(store).getAll(); r.onsuccess = () => resolve(r.result); });
  const epoch = await new Promise((resolve) => { const r = db.transaction("pointers").objectStore("pointers").get("epoch"); r.onsuccess = () => resolve(r.result); });
  const kept = { questions: (await all("questions")).map((row) => row.state), examples: (await all("examples")).map((row) => row.sequence), epoch };
  db.close();
  return kept;
}"""
# What a new leader does in another tab while this one is frozen.
OVERTAKE = """async () => {
  const [{ name }] = (await indexedDB.databases()).filter((one) => one.name.includes("device"));
  const db = await new Promise((resolve) => { const r = indexedDB.open(name); r.onsuccess = () => resolve(r.result); });
  const transaction = db.transaction("pointers", "readwrite");
  transaction.objectStore("pointers").put(1000, "epoch");
  await new Promise((resolve) => { transaction.oncomplete = resolve; });
  db.close();
}"""

# Where the way of an answer ends in a tab that is about to die: nothing after this place happens in it.
PLACES = {
    "before": """
const add = EventSource.prototype.addEventListener;
EventSource.prototype.addEventListener = function (kind, take) {
  return add.call(this, kind, kind === "answer" ? () => console.log("here") : take);
};""",
    # Requests one after the other hold the transaction open: the example is put, and not committed.
    "inside": """
const put = IDBObjectStore.prototype.put;
IDBObjectStore.prototype.put = function (...rest) {
  const made = put.apply(this, rest);
  const hold = () => { this.get(0).onsuccess = hold; };
  if (this.name === "examples") { hold(); made.addEventListener("success", () => console.log("here")); }
  return made;
};""",
    "after": """
const plain = globalThis.fetch;
globalThis.fetch = (url, ...rest) => {
  if (!String(url?.url ?? url).endsWith("answers/ack")) return plain(url, ...rest);
  console.log("here");
  return new Promise(() => {});
};""",
}
# It says when an answer has come, and the effect of it is counted in its own transaction, so a count stands or falls with it.
COUNTED = """
const add = EventSource.prototype.addEventListener;
EventSource.prototype.addEventListener = function (kind, take) {
  return add.call(this, kind, kind === "answer" ? (event) => { console.log("an answer"); take(event); } : take);
};
const put = IDBObjectStore.prototype.put;
IDBObjectStore.prototype.put = function (value, key) {
  if (this.name !== "examples") return put.call(this, value, key);
  const pointers = this.transaction.objectStore("pointers"), known = pointers.get(`effects:${key}`);
  known.addEventListener("success", () => put.call(pointers, (known.result ?? 0) + 1, `effects:${key}`));
  return put.call(this, value, key);
};"""
COUNTS = """async () => {
  const [{ name }] = (await indexedDB.databases()).filter((one) => one.name.includes("device"));
  const db = await new Promise((resolve) => { const r = indexedDB.open(name); r.onsuccess = () => resolve(r.result); });
  const range = IDBKeyRange.bound("effects:", "effects:~");
  const counts = await new Promise((resolve) => { const r = db.transaction("pointers").objectStore("pointers").getAll(range); r.onsuccess = () => resolve(r.result); });
  db.close();
  return counts;
}"""
SHOWN = {"before": ([], [1]), "inside": ([], [1]), "after": ([1], [])}


class LaterClock(SystemClock):
    """The time of this machine, or a month later."""

    later_ms = 0

    def now_ms(self) -> int:
        """See chain.ports.Clock."""
        return super().now_ms() + self.later_ms


@pytest.fixture
def clock() -> LaterClock:
    """The node's clock."""
    return LaterClock()


@pytest.fixture
def node(bundle: Bundle, clock: LaterClock) -> Iterator[Origin]:
    """A node with a desk that serves the bundle."""
    with Origin(create_app(Settings(site_dir=str(bundle.folder)), Parts(clock=clock))) as origin:
        yield origin


@pytest.fixture
def open_tab_at(context: BrowserContext, tattler: Any) -> Callable[..., Page]:
    """Open one more tab of the device at a node, perhaps with a script that runs first."""

    def opened(node: Origin, script: str = "") -> Page:
        tab = context.new_page()
        tattler.watch(tab)
        tab.add_init_script(HEAR + script)
        tab.goto(f"{node.url}test-ask.html")
        tab.evaluate(OPEN)
        return tab

    return opened


@pytest.fixture
def open_tab(open_tab_at: Callable[..., Page], node: Origin) -> Callable[..., Page]:
    """Open one more tab at the node."""
    return lambda script="": open_tab_at(node, script)


@pytest.mark.parametrize("place", PLACES)
def test_a_tab_killed_on_the_way_of_an_answer(
    open_tab: Callable[..., Page], node: Origin, killing: ModuleType, place: str
) -> None:
    """Before, inside and after the transaction of the effect: with the next tab it has happened once, and is acknowledged."""
    doomed = open_tab(PLACES[place])
    until(lambda: doomed.evaluate(KEPT)["epoch"] == 1)
    doomed.evaluate(ASK, IMAGE)
    with doomed.expect_console_message(lambda message: message.text == "here"):
        vote(node, 1)
    shown = doomed.evaluate("() => effects")
    assert status(node)["unacknowledged"] == 1
    killing.crash(doomed)
    tab = open_tab()
    until(lambda: status(node)["unacknowledged"] == 0 and tab.evaluate(KEPT)["epoch"] == 2)
    assert (shown, tab.evaluate("() => effects")) == SHOWN[place]
    kept = tab.evaluate(KEPT)
    assert kept == {"questions": ["answered"], "examples": [1], "epoch": 2}


@pytest.mark.slow
def test_many_tabs_killed_somewhere_on_the_way_of_an_answer(
    open_tab: Callable[..., Page], node: Origin, killing: ModuleType
) -> None:
    """PY_EDGE_KILLS kills at random moments about the transaction: each answer has had exactly one effect, counted where it
    is made, and each is acknowledged."""
    rng, kills = random.Random(7), int(os.environ.get("PY_EDGE_KILLS", "15"))
    places = {"before the acknowledgement": 0, "after it": 0}
    tab = open_tab(COUNTED)
    with ThreadPoolExecutor(1) as person:
        for number in range(kills):
            tab.evaluate(ASK, [*IMAGE[:-1], number / kills])
            until(lambda: status(node)["tasks_open"] == 1)
            with tab.expect_console_message(lambda message: message.text == "an answer"):
                voted = person.submit(vote, node, 1)
            tab.wait_for_timeout(rng.uniform(0, 25))
            killing.crash(tab)
            voted.result()
            places["before the acknowledgement" if status(node)["unacknowledged"] else "after it"] += 1
            tab = open_tab(COUNTED)
            until(lambda: status(node)["unacknowledged"] == 0)
    until(lambda: tab.evaluate(KEPT)["questions"] == ["answered"] * kills)
    assert tab.evaluate(COUNTS) == [1] * kills
    print(f"{kills} kills: {places}")


def test_an_overtaken_tab_writes_nothing(
    open_tab: Callable[..., Page], context: BrowserContext, node: Origin
) -> None:
    """A tab that leads under an old epoch lets no answer take effect; it stands for the lead again, and then it does, once."""
    tab = open_tab()
    tab.evaluate(ASK, IMAGE)
    until(lambda: status(node)["tasks_open"] == 1 and tab.evaluate(KEPT)["questions"] == ["sent"])
    tab.evaluate(OVERTAKE)
    vote(node, 1)
    until(lambda: status(node)["unacknowledged"] == 0 and tab.evaluate("() => effects.length") == 1)
    kept = tab.evaluate(KEPT)
    assert kept == {"questions": ["answered"], "examples": [1], "epoch": 1001}


# The lock of the line to the node, not that of a fine-tune.
STEAL = """async () => {
    const { held } = await navigator.locks.query();
    const lead = held.find((lock) => lock.name.startsWith("py-edge:"));
    return Boolean(lead) && navigator.locks.request(lead.name, { steal: true }, async () => true);
}"""


def test_a_stolen_lock_is_stood_for_again(open_tab: Callable[..., Page], node: Origin) -> None:
    """Another script steals the Web Lock and lets it go: no error, one line, and answers come."""
    tab = open_tab()
    until(lambda: tab.evaluate(STEAL))
    tab.evaluate(ASK, IMAGE)
    vote(node, 1)
    until(lambda: status(node)["unacknowledged"] == 0 and tab.evaluate("() => effects") == [1])
    until(lambda: tab.evaluate(KEPT)["epoch"] == 2)


def test_without_web_locks_the_newest_tab_leads(open_tab: Callable[..., Page], node: Origin) -> None:
    """Both tabs stand; the epoch lets one of them write: each answer has one effect in the store."""
    no_locks = "Object.defineProperty(navigator, 'locks', { value: undefined });"
    first, second = open_tab(no_locks), open_tab(no_locks)
    for tab in (first, second):
        tab.evaluate(ASK, [*IMAGE[:-1], 0.5 if tab is first else 0.75])
    vote(node, 2)
    until(
        lambda: status(node)["unacknowledged"] == 0 and first.evaluate(KEPT)["questions"] == ["answered"] * 2
    )
    assert first.evaluate(KEPT)["examples"] == [1, 2]
    assert sorted(second.evaluate("() => effects")) == [1, 2]


def test_two_tabs_offline_and_back(
    open_tab: Callable[..., Page], context: BrowserContext, node: Origin, tattler: Any
) -> None:
    """Asked in both while the network is away: counted as not yet sent, then sent, answered, once each."""
    tattler.expected += ["ERR_INTERNET_DISCONNECTED", "Failed to load resource"]
    tabs = open_tab(), open_tab()
    context.set_offline(True)
    for number, tab in enumerate(tabs):
        tab.evaluate(ASK, [*IMAGE[:-1], number / 2])
    tabs[0].wait_for_timeout(300)
    counts = [tab.evaluate("() => document.getElementById('edge').edge.counts()") for tab in tabs]
    assert [count["outbox"] for count in counts] == [2, 2]
    assert status(node)["tasks_open"] == 0
    context.set_offline(False)
    vote(node, 2)
    until(
        lambda: (
            status(node)["unacknowledged"] == 0 and tabs[1].evaluate(KEPT)["questions"] == ["answered"] * 2
        )
    )
    assert [sorted(tab.evaluate("() => effects")) for tab in tabs] == [[1, 2], [1, 2]]
    assert tabs[0].evaluate(KEPT)["examples"] == [1, 2]


def test_a_device_that_was_away_for_a_month(
    open_tab: Callable[..., Page], node: Origin, clock: LaterClock
) -> None:
    """Answered when no tab was open; thirty days later, by the clocks of both, it comes home and has its effect once."""
    tab = open_tab()
    tab.evaluate(ASK, IMAGE)
    until(lambda: status(node)["tasks_open"] == 1)
    tab.close()
    vote(node, 1)
    clock.later_ms = MONTH_MS
    late = open_tab(f"const now = Date.now; Date.now = () => now() + {MONTH_MS};")
    until(lambda: status(node)["unacknowledged"] == 0 and late.evaluate("() => effects") == [1])
    assert late.evaluate(KEPT)["examples"] == [1]


@dataclass
class Unsure:
    """A model that always thinks the same and never believes it."""

    threshold: float = 0.9
    labels: tuple[str, ...] = tuple("0123456789")

    def answer(self, question: Question) -> Guess:
        """See chain.ports.Answerer."""
        return Guess(0, [0.1] * 10)


def test_a_node_that_lost_its_disk_still_gives_the_final_answer(
    open_tab_at: Callable[..., Page], bundle: Bundle
) -> None:
    """Its provisional answer had the number that its final one has, now that it counts anew: the final one has its effect."""
    settings, hurried = Settings(site_dir=str(bundle.folder)), "{ patience_ms: 1 }"
    with Origin(create_app(settings, Parts(answerer=Unsure()))) as first:
        tab = open_tab_at(first)
        tab.evaluate(ASK.replace("{ audit: true }", hurried), IMAGE)
        until(lambda: tab.evaluate("() => effects") == [1] and tab.evaluate(KEPT)["questions"] == ["sent"])
        tab.close()
    with Origin(create_app(settings), port=first.port) as second:
        late = open_tab_at(second, f"const now = Date.now; Date.now = () => now() + {MONTH_MS};")
        vote(second, 1)
        until(lambda: late.evaluate("() => effects") == [1])
        assert late.evaluate(KEPT) == {"questions": ["answered"], "examples": [1], "epoch": 2}


def test_a_correction_by_a_node_restored_from_an_old_backup(
    open_tab_at: Callable[..., Page], bundle: Bundle, tmp_path: Path
) -> None:
    """Its next word has the number that a later one had before the backup came back: the device takes it all the same."""
    settings = Settings(site_dir=str(bundle.folder), data=str(tmp_path / "node"))
    with Origin(create_app(settings)) as first:
        tab = open_tab_at(first)
        tab.evaluate(ASK, IMAGE)
        task = until(lambda: next_task(first))
        say(first, task, 3)
        until(lambda: tab.evaluate("() => effects") == [1])
        until(lambda: status(first)["unacknowledged"] == 0)
        make_backup(tmp_path / "node", tmp_path / "backup")
        say(first, task, 4)
        until(lambda: tab.evaluate("() => effects") == [1, 1])
        until(lambda: status(first)["unacknowledged"] == 0)
        tab.close()
    shutil.rmtree(tmp_path / "node")
    restore_backup(tmp_path / "backup", tmp_path / "node")
    with Origin(create_app(settings), port=first.port) as second:
        late = open_tab_at(second)
        say(second, task, 5)
        until(lambda: late.evaluate("() => effects") == [1])
        (row,) = late.evaluate("() => document.getElementById('edge').edge.questions()")
        assert (row["answer"]["label_index"], sorted(row["heard"].values())) == (5, [2, 2])


def next_task(node: Origin) -> str:
    """The task that a person would see now; empty without one."""
    task = httpx.get(f"{node.url}v1/desk/next?annotator=ann", timeout=10).json()["task"]
    return task["task"] if task else ""


def say(node: Origin, task: str, label: int) -> None:
    """A person's word, in place of any before."""
    body = {"annotator": "ann", "verdict": "label", "label_index": label, "seconds": 1.0}
    httpx.post(f"{node.url}v1/desk/{task}/undo", json={"annotator": "ann"}, timeout=10)
    httpx.post(f"{node.url}v1/desk/{task}/vote", json=body, timeout=10).raise_for_status()


def status(node: Origin) -> dict[str, Any]:
    """What the node says."""
    found: dict[str, Any] = httpx.get(f"{node.url}v1/status", timeout=10).json()
    return found


def vote(node: Origin, count: int) -> None:
    """A person who answers as many tasks as are wanted, through the desk's HTTP interface."""
    done = 0
    with httpx.Client(base_url=node.url, timeout=10) as desk:
        end = time.monotonic() + 30
        while done < count and time.monotonic() < end:
            task = desk.get("v1/desk/next", params={"annotator": "ann"}).json()["task"]
            if task is None:
                time.sleep(0.05)
                continue
            body = {"annotator": "ann", "verdict": "label", "label_index": 3, "seconds": 1.0}
            desk.post(f"v1/desk/{task['task']}/vote", json=body).raise_for_status()
            done += 1
    assert done == count


def until(check: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait for something to become true, and give it back."""
    end = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
    return found
