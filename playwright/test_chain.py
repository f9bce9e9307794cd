"""The way up and home: a page, a real node, a person at the desk page; nothing lost in bad weather."""

from __future__ import annotations

import time
from array import array
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from py_edge.bundle.collect import Bundle
from py_edge.chain.ports import Guess
from py_edge.model import load_model
from py_edge.node.app import create_app
from py_edge.node.node import Parts
from py_edge.node.settings import Settings
from py_edge.records import Example
from py_edge.retrain.learner import Owned
from py_edge.testing import Fault, Origin

pytestmark = pytest.mark.browser
Digits = tuple[list[list[float]], list[int]]
Released = tuple[dict[str, Any], dict[str, bytes]]

ASK = "([image, options]) => pyEdgeDemo.ask(image, options)"
PLAIN_ASK = "([image, audit]) => document.getElementById('edge').edge.ask(new Float32Array(image), undefined, { audit })"
CROP = """() => { document.getElementById('edge').edge.options.send =
  input => ({ rung: 'crop', values: input.slice(0, 32), shape: [4, 8] }); }"""
EXAMPLES = """async () => {
  const { name } = (await indexedDB.databases()).find(({ name }) => name.startsWith("py-edge:"));
  const done = request => new Promise((yes, no) => { request.onsuccess = () => yes(request.result); request.onerror = no; });
  const database = await done(indexedDB.open(name));
  const rows = await done(database.transaction("examples").objectStore("examples").getAll());
  database.close();
  return rows.map(({ input, label_index }) => ({ input: [...input], label_index }));
}"""
UNSURE = {"audit": False}


@dataclass
class Teacher:
    """Retrains by handing out better files that were trained beforehand; its judgement is the model's own."""

    better: Mapping[str, bytes]

    def train(
        self, base: Mapping[str, bytes], examples: Sequence[Example], seed: int
    ) -> tuple[Any, dict[str, Any]]:
        """The better files, whatever came."""
        return dict(self.better), {}

    def evaluate(self, files: Mapping[str, bytes], examples: Sequence[Example]) -> list[Guess]:
        """What a model of these files thinks."""
        model = load_model({p: b for p, b in files.items() if p not in ("memory.json", "wasm.plan")})
        rows = [memoryview(b64decode(example.input["data"])).cast("f").tolist() for example in examples]
        found = []
        for row in rows:
            output = model.predict([row]).tolist()[0]
            found.append(Guess(max(range(10), key=output.__getitem__), output))
        return found

    def certify(
        self, files: Mapping[str, bytes], audits: Sequence[Example], gold: Sequence[Example]
    ) -> tuple[Any, dict[str, Any]]:
        """The released policy stays."""
        return dict(files), {"labels": [str(i) for i in range(10)], "temperature": 1.0, "threshold": 0.8}


@pytest.fixture
def node(bundle: Bundle, released: Released, better: Released) -> Iterator[Origin]:
    """A node that serves the bundle and owns the page's model, with faults in front."""
    release, files = released
    owned = Owned("device", Teacher(better[1]), 0, (files, release["metadata"]))
    app = create_app(Settings(site_dir=str(bundle.folder), retrain_after=10_000), Parts(owned=(owned,)))
    with Origin(app) as origin:
        yield origin


@pytest.fixture
def demo(page: Page, node: Origin) -> Page:
    """The demo page of the node, ready to answer, learning only when told."""
    page.goto(f"{node.url}?learn=off")
    page.evaluate("() => pyEdgeDemo.ready()")
    return page


def _hard(page: Page, digits: Digits, start: int = 600) -> tuple[list[float], int]:
    """The first image from `start` on that the device is unsure about."""
    images, labels = digits
    for image, label in zip(images[start:], labels[start:], strict=True):
        said = page.evaluate(
            "image => document.getElementById('edge').predict(new Float32Array(image))", image
        )
        if said["defer"]:
            return image, label
    raise AssertionError("the device is sure of everything")


def test_the_chain_is_the_one_that_the_node_tells_of(page: Page, demo: Page, bundle: Bundle) -> None:
    """Its own name and nobody above it where it has no parent; with a parent somebody is above it."""
    expect(demo.locator("#chain li")).to_have_text(["device", "site", "person"])
    settings = Settings(site_dir=str(bundle.folder), name="harbour", level=2, parent="http://127.0.0.1:9/")
    with Origin(create_app(settings)) as node:
        page.goto(f"{node.url}?learn=off&src=models/device/")
        expect(page.locator("#chain li")).to_have_text(["device", "harbour", "cloud", "person"])


def test_a_person_answers_at_the_desk_and_the_answer_comes_home(
    demo: Page, context: BrowserContext, tattler: Any, node: Origin, digits: Digits
) -> None:
    """Unsure, asked, shown at the desk page, one digit key, and the page knows; nothing waits any more."""
    image, label = _hard(demo, digits)
    asked = demo.evaluate(ASK, [image, UNSURE])
    assert asked["prediction"]["defer"]
    assert asked["sequence"] == 1
    desk = context.new_page()
    tattler.watch(desk)
    desk.goto(f"{node.url}desk")
    expect(desk.locator("#desk canvas")).to_be_visible()
    desk.keyboard.press(str(label))
    expect(desk.locator("#count")).to_have_text("1 answered")
    expect(demo.locator("#counts")).to_have_text("1 answered, 0 waiting, 0 not yet sent")
    answer = demo.evaluate("() => pyEdgeDemo.answers()")["answers"][0]
    assert (answer["label_index"], answer["source"], answer["sequence"]) == (label, "person", 1)
    expect(demo.locator("#chain .person")).to_have_class("person on")
    status = httpx.get(f"{node.url}v1/status").json()
    assert {state: n for state, n in status["questions"].items() if n} == {"answered": 1}
    demo.wait_for_timeout(300)
    assert httpx.get(f"{node.url}v1/status").json()["unacknowledged"] == 0


def test_a_question_survives_a_dead_node_and_a_closed_tab(
    demo: Page, context: BrowserContext, tattler: Any, node: Origin, digits: Digits
) -> None:
    """Asked while the node is down, kept over closing the tab, sent by the next tab; the ids agree at both ends."""
    tattler.expected += ["Failed to load resource", "ERR_"]
    image, _ = _hard(demo, digits)
    node.faults.active.append(Fault("refuse", r"/v1/questions"))
    demo.evaluate(ASK, [image, UNSURE])
    expect(demo.locator("#counts")).to_contain_text("1 not yet sent")
    demo.close()
    node.faults.clear()
    again = context.new_page()
    tattler.watch(again)
    again.goto(f"{node.url}?learn=off")
    again.evaluate("() => pyEdgeDemo.ready()")
    expect(again.locator("#counts")).to_contain_text("1 waiting", timeout=20_000)
    (mine,) = again.evaluate("() => pyEdgeDemo.ids()")
    theirs = httpx.get(f"{node.url}v1/questions/{mine['device']}/{mine['sequence']}").json()
    assert theirs["state"] in ("queued", "working", "unresolved")


def test_what_a_node_took_long_ago_is_asked_again(
    demo: Page, context: BrowserContext, node: Origin, digits: Digits
) -> None:
    """Accepted, no answer, the tab closed; opened two hours later it sends the same id again, in case the node lost it."""
    image, _ = _hard(demo, digits)
    demo.evaluate(ASK, [image, UNSURE])
    expect(demo.locator("#counts")).to_contain_text("1 waiting, 0 not yet sent")
    demo.close()
    again = context.new_page()
    again.add_init_script("const real = Date.now; Date.now = () => real() + 7_200_000")
    with again.expect_request(lambda request: request.method == "PUT", timeout=20_000) as sent:
        again.goto(f"{node.url}?learn=off")
    assert sent.value.url.endswith("/1")
    expect(again.locator("#counts")).to_contain_text("1 waiting, 0 not yet sent", timeout=20_000)
    assert sum(httpx.get(f"{node.url}v1/status").json()["questions"].values()) == 1


def test_what_is_erased_at_a_node_is_erased_on_the_device(demo: Page, node: Origin, digits: Digits) -> None:
    """Answered and kept to learn from; somebody erases it at the node, and the open page keeps nothing of it."""
    image, label = _hard(demo, digits)
    demo.evaluate(ASK, [image, UNSURE])
    _answer_all(node, [(image, label)])
    expect(demo.locator("#counts")).to_contain_text("1 answered, 0 waiting", timeout=20_000)
    (mine,) = demo.evaluate("() => pyEdgeDemo.ids()")
    gone = httpx.delete(f"{node.url}v1/questions/{mine['device']}/{mine['sequence']}")
    assert gone.json()["state"] == "erased"
    end = time.monotonic() + 20
    while demo.evaluate("() => document.getElementById('edge').edge.questions()"):
        assert time.monotonic() < end
        demo.wait_for_timeout(50)


def test_answers_come_by_polling_where_streams_do_not_get_through(
    page: Page, node: Origin, digits: Digits, tattler: Any
) -> None:
    """A proxy that kills SSE costs seconds, not answers."""
    tattler.expected += ["Failed to load resource", "ERR_", "MIME type"]
    node.faults.active.append(Fault("refuse", r"/stream$"))
    page.goto(f"{node.url}?learn=off")
    page.evaluate("() => pyEdgeDemo.ready()")
    image, label = _hard(page, digits)
    page.evaluate(ASK, [image, UNSURE])
    _answer_all(node, [(image, label)])
    expect(page.locator("#counts")).to_have_text("1 answered, 0 waiting, 0 not yet sent", timeout=20_000)


def test_a_new_release_is_swapped_in_between_two_predictions(
    demo: Page, node: Origin, digits: Digits
) -> None:
    """Retrained, gated, released: the open page hears of it, fetches by content hash and answers with version 2."""
    images, labels = digits
    hard = range(600, 640)
    for i in hard:
        demo.evaluate(PLAIN_ASK, [images[i], i % 2 == 0])
    _answer_all(node, [(images[i], labels[i]) for i in hard])
    expect(demo.locator("#counts")).to_contain_text("40 answered", timeout=20_000)
    assert httpx.post(f"{node.url}v1/models/device/retrain").status_code == 202
    expect(demo.locator("#version")).to_have_text("model v2", timeout=30_000)
    (gate,) = httpx.get(f"{node.url}v1/gates").json()["gates"]
    assert gate["decision"] == "released"
    assert demo.evaluate("() => pyEdgeDemo.ask(new Array(64).fill(0.5))")["prediction"]["model_version"] == 2


def test_two_tabs_share_one_device_and_one_line(
    demo: Page, context: BrowserContext, tattler: Any, node: Origin, digits: Digits
) -> None:
    """One tab talks to the node for both; a question of the second tab is answered in both, ids never clash."""
    other = context.new_page()
    tattler.watch(other)
    other.goto(f"{node.url}?learn=off")
    first, second = (tab.evaluate("() => pyEdgeDemo.ready()")["device"] for tab in (demo, other))
    assert first == second
    image, label = _hard(other, digits)
    sequences = [tab.evaluate(ASK, [image, {"audit": True}])["sequence"] for tab in (demo, other)]
    assert sequences == [1, 2]
    _answer_all(node, [(image, label)] * 2)
    for tab in (demo, other):
        expect(tab.locator("#counts")).to_contain_text("2 answered", timeout=15_000)
    streams = [path for _, path in node.faults.log if path == "/v1/answers/stream"]
    assert len(streams) == 1
    demo.close()
    assert other.evaluate(ASK, [image, {"audit": True}])["sequence"] == 3
    _answer_all(node, [(image, label)] * 3)
    expect(other.locator("#counts")).to_contain_text("3 answered", timeout=15_000)


def test_a_page_sends_a_part_and_learns_from_the_whole(
    demo: Page, context: BrowserContext, tattler: Any, node: Origin, digits: Digits
) -> None:
    """With `send`, only the crop leaves the page; a person sees it and answers, and the example at home is the whole input."""
    image, label = digits[0][600], digits[1][600]
    demo.evaluate(CROP)
    demo.evaluate(PLAIN_ASK, [image, True])
    desk = context.new_page()
    tattler.watch(desk)
    desk.goto(f"{node.url}desk")
    expect(desk.get_by_text("Here is a part of what the model was not sure of.")).to_be_visible()
    desk.keyboard.press(str(label))
    expect(demo.locator("#counts")).to_contain_text("1 answered", timeout=15_000)
    [row] = demo.evaluate("() => document.getElementById('edge').edge.questions()")
    question = httpx.get(f"{node.url}v1/questions/{row['question']['device']}/1").json()["question"]
    assert (question["rung"], question["input"]["shape"]) == ("crop", [4, 8])
    assert memoryview(b64decode(question["input"]["data"])).cast("f").tolist() == pytest.approx(image[:32])
    kept = demo.evaluate(EXAMPLES)
    assert [example["label_index"] for example in kept] == [label]
    assert kept[0]["input"] == pytest.approx(image)
    assert httpx.get(f"{node.url}v1/status").json()["examples"] == 0


def test_send_is_heard_when_set_before_the_element_is_there(page: Page, node: Origin, digits: Digits) -> None:
    """A script that comes before the element's class, as scripts do, still decides what leaves."""
    page.add_init_script(
        "document.addEventListener('readystatechange', () => { window.early = !customElements.get('py-edge'); "
        "document.querySelector('py-edge').send = "
        "input => ({ rung: 'features', values: input.slice(0, 3), shape: [3] }); }, { once: true })"
    )
    page.goto(f"{node.url}?learn=off")
    page.evaluate("() => pyEdgeDemo.ready()")
    assert page.evaluate("() => early")
    page.evaluate(PLAIN_ASK, [digits[0][600], False])
    [row] = page.evaluate("() => document.getElementById('edge').edge.questions()")
    assert (row["question"]["rung"], row["question"]["input"]["shape"]) == ("features", [3])


def test_what_does_not_fit_is_not_sent(demo: Page, node: Origin) -> None:
    """A `send` whose numbers do not fit its shape, or that throws, asks nothing: a typed error, and no input leaves the page."""
    for body, code in (
        ("({ rung: 'crop', values: new Float32Array(5), shape: [4, 8] })", "E_SHAPE"),
        ("{ throw new Error('no') }", "E_INTERNAL"),
    ):
        demo.evaluate(f"() => {{ document.getElementById('edge').edge.options.send = () => {body}; }}")
        said = demo.evaluate(
            "() => document.getElementById('edge').edge.ask(new Float32Array(64)).catch(error => error.problem.code)"
        )
        assert said == code
    assert demo.evaluate("() => document.getElementById('edge').edge.questions()") == []


def test_the_dashboard_shows_what_the_node_knows(
    demo: Page, context: BrowserContext, tattler: Any, node: Origin
) -> None:
    """Live numbers over SSE, and every fact of the status as words."""
    demo.evaluate(ASK, [[0.5] * 64, {"audit": True}])
    board = context.new_page()
    tattler.watch(board)
    board.goto(f"{node.url}dashboard")
    expect(board.locator("#state")).to_contain_text("Live")
    expect(board.locator("#numbers")).to_contain_text("device v1")
    expect(board.locator("#facts")).to_contain_text("queued", timeout=10_000)


def _answer_all(node: Origin, truth: Sequence[tuple[list[float], int]]) -> None:
    """A person at the desk's real HTTP interface, who knows these images, until as many questions are answered."""
    known = {b64encode(array("f", image).tobytes()).decode(): label for image, label in truth}
    end = time.monotonic() + 30
    with httpx.Client(base_url=node.url, timeout=10) as desk:
        while time.monotonic() < end:
            task = desk.get("v1/desk/next", params={"annotator": "tester"}).json()["task"]
            if task is not None:
                vote = {"annotator": "tester", "verdict": "label", "seconds": 0.1}
                vote["label_index"] = known[task["input"]["data"]]
                desk.post(f"v1/desk/{task['task']}/vote", json=vote).raise_for_status()
            elif desk.get("v1/status").json()["questions"].get("answered", 0) >= len(truth):
                return
            else:
                time.sleep(0.05)
    raise AssertionError(f"the desk never came to an end: {httpx.get(node.url + 'v1/status').text[:600]}")
