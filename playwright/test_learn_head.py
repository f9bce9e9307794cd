"""scikit-learn fits the head in the tab, in a bundle that carries it; in any other the page says what is missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from py_edge.bundle.collect import collect
from py_edge.testing import Origin

pytestmark = pytest.mark.browser
Open = Callable[[str], dict[str, Any]]
SLOW_MS = 180_000
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>test</title><link rel="icon" href="data:,">
<script type="module" src="py-edge.js"></script>
<main><h1>test</h1><py-edge id="edge" src="models/device/" learn="manual">Loading</py-edge></main></html>"""
LEARN = """async ([images, labels, tests]) => {
  const edge = await document.getElementById('edge').ready;
  const before = (await edge.predictMany(new Float32Array(tests.flat()), tests.length)).labels;
  for (const [i, image] of images.entries()) await edge.teach(new Float32Array(image), labels[i]);
  const { loss, examples } = await edge.learn({ head: 'logistic' });
  const after = (await edge.predictMany(new Float32Array(tests.flat()), tests.length)).labels;
  return { before, after, loss, examples };
}"""


@pytest.mark.slow
def test_a_bundle_with_scikit_learn_fits_its_head(
    page: Page, model_folder: Path, tmp_path: Path, bundle: Any, digits: tuple[list[list[float]], list[int]]
) -> None:
    """`py-edge bundle --tier sklearn`: the logistic head on cached features answers better than the released one, again
    after a reload and without Python."""
    page.set_default_timeout(SLOW_MS)
    images, labels = digits
    made = collect(tmp_path / "site", models=[model_folder], tiers=("runtime", "sklearn"))
    (made.folder / "mine.html").write_text(PAGE, encoding="utf-8")
    with Origin(made.folder) as served:
        page.goto(f"{served.url}mine.html")
        told = page.evaluate(LEARN, [images[500:800], labels[500:800], images[900:1200]])
        page.reload()
        kept = page.evaluate(
            """async tests => (await (await document.getElementById('edge').ready)
              .predictMany(new Float32Array(tests.flat()), tests.length)).labels""",
            images[900:1200],
        )
    right = [
        sum(a == b for a, b in zip(told[when], labels[900:1200], strict=True)) for when in ("before", "after")
    ]
    print(f"{right[0]} of 300 right before, {right[1]} after, loss {told['loss']}")
    assert told["examples"] == 300
    assert len(told["loss"]) == 1
    assert right[1] > right[0]
    assert kept == told["after"]


def test_a_bundle_without_it_says_so(
    page: Page, open_edge: Open, digits: tuple[list[list[float]], list[int]]
) -> None:
    """The head that scikit-learn would fit is a typed error with its remedy; the usual fine-tune goes on working."""
    page.set_default_timeout(SLOW_MS)
    images, labels = digits
    open_edge("learn")
    told = page.evaluate(
        """async ([image, label]) => {
          const edge = await document.getElementById('edge').ready;
          await edge.teach(new Float32Array(image), label);
          const problem = await edge.learn({ head: 'logistic' }).catch(error => error.problem);
          return { problem, resumed: await edge.resume(), examples: (await edge.learn({ epochs: 1 })).examples };
        }""",
        [images[500], labels[500]],
    )
    assert told["problem"]["code"] == "E_NOT_FOUND"
    assert "--tier sklearn" in told["problem"]["remedy"]
    assert (told["resumed"], told["examples"]) == (None, 1)
