"""Everybody can use the pages: axe without violations, keyboard alone, zoom, reduced motion, a phone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from py_edge.testing import Origin

pytestmark = pytest.mark.browser
AXE = Path(__file__).resolve().parents[1] / "web" / "node_modules" / "axe-core" / "axe.min.js"
PAGES = (
    "",
    "desk.html",
    "dashboard.html",
    "inspect.html",
    "playground.html",
    "teach.html",
    "stream.html",
    "fleet.html",
)
READY = "() => document.fonts.ready"


def _open(page: Page, origin: Origin, name: str) -> None:
    page.goto(f"{origin.url}{name}?src=models/device/&learn=off")
    page.evaluate(READY)
    page.wait_for_timeout(500)


@pytest.fixture
def calm(tattler: Any) -> None:
    """These pages are served without a node behind them; that it is missing is told, and no fault here."""
    tattler.expected += ["Failed to load resource", "MIME type"]


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(browser: Browser, origin: Origin, name: str) -> None:
    """No violation of WCAG 2.2 A or AA, in light and in dark."""
    context = browser.new_context(color_scheme="light", reduced_motion="reduce", service_workers="block")
    page = context.new_page()
    _open(page, origin, name)
    page.add_script_tag(path=str(AXE))
    found = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found[scheme] = page.evaluate(
            "async () => (await axe.run()).violations.map(one => [one.id, one.nodes.map(node => node.html)])"
        )
    context.close()
    assert found == {"light": [], "dark": []}


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_and_twice_the_size_need_no_sideways_scrolling(
    page: Page, origin: Origin, calm: None, name: str
) -> None:
    """At 320 CSS pixels, which is 200 % zoom of a small window, everything is in reach by scrolling down."""
    page.set_viewport_size({"width": 320, "height": 640})
    _open(page, origin, name)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 320


def test_the_keyboard_alone_draws_and_asks(page: Page, origin: Origin, calm: None) -> None:
    """Tab reaches the pad, arrows and space draw, enter asks, and the answer is said in a status."""
    _open(page, origin, "")
    page.locator("#pad").focus()
    for key in ["Space", *["ArrowDown"] * 6, "Space", "Enter"]:
        page.keyboard.press(key)
    expect(page.locator("#says")).not_to_have_text("Nothing yet")
    assert page.locator("#says").get_attribute("role") == "status"


def test_nothing_moves_for_those_who_asked_for_that(browser: Browser, origin: Origin) -> None:
    """With reduced motion no element of any page has a transition or an animation."""
    context = browser.new_context(reduced_motion="reduce", service_workers="block")
    page = context.new_page()
    moving = {}
    for name in PAGES:
        _open(page, origin, name)
        moving[name] = page.evaluate(
            """() => [...document.querySelectorAll('*')].filter(node => {
              const style = getComputedStyle(node);
              return style.transitionDuration.split(',').some(part => parseFloat(part) > 0) || style.animationName !== 'none';
            }).length"""
        )
    context.close()
    assert moving == dict.fromkeys(PAGES, 0)
