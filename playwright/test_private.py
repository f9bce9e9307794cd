"""Windows that keep nothing: a private one, and one whose site data the browser's own setting blocks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser

from py_edge.bundle.collect import Bundle
from py_edge.host.chromium import chromium_flags, find_chromium
from py_edge.node.app import create_app
from py_edge.node.settings import Settings
from py_edge.testing import Origin

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SLOW_MS = 120_000
BLOCKED = {"profile": {"default_content_setting_values": {"cookies": 2}}}
VISIT = """async ([images, labels]) => {
  const edge = document.createElement('py-edge');
  const errors = [];
  for (const [name, value] of Object.entries({ src: 'models/device/', origin: '.', learn: 'auto' })) edge.setAttribute(name, value);
  edge.addEventListener('pyedge:error', event => errors.push(event.detail.code));
  document.body.append(edge);
  await edge.learning;
  const status = edge.shadowRoot.querySelector('[part=status]').textContent;
  const inputs = images.map(one => new Float32Array(one));
  const { examples, loss } = await edge.learn(inputs, labels, { epochs: 5 });
  const { label_index } = await edge.predict(inputs[0]);
  const { sequence } = await edge.ask(inputs[0]);
  return { errors, status, examples, better: loss.at(-1) < loss[0], label_index, sequence };
}"""


@pytest.mark.parametrize(
    ("flags", "preferences", "errors", "status", "kept"),
    [
        pytest.param([], {}, [], "able to learn", True, id="ordinary"),
        pytest.param(["--incognito"], {}, [], "able to learn", False, id="private"),
        pytest.param([], BLOCKED, ["E_STORAGE"], "keeps nothing for this page", False, id="blocked"),
    ],
)
def test_it_predicts_learns_and_asks(
    browser: Browser,
    bundle: Bundle,
    digits: tuple[list[list[float]], list[int]],
    tmp_path: Path,
    tattler: Any,
    flags: list[str],
    preferences: dict[str, Any],
    errors: list[str],
    status: str,
    kept: bool,
) -> None:
    """A private window has storage for as long as it is open, and nothing is said; where it is blocked one sentence stands on
    the page. Either way the model answers, learns and asks, and after the window nothing is left in the profile."""
    profile = tmp_path / "profile"
    (profile / "Default").mkdir(parents=True)
    (profile / "Default" / "Preferences").write_text(json.dumps(preferences))
    images, labels = digits[0][500:540], digits[1][500:540]
    with Origin(create_app(Settings(site_dir=str(bundle.folder)))) as node:
        window = browser.browser_type.launch_persistent_context(
            profile, executable_path=find_chromium(), args=[*chromium_flags(), *flags]
        )
        page = window.pages[0]  # a further one would open in an ordinary window
        tattler.watch(page)
        page.set_default_timeout(SLOW_MS)
        page.goto(f"{node.url}test-bare")
        told = page.evaluate(VISIT, [images, labels])
        assert told["errors"] == errors
        assert status in told["status"]
        assert (told["examples"], told["better"], told["sequence"]) == (40, True, 1)
        assert told["label_index"] in range(10)
        page.wait_for_function(
            "() => fetch('v1/status').then(got => got.json()).then(got => got.questions.queued)"
        )
        assert httpx.get(f"{node.url}v1/status").json()["questions"]["queued"] == 1
        window.close()
    assert bool(list((profile / "Default").glob(f"IndexedDB/*_{node.port}.*"))) == kept
