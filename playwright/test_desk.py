"""The desk in a real Chromium on a real node: keyboard, undo, arrows, and what a phone shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from py_edge.bundle.collect import Bundle
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
    """A digit votes, u takes it back and shows the same again, an arrow and enter vote anew: two revisions go home."""
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
    voted = [n for n in range(1, 5) if answers(node, n)]
    assert [[each["label_index"] for each in answers(node, n)] for n in voted] == [[3, 5]]
    for count, key in enumerate(("s", "c", "n"), 2):
        page.keyboard.press(key)
        expect(page.locator("#count")).to_have_text(f"{count} answered")
    ended = [answers(node, n)[-1]["label_index"] for n in range(1, 5) if answers(node, n)]
    assert sorted(ended, key=str) == [5, None, None]
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390


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
