"""The inspect page: what is shipped as areas and rows, and the layers of the models that are shipped."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from py_edge.testing import Origin

pytestmark = pytest.mark.browser


def test_the_layers_of_a_shipped_model_are_told(page: Page, origin: Origin) -> None:
    """A row a layer with kind, shapes and parameters, their sum in the caption; a phone's screen is not left."""
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{origin.url}inspect.html")
    table = page.locator("#layers table")
    expect(table.locator("caption")).to_have_text("device: 2 layers, 1,810 parameters", timeout=60_000)
    expect(table.locator("tbody tr")).to_have_text(
        ["hiddenDense64 \u00d7 24, 241,560", "outDense24 \u00d7 10, 10250"]
    )
    assert page.locator("#map rect").count() > 10
    kinds = {"accuracy": "python.snapshot.gz", "person": "py_edge-", "cloud": "pyodide.asm.mjs"}
    for kind, name in kinds.items():
        assert page.locator(f"#map g.{kind}", has_text=name).count() == 1
    expect(page.locator("#map g", has_text="pyodide.asm.wasm").locator("text")).to_have_count(2)
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
