"""The playground: points, a net that learns them in Python in the tab, and the boundary as it is painted."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from py_edge.testing import Origin

pytestmark = pytest.mark.browser
SLOW_MS = 120_000
STATE = "() => { const { answers, ...rest } = pyEdgePlayground.state(); return rest; }"
CELL = """([x, y]) => {
  const { answers } = pyEdgePlayground.state(), cells = Math.sqrt(answers.length);
  return answers[Math.floor((1 - y) / 2 * cells) * cells + Math.floor((x + 1) / 2 * cells)];
}"""
PIXEL = """([x, y]) => {
  const canvas = document.getElementById('square');
  const at = [(x + 1) / 2 * canvas.width, (1 - y) / 2 * canvas.height].map(Math.round);
  return [...canvas.getContext('2d').getImageData(...at, 1, 1).data];
}"""


def _play(page: Page, origin: Origin) -> dict[str, Any]:
    page.set_default_timeout(SLOW_MS)
    page.goto(f"{origin.url}playground.html")
    page.get_by_role("button", name="Do it for me").click()
    page.wait_for_function("() => pyEdgePlayground.state().epoch >= 200 && !pyEdgePlayground.state().running")
    state: dict[str, Any] = page.evaluate(STATE)
    return state


def test_it_plays_itself_and_learns_the_moons(page: Page, origin: Origin) -> None:
    """Two moons are told apart, each side has its own colour, between them it would ask, and the status says so."""
    state = _play(page, origin)
    assert state["points"] == 80
    assert state["accuracy"] > 0.95
    assert 0 < state["asks"] < 0.7
    upper, lower = (-0.25, 0.75), (0.25, -0.75)
    assert page.evaluate(CELL, upper)[0] == 0
    assert page.evaluate(CELL, lower)[0] == 1
    assert page.evaluate(PIXEL, upper) != page.evaluate(PIXEL, lower)
    expect(page.locator("#says")).to_contain_text("After 200 epochs")
    before = state["asks"]
    page.locator("#threshold").fill("99")
    assert page.evaluate(STATE)["asks"] > before


def test_the_keyboard_alone_places_points_and_trains(page: Page, origin: Origin) -> None:
    """Arrows, digits and space place two classes apart, delete takes one away, and they are learnt."""
    page.set_default_timeout(SLOW_MS)
    page.goto(f"{origin.url}playground.html")
    page.locator("#square").focus()
    for key in ["ArrowLeft"] * 8 + ["Space", "ArrowUp", "Space", "2"] + ["ArrowRight"] * 16 + ["Space"]:
        page.keyboard.press(key)
    for key in ["ArrowDown"] * 4 + ["Space", "Delete"]:
        page.keyboard.press(key)
    expect(page.locator("#says")).to_have_text("2 circles, 1 square.")
    expect(page.locator("#train")).to_be_enabled()
    page.locator("#train").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("() => pyEdgePlayground.state().epoch >= 40")
    page.keyboard.press("Enter")
    expect(page.locator("#train")).to_have_text("Train")
    assert page.evaluate(CELL, (-0.4, 0))[0] == 0
    assert page.evaluate(CELL, (0.4, 0))[0] == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_painted_in_light_and_dark_and_on_a_phone(
    browser: Browser, origin: Origin, scheme: Any
) -> None:
    """The ground follows the scheme, and nothing needs scrolling sideways on a phone."""
    context = browser.new_context(color_scheme=scheme, viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"{origin.url}playground.html")
    ground = page.evaluate(PIXEL, (0.9, 0.9))
    wide = page.evaluate("() => document.documentElement.scrollWidth")
    context.close()
    assert (ground[0] > 200) == (scheme == "light")
    assert wide <= 390
