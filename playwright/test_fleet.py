"""The fleet: fifty simulated devices run by the chain's own code in the tab; sliders, a table, words."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from py_edge.testing import Origin

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SLOW_MS = 150_000


def test_an_hour_without_people_leaves_every_question_waiting(page: Page, origin: Origin) -> None:
    """With nobody at the desk what is asked stays unanswered; the table, the words and the chart's data say so."""
    page.set_default_timeout(SLOW_MS)
    page.goto(f"{origin.url}fleet.html")
    page.locator("#people").fill("0")
    page.get_by_role("button", name="Run an hour").click()
    page.wait_for_function("() => pyEdgeFleet.state().hours === 1")
    latest: dict[str, Any] = page.evaluate("() => pyEdgeFleet.state().latest")
    assert latest["minute"] == 60
    assert latest["answered"] == 0
    assert latest["unanswered"] == latest["asked"] > 100
    assert 0.6 < latest["coverage"] < 0.9
    expect(page.locator("#says")).to_contain_text("nobody got an answer")
    expect(page.locator("#runs thead th")).to_have_text(["hour", "1"])
    page.get_by_text("Data").click()
    expect(page.locator("#chart tbody tr")).to_have_count(12)


def test_it_plays_three_hours_that_differ(page: Page, origin: Origin) -> None:
    """ "Do it for me": a calm hour, one with half of the messages lost, one that asks far more; a column and the sliders each."""
    page.set_default_timeout(SLOW_MS)
    page.goto(f"{origin.url}fleet.html")
    page.get_by_role("button", name="Do it for me").click()
    page.wait_for_function(
        "() => pyEdgeFleet.state().hours === 3 && !document.getElementById('play').disabled"
    )
    lines = [row.locator("td").all_inner_texts() for row in page.locator("#runs tbody tr").all()]
    rows = list(zip(*lines, strict=True))
    assert [(row[0], row[2]) for row in rows] == [
        ("80\u00a0%", "5\u00a0%"), ("80\u00a0%", "50\u00a0%"), ("95\u00a0%", "5\u00a0%"),
    ]  # fmt: skip
    calm, lossy, anxious = ([int(row[column]) for column in (5, 6)] for row in rows)
    assert lossy[1] < calm[1]
    assert anxious[0] > 2 * calm[0]
    assert page.locator("#threshold").input_value() == "95"
    expect(page.locator("#run")).to_be_enabled()
