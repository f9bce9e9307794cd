"""Every page of the built site as pictures, to be looked at: after it played itself in light and dark, on a phone, at twice the size.

`python playwright/screenshots.py DIR [PAGE…]`: a bundle with a digits model on loopback; the front page's node is in the tab,
desk and dashboard are a real node's, to which the front page has sent some questions; a person has answered some.
"""

from __future__ import annotations

import json
import runpy
import sys
import tempfile
from pathlib import Path
from typing import Literal

from playwright.sync_api import Page, ViewportSize, sync_playwright

from py_edge.bundle.collect import collect
from py_edge.bundle.parts import prepare
from py_edge.host.chromium import chromium_flags, find_chromium
from py_edge.node.app import create_app
from py_edge.node.settings import Settings
from py_edge.testing import Origin

RELEASE = Path(__file__).resolve().parents[1] / "tests" / "host" / "digits_release.py"
SLOW_MS = 180_000
WIDE, PHONE = ViewportSize(width=1280, height=900), ViewportSize(width=390, height=844)
ZOOM = ViewportSize(width=640, height=450)  # what 1280 by 900 leaves at twice the size
LOOKS: dict[str, tuple[Literal["light", "dark"], ViewportSize]] = {
    "light": ("light", WIDE), "dark": ("dark", WIDE), "zoom": ("light", ZOOM), "phone": ("light", PHONE),
}  # fmt: skip

OF_A_NODE = ("desk", "dashboard")
ASKING = "?src=models/device/&learn=off&audit=1"

# Page -> where it stands, the button that plays it, and what is true when it has played.
PAGES: dict[str, tuple[str, str, str]] = {
    "index": (
        "?origin=in-page&src=models/device/&learn=manual",
        "play",
        "!document.getElementById('play').disabled && !document.getElementById('learn').disabled",
    ),
    "desk": ("desk.html", "", "document.querySelectorAll('button.label').length === 10"),
    "dashboard": ("dashboard.html", "", "document.querySelectorAll('#waiting ol li').length > 1"),
    "stream": ("stream.html", "run", "pyEdgeStream.state().steps.length === 90 && !pyEdgeStream.state().running"),
    "fleet": ("fleet.html", "play", "pyEdgeFleet.state().hours >= 1 && !document.getElementById('play').disabled"),
    "teach": ("teach.html", "play", "pyEdgeTeach.state().fresh !== null"),
    "playground": (
        "playground.html",
        "play",
        "pyEdgePlayground.state().epoch >= 200 && !pyEdgePlayground.state().running",
    ),
    "inspect": ("inspect.html", "", "document.querySelectorAll('#files tr').length > 1"),
}  # fmt: skip


def main(folder: Path, wanted: list[str]) -> None:
    """Take the wanted pages, by default all, into the folder as PAGE-LOOK.png."""
    folder.mkdir(parents=True, exist_ok=True)
    prepare()
    with tempfile.TemporaryDirectory(prefix="py-edge-screenshots-") as made, sync_playwright() as driver:
        site = collect(Path(made) / "site", models=[_model(Path(made))], tiers=("runtime", "node")).folder
        browser = driver.chromium.launch(executable_path=str(find_chromium()), args=chromium_flags())
        node = create_app(Settings(site_dir=str(site)))
        with Origin(site) as origin, Origin(node) as served:
            if not wanted or set(OF_A_NODE) & set(wanted):
                _ask(browser.new_page(service_workers="block"), served.url)
                _answer(browser.new_page(service_workers="block"), served.url)
            for name in wanted or PAGES:
                page = browser.new_page(viewport=WIDE, service_workers="block")
                _play(page, served.url if name in OF_A_NODE else origin.url, name)
                _take(page, folder, name)
                page.close()
        browser.close()


def _model(parent: Path) -> Path:
    release, files = runpy.run_path(str(RELEASE))["trained_release"]()
    folder = parent / "device"
    folder.mkdir()
    for name, data in {**files, "release.json": json.dumps(release).encode()}.items():
        (folder / name).write_bytes(data)
    return folder


def _ask(page: Page, url: str) -> None:
    """Play the front page so that everything is asked; leave when all of it has gone out."""
    page.set_default_timeout(SLOW_MS)
    page.goto(url + ASKING)
    page.locator("#play").click()
    page.wait_for_function("() => !document.getElementById('play').disabled", timeout=SLOW_MS)
    page.wait_for_function("() => / 0 not yet sent/.test(document.getElementById('counts').textContent)")
    page.close()


def _answer(page: Page, url: str) -> None:
    """Sit down at the desk, answer some, skip one."""
    page.set_default_timeout(SLOW_MS)
    page.goto(f"{url}desk.html?annotator=ann")
    for count, key in enumerate("397s", 1):
        page.locator("button.label").first.wait_for()
        page.keyboard.press(key)
        said = f"{count} answered" if key != "s" else "1 skipped"
        page.wait_for_function(f"() => document.getElementById('count').textContent.includes('{said}')")
    page.close()


def _play(page: Page, url: str, name: str) -> None:
    where, button, done = PAGES[name]
    page.set_default_timeout(SLOW_MS)
    page.goto(url + where)
    if name not in OF_A_NODE:  # those hold a stream open
        page.wait_for_load_state("networkidle")
    if button:
        page.locator(f"#{button}").click()
    if done:
        page.wait_for_function(f"() => {done}")


def _take(page: Page, folder: Path, name: str) -> None:
    """One state of the page in every look; a page wider than its screen is told."""
    for look, (scheme, size) in LOOKS.items():
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size(size)
        if look == "phone":  # no pointer that hovers
            page.context.new_cdp_session(page).send("Emulation.setTouchEmulationEnabled", {"enabled": True})
        page.wait_for_timeout(500)  # charts redraw themselves
        page.screenshot(path=str(folder / f"{name}-{look}.png"), full_page=True)
        over = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        print(
            f"{name}-{look}.png" + (f": {over} pixels wider than the screen" if over > 0 else ""), flush=True
        )


if __name__ == "__main__":
    if len(sys.argv) < 2 or set(sys.argv[2:]) - set(PAGES):
        sys.exit(f"usage: screenshots.py DIR [{' | '.join(PAGES)} …]")
    main(Path(sys.argv[1]), sys.argv[2:])
