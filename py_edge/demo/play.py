"""Set everything up, play the story, print it, and leave nothing running.

Headless: we drive Chromium ourselves. With a display: the user's browser opens, a second, headless tab tells the
story beside it, and the nodes stay up until ctrl-C.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from py_edge.bundle.cache import cache_dir
from py_edge.demo import table
from py_edge.demo.digits import Splits, load_splits
from py_edge.demo.owned import models_folder, train_first
from py_edge.demo.page import open_page
from py_edge.demo.person import Person
from py_edge.demo.places import Place
from py_edge.demo.recipe import Plot
from py_edge.demo.site import make_site
from py_edge.demo.story import Story
from py_edge.demo.watch import Watch
from py_edge.host.chromium import find_chromium


@dataclass(frozen=True)
class Wishes:
    """What the user asked for; json "-" is stdout."""

    seed: int = 0
    rounds: int = 10
    questions: int = 100
    port: int = 0
    headless: bool = False
    once: bool = False
    json: Path | None = None
    pictures: Path | None = None


def play(wishes: Wishes) -> int:
    """The whole demo; gives the exit code."""
    shown = not wishes.headless and has_display()
    with ExitStack() as stack:
        stack.enter_context(_stop_on_sigterm())
        find_chromium()  # before any work: a missing browser is said at once
        splits = load_splits(wishes.seed)
        _say("training the starting models on a few labels of six writer blocks")
        models = models_folder(cache_dir() / "demo", wishes.seed)
        train_first(models, splits, wishes.seed)
        pages = make_site(cache_dir() / "demo" / "site")
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="py-edge-demo-")))
        cloud, site = _start(stack, wishes, models, pages, data)
        links = _links(site.url, cloud.url)
        _say(links)
        if shown:
            webbrowser.open(links.split()[1])
        story = _tell(stack, wishes, splits, site, cloud, watched=shown)
        if wishes.json is not None:
            _write(wishes.json, story)
        if not wishes.once and shown:
            _say(f"the nodes stay up until ctrl-C\n{links}")
            threading.Event().wait()
    return 0


def has_display() -> bool:
    """Whether a browser window could be seen from here."""
    if sys.platform in ("darwin", "win32"):
        return not os.environ.get("SSH_CONNECTION")
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _start(stack: ExitStack, wishes: Wishes, models: Path, pages: Path, data: Path) -> tuple[Place, Place]:
    def place(role: str, port: int, *more: str) -> Place:
        common = (
            "--models",
            str(models),
            "--data",
            str(data / role),
            "--seed",
            str(wishes.seed),
            "--site-dir",
            str(pages),
        )
        return stack.enter_context(Place(role, [role, *common, "--port", str(port), *more]))

    port = wishes.port or free_port()  # known beforehand, for the page asks the cloud's desk across origins
    cloud = place("cloud", wishes.port + 1 if wishes.port else 0, "--origin", f"http://127.0.0.1:{port}")
    return cloud, place("site", port, "--parent", cloud.url)


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _tell(
    stack: ExitStack, wishes: Wishes, splits: Splits, site: Place, cloud: Place, watched: bool
) -> dict[str, Any]:
    truth: dict[str, int] = {}
    person = stack.enter_context(Person(cloud.url, truth))
    site_watch, cloud_watch = Watch(site.url), Watch(cloud.url)
    stack.callback(site_watch.close)
    stack.callback(cloud_watch.close)

    def check() -> None:
        for each in (person, site, cloud):
            each.check()

    paint = table.colours(sys.stdout)
    with open_page(f"{site.url}/?learn=manual") as page:

        def tell(number: int, found: Mapping[str, Any]) -> None:
            print(table.row(number, found, paint), flush=True)
            if wishes.pictures is not None:
                wishes.pictures.mkdir(parents=True, exist_ok=True)
                page.screenshot(str(wishes.pictures / f"round-{number:02}.png"))

        print(table.head(paint), flush=True)
        plot = Plot(rounds=wishes.rounds, questions=wishes.questions)
        story = Story(plot, splits, wishes.seed, page, site_watch, cloud_watch, truth, check, tell).play()
        print(table.facts(story), flush=True)
        for complaint in page.complaints[:5]:
            _say(f"the page complained: {complaint}")
    return story


def _links(site: str, cloud: str) -> str:
    return f"page {site}/?desk={cloud}/\ndesk {cloud}/desk\ndashboard {site}/dashboard"


def _write(target: Path, story: Mapping[str, Any]) -> None:
    text = json.dumps(story, indent=1)
    if str(target) == "-":
        print(text)
    else:
        target.write_text(text + "\n", encoding="utf-8")


@contextmanager
def _stop_on_sigterm() -> Iterator[None]:
    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
