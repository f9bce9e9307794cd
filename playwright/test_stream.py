"""The stream: drift at a known moment, a device that asks and learns beside a frozen twin, and an alarm."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from py_edge.testing import Origin

pytestmark = pytest.mark.browser
SLOW_MS = 120_000
CHANGE = 30


def _share(steps: list[dict[str, float]], of: str) -> float:
    return sum(step[of] for step in steps) / len(steps)


def test_the_device_recovers_from_the_change_and_its_twin_does_not(page: Page, origin: Origin) -> None:
    """Equal before; both fall at the change; the alarm rings after it; only who asks and learns comes back."""
    page.set_default_timeout(SLOW_MS)
    page.goto(f"{origin.url}stream.html")
    page.get_by_role("button", name="Do it for me").click()
    page.wait_for_function("() => pyEdgeStream.state().steps.length === 90 && !pyEdgeStream.state().running")
    state: dict[str, Any] = page.evaluate("() => pyEdgeStream.state()")
    steps = state["steps"]
    assert _share(steps[:CHANGE], "twin") > 0.85
    assert _share(steps[-15:], "device") > _share(steps[-15:], "twin") + 0.3
    assert _share(steps[-15:], "asked") < _share(steps[CHANGE : CHANGE + 5], "asked")
    change, alarm = state["moments"]
    assert (change["name"], change["at"], alarm["name"]) == ("change", 300, "alarm")
    assert 300 < alarm["at"] <= 400
    assert state["tunes"] > 1
    expect(page.locator("#says")).to_contain_text("After 900 pictures")
    page.get_by_text("Data").click()
    expect(page.locator("#chart tbody tr")).to_have_count(90)
