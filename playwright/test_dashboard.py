"""The dashboard in a real Chromium on a real node: the table without JavaScript, and the panels over SSE."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from py_edge.bundle.collect import Bundle
from py_edge.node.node import Parts
from py_edge.retrain.learner import Owned
from py_edge.retrain.release import make_release, publish
from tests.chain.test_scenarios import run_on
from tests.node.asking import DEVICE, ask, question, until_status, work_desk
from tests.node.conftest import LiveNode, start
from tests.retrain.centroids import CentroidLearner, model_files

__all__ = ["start"]
pytestmark = pytest.mark.browser
AXE = Path(__file__).resolve().parents[1] / "web" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture
def node(start: Any, bundle: Bundle) -> LiveNode:
    """A node that serves the built site, with a question of a child and one of a device waiting."""
    served: LiveNode = start("site", site_dir=str(bundle.folder))
    ask(served.http, question(1), **{"x-py-edge-node": "till"})
    ask(served.http, question(2))
    return served


def test_without_javascript_the_table_is_in_the_page(browser: Browser, node: LiveNode) -> None:
    """A browser that runs no script frames the server's table, and a row of it can be read."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{node.url}/dashboard.html")
    row = page.frame_locator("noscript iframe").locator("tr", has_text="tasks open")
    expect(row.locator("td")).to_have_text("2")
    context.close()


def test_every_panel_says_what_the_node_knows(page: Page, node: LiveNode, tmp_path: Path) -> None:
    """River, queue, outbox and tree follow the node over SSE, in words and as data; a phone needs no sideways scroll;
    axe finds nothing."""
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{node.url}/dashboard.html")
    expect(page.locator("#river")).to_contain_text("from children 0 (1 ever)")
    expect(page.locator("#waiting ol li")).to_have_count(2)
    for sequence in (1, 2):
        link = page.get_by_role("link", name=f"{DEVICE[:8]}…/{sequence}", exact=True)
        expect(link).to_have_attribute("title", f"{DEVICE}/{sequence}")
    expect(page.locator("#people")).to_contain_text("Nobody has voted yet.")
    expect(page.locator("#curve svg")).to_have_count(0)
    expect(page.locator("#tree")).to_contain_text("children heard: 1")
    expect(page.locator("#outbox")).to_contain_text("outbox 0, retrying 0")
    expect(page.locator("#certain")).to_contain_text("no audits")
    ask(node.http, question(3), **{"x-py-edge-node": "till"})
    expect(page.locator("#river")).to_contain_text("from children 1 (2 ever)", timeout=15_000)
    expect(page.locator("#river")).to_contain_text("went up 1 (3 ever)")
    work_desk(node.http, lambda task: 3)
    expect(page.locator("#people tbody td")).to_have_text(
        ["3", "0", "0", "\u2013", "80\u00a0%"], timeout=15_000
    )
    expect(page.locator("#curve svg.chart")).to_be_visible()
    page.evaluate(f"{AXE.read_text()}; 0")
    assert page.evaluate("async () => (await axe.run()).violations.map(({ id }) => id)") == []
    page.locator("#river summary").click()
    assert int(page.locator("#river tbody td").first.inner_text()) in {0, 1}
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    looks: tuple[tuple[Literal["light", "dark"], int], ...] = (
        ("light", 390),
        ("light", 1200),
        ("dark", 1200),
    )
    for scheme, width in looks:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 1000})
        page.screenshot(path=str(tmp_path / f"{scheme}-{width}.png"), full_page=True)


def test_a_release_that_was_taken_back_is_told(page: Page, start: Any, bundle: Bundle) -> None:
    """A bad version gets out, five audits show it, the node goes back by itself: which, to which and why is on the page."""
    promised = {"labels": list("0123"), "threshold": 0.8}
    owned = Owned("site", CentroidLearner(), 1, (model_files({0: 0.0, 2: 20.0}), promised))
    served: LiveNode = start("site", parts=Parts(owned=(owned,)), site_dir=str(bundle.folder))
    bad = make_release(served.node.blobs, "site", 2, model_files({0: 0.0, 3: 20.0}), promised, 1)
    run_on(served, lambda: served.node.store.write(lambda tx: publish(tx, bad)))
    for sequence in range(1, 6):
        ask(served.http, question(sequence, 20 + sequence / 100, audit=True))
    page.goto(f"{served.url}/dashboard.html")
    work_desk(served.http, lambda task: 2)
    words = "site v2 was taken back, v3 is v1 again: 5 of 5 audited answers wrong; at most 5.0% promised."
    expect(page.locator("#certain")).to_contain_text(words, timeout=15_000)
    expect(page.locator("#facts")).to_contain_text("rolled_back")


def test_what_a_lost_disk_took_is_told(page: Page, start: Any, bundle: Bundle, tmp_path: Path) -> None:
    """The parent answered what a site without its old disk has never heard of: how many, until it is asked again."""
    cloud: LiveNode = start("cloud", level=2)
    site: LiveNode = start("site", cloud)
    ask(site.http, question(1))
    until_status(cloud.http, "tasks_open", 1)
    site.stop()
    shutil.rmtree(tmp_path / "site")
    work_desk(cloud.http, lambda task: 3)
    site = start("site", cloud, site_dir=str(bundle.folder))
    page.goto(f"{site.url}/dashboard.html")
    expect(page.locator("#outbox")).to_contain_text(
        "1 question is ended at the parent and not known here", timeout=15_000
    )
    ask(site.http, question(1))
    expect(page.locator("#outbox")).not_to_contain_text("not known here", timeout=15_000)
