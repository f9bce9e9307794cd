"""The desk in a real Chromium on a real node: keyboard, undo, arrows, and what a phone shows."""

from __future__ import annotations

import base64
import dataclasses
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from py_edge.bundle.collect import Bundle
from py_edge.records import digest_of_content
from tests.node.asking import DEVICE, ask, question
from tests.node.conftest import LiveNode, start

__all__ = ["start"]
pytestmark = pytest.mark.browser
KEYS = ("3", "s", "c", "n")


@pytest.fixture
def node(start: Any, bundle: Bundle) -> LiveNode:
    """A node that serves the built site, with four questions waiting."""
    served: LiveNode = start("site", site_dir=str(bundle.folder))
    for sequence in range(1, 5):
        values = [float((place * sequence) % 7) / 7 for place in range(64)]
        ask(served.http, question(sequence, *values))
    return served


def answers(node: LiveNode, sequence: int) -> list[Any]:
    """What was answered to a question, newest last."""
    found: list[Any] = node.http.get(f"/v1/questions/{DEVICE}/{sequence}").json()["answers"]
    return found


def test_keys_arrows_and_undo_without_a_mouse(page: Page, node: LiveNode, tmp_path: Path) -> None:
    """A digit votes, u takes it back, an arrow and enter vote anew: two revisions go home; a skip is counted apart."""
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{node.url}/desk.html?annotator=ann")
    expect(page.locator("button.label")).to_have_count(10)
    page.screenshot(path=str(tmp_path / "desk.png"))
    page.keyboard.press("3")
    expect(page.locator("#count")).to_have_text("1 answered")
    page.keyboard.press("u")
    expect(page.locator("#count")).to_have_text("0 answered")
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    expect(page.locator("button.label").nth(5)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#count")).to_have_text("1 answered")
    expect(
        page.locator("div.desk")
    ).to_be_focused()  # Tab goes on with what is shown next, not at the top of the page
    expect(page.get_by_role("button", name="Undo the last", exact=True)).to_be_visible()
    voted = [n for n in range(1, 5) if answers(node, n)]
    assert [[each["label_index"] for each in answers(node, n)] for n in voted] == [[3, 5]]
    for key, said in (
        ("s", "1 answered, 1 skipped"),
        ("u", "1 answered"),
        ("s", "1 answered, 1 skipped"),
        ("c", "2 answered, 1 skipped"),
        ("n", "3 answered, 1 skipped"),
    ):
        page.keyboard.press(key)
        expect(page.locator("#count")).to_have_text(said)
    ended = [answers(node, n)[-1]["label_index"] for n in range(1, 5) if answers(node, n)]
    assert sorted(ended, key=str) == [5, None, None]
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390


def test_a_picture_in_colours_and_measurements_are_shown_as_such(
    page: Page, start: Any, bundle: Bundle, tmp_path: Path
) -> None:
    """RGB of 24 by 40 as its colours, undistorted; four measurements as a table; one among thirty labels, each
    wide enough for words, by its letters."""
    node = start("site", site_dir=str(bundle.folder))
    red = {
        "shape": [1, 24, 40, 3],
        "dtype": "uint8",
        "data": base64.b64encode(bytes((200, 0, 40)) * 960).decode(),
    }
    digest = digest_of_content(red, "digits")
    ask(node.http, dataclasses.replace(question(1), input=red, digest=digest, labels=("cat", "dog")))
    labels = tuple(f"kind {place:02}" for place in range(30))
    ask(node.http, question(2, 5.1, 3.5, 1.4, 0.2, labels=labels))
    page.goto(f"{node.url}/desk.html?annotator=ann")
    picture = page.get_by_role("img", name="not sure of")
    expect(picture).to_be_visible()
    pixel = (
        "canvas => [canvas.width, canvas.height, ...canvas.getContext('2d').getImageData(39, 23, 1, 1).data]"
    )
    assert picture.evaluate(pixel) == [40, 24, 255, 0, 51, 255]
    page.screenshot(path=str(tmp_path / "desk-colours.png"))
    page.keyboard.press("2")
    expect(page.locator(".values tbody td")).to_have_text(["5.1", "3.5", "1.4", "0.2"])
    page.screenshot(path=str(tmp_path / "desk-values.png"))
    page.set_viewport_size({"width": 390, "height": 844})
    box = page.locator("button.label").first.bounding_box()
    assert box
    assert box["width"] >= 140  # words have room on a phone
    page.keyboard.press("/")
    page.keyboard.type("d 17")
    expect(page.locator("button.label:visible")).to_have_text(["kind 17"])
    page.keyboard.press("Enter")
    expect(page.locator("#count")).to_have_text("2 answered")
    assert [answers(node, sequence)[-1]["label"] for sequence in (1, 2)] == ["dog", "kind 17"]


def test_a_task_at_twice_the_size_is_all_in_reach(page: Page, node: LiveNode, tmp_path: Path) -> None:
    """A window of 640 at 200 % zoom: picture, ten labels and the other verdicts, each wide enough for a thumb, none aside."""
    page.set_viewport_size({"width": 320, "height": 480})
    page.goto(f"{node.url}/desk.html?annotator=ann")
    expect(page.locator("button.label")).to_have_count(10)
    page.screenshot(path=str(tmp_path / "desk-zoomed.png"), full_page=True)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 320
    buttons = [button.bounding_box() for button in page.locator("button:visible").all()]
    assert len(buttons) >= 13
    for box in buttons:
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 320
        assert min(box["width"], box["height"]) >= 24
