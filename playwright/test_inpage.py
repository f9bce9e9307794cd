"""A node in the tab: a static page, no server that answers anything, and still device, site and person."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from py_edge.testing import Origin

pytestmark = pytest.mark.browser
SLOW_MS = 120_000


def test_a_static_page_has_device_site_and_person(
    page: Page, origin: Origin, digits: tuple[list[list[float]], list[int]]
) -> None:
    """Unsure, asked of the node in the tab, answered by a person on the same page, and no request left for it."""
    page.set_default_timeout(SLOW_MS)
    expect.set_options(timeout=SLOW_MS)
    page.goto(f"{origin.url}?origin=in-page&src=models/device/&learn=off&audit=0")
    page.evaluate("() => pyEdgeDemo.ready()")
    images, labels = digits
    page.evaluate("image => pyEdgeDemo.ask(image, { audit: true })", images[700])
    expect(page.locator("#counts")).to_contain_text("1 waiting")
    newer = page.evaluate("image => pyEdgeDemo.ask(image, { audit: false })", images[0])
    assert newer["sequence"] is None
    page.get_by_role("button", name="Take a seat at the desk").click()
    expect(page.locator("#person canvas")).to_be_visible()
    page.locator("#person .label", has_text=str(labels[700])).click()
    expect(page.locator("#counts")).to_contain_text("1 answered")
    expect(page.locator("#chain li")).to_have_text(["device", "tab's node", "person"])
    expect(page.locator("#chain .on")).to_have_text("device")  # of the picture on show, not of the older one
    answer = page.evaluate("() => pyEdgeDemo.answers()")["answers"][0]
    assert (answer["label_index"], answer["source"]) == (labels[700], "person")
    assert not [path for _, path in origin.faults.log if "/v1/" in path]
    expect.set_options(timeout=5_000)


def test_questions_outlive_the_node_in_the_tab(
    page: Page, origin: Origin, digits: tuple[list[list[float]], list[int]]
) -> None:
    """The node forgets with the tab, the page's outbox does not: after a reload the question is asked again."""
    page.set_default_timeout(SLOW_MS)
    page.goto(f"{origin.url}?origin=in-page&src=models/device/&learn=off&audit=0")
    page.evaluate("() => pyEdgeDemo.ready()")
    page.evaluate("image => pyEdgeDemo.ask(image, { audit: true })", digits[0][700])
    expect(page.locator("#counts")).to_contain_text("1 waiting", timeout=SLOW_MS)
    page.reload()
    page.evaluate("() => pyEdgeDemo.ready()")
    page.get_by_role("button", name="Take a seat at the desk").click()
    expect(page.locator("#person canvas")).to_be_visible(timeout=SLOW_MS)
