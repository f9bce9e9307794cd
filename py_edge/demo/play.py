"""Set everything up, play the story, print it, and leave nothing running.

Headless: we drive a Chromium of our own. With a display: the user's browser opens, the story is told in its page,
and the nodes stay up until ctrl-C.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
import webbrowser
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from py_edge.bundle.cache import cache_dir
from py_edge.demo import table
from py_edge.demo.digits import Splits, load_splits
from py_edge.demo.hooks import Hooks
from py_edge.demo.owned import models_folder, train_first
from py_edge.demo.person import Person
from py_edge.demo.places import Place
from py_edge.demo.recipe import Plot
from py_edge.demo.remote import await_page
from py_edge.demo.site import make_site
from py_edge.demo.story import Story
from py_edge.demo.tab import open_tab
from py_edge.demo.watch import Watch
from py_edge.host.chromium import find_chromium

_BROWSER_S = 60.0


@dataclass(frozen=True)
class Wishes:
    """What the user asked for; json "-" is stdout."""

    seed: int = 0
    rounds: int = 10
    questions: int = 200
    port: int = 0
    headless: bool = False
    once: bool = False
    json: Path | None = None
    pictures: Path | None = None


def play(wishes: Wishes) -> int:
    """The whole demo; gives the exit code. Raises EnvironmentProblem and what the parts raise."""
    shown = not wishes.headless and has_display()
    if wishes.json is not None and str(wishes.json) != "-":
        wishes.json.touch()  # a place that cannot be written is said now, not after the story
    with ExitStack() as stack:
        stopped = stack.enter_context(_stop_on_signal())
        if not shown:
            find_chromium()  # before any work: a missing browser is said at once
        splits = load_splits(wishes.seed)
        models = models_folder(cache_dir() / "demo", wishes.seed)
        _say("training the starting models on a few labels of six writer blocks")
        train_first(models, splits, wishes.seed)
        pages = make_site(cache_dir() / "demo" / "site")
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="py-edge-demo-")))
        cloud, site = _start(stack, wishes, models, pages, data)
        _say(_links(site.url, cloud.url))
        page = stack.enter_context(_open(site.url, cloud.url, shown))
        story = _tell(wishes, splits, page, site, cloud, stopped)
        if wishes.json is not None:
            _write(wishes.json, story)
        if shown and not wishes.once:
            _say(f"now you are the person; everything stays up until ctrl-C\n{_links(site.url, cloud.url)}")
            _wait((site, cloud))
    return 0


def has_display() -> bool:
    """Whether a browser window could be seen from here."""
    if sys.platform in ("darwin", "win32"):
        return not os.environ.get("SSH_CONNECTION")
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _start(stack: ExitStack, wishes: Wishes, models: Path, pages: Path, data: Path) -> tuple[Place, Place]:
    def place(role: str, port: int, *more: str) -> Place:
        paths = ["--models", str(models), "--data", str(data / role), "--site-dir", str(pages)]
        numbers = ["--seed", str(wishes.seed), "--port", str(port)]
        return stack.enter_context(Place(role, [role, *paths, *numbers, *more]))

    port = wishes.port or free_port()  # known beforehand, for the page asks the cloud's desk across origins
    cloud = place("cloud", wishes.port + 1 if wishes.port else 0, "--origin", f"http://127.0.0.1:{port}")
    return cloud, place("site", port, "--parent", cloud.url)


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _open(site: str, cloud: str, shown: bool) -> Iterator[Hooks]:
    """The page: in the user's browser if it comes up there, else in a headless one."""
    url = f"{site}/?learn=manual&desk={cloud}/"
    with ExitStack() as stack:
        if shown:
            remote = stack.enter_context(await_page(site))
            if webbrowser.open(f"{url}&story={remote.url}") and remote.came.wait(_BROWSER_S):
                yield remote
                return
            _say("your browser did not open the page; a headless one plays the story")
        yield stack.enter_context(open_tab(url))


def _tell(
    wishes: Wishes, splits: Splits, page: Hooks, site: Place, cloud: Place, stopped: threading.Event
) -> dict[str, Any]:
    truth: dict[str, int] = {}
    paint = table.colours(sys.stdout)

    def tell(number: int, found: Mapping[str, Any]) -> None:
        print(table.row(number, found, paint), flush=True)
        if wishes.pictures is not None:
            wishes.pictures.mkdir(parents=True, exist_ok=True)
            page.keep_picture(wishes.pictures / f"round-{number:02}.png")

    with (
        Person(cloud.url, truth) as person,
        closing(Watch(site.url)) as below,
        closing(Watch(cloud.url)) as above,
    ):

        def check() -> None:
            if stopped.is_set():
                raise KeyboardInterrupt
            for each in (person, site, cloud):
                each.check()

        print(table.head(paint), flush=True)
        plot = Plot(rounds=wishes.rounds, questions=wishes.questions)
        story = Story(plot, splits, wishes.seed, page, below, above, truth, check, tell).play()
    print(table.facts(story), flush=True)
    for complaint in page.complaints[:5]:
        _say(f"the page complained: {complaint}")
    return story


def _wait(places: Sequence[Place]) -> None:
    while True:
        for place in places:
            place.check()
        time.sleep(1)


def _links(site: str, cloud: str) -> str:
    return f"page {site}/?desk={cloud}/\ndesk {cloud}/desk\ndashboard {site}/dashboard"


def _write(target: Path, story: Mapping[str, Any]) -> None:
    text = json.dumps(story, indent=1)
    if str(target) == "-":
        print(text)
    else:
        target.write_text(text + "\n", encoding="utf-8")


@contextmanager
def _stop_on_signal() -> Iterator[threading.Event]:
    """Ctrl-C and SIGTERM alike, at once, but not in the midst of the browser's driver, which would be left half done: there
    the event is set and the next check raises. The second time does not wait for it."""
    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        again = stopped.is_set()
        stopped.set()
        if again or not _is_in_driver(frame):
            raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_in_driver(frame: FrameType | None) -> bool:
    while frame is not None and not frame.f_globals.get("__name__", "").startswith("playwright."):
        frame = frame.f_back
    return frame is not None


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
