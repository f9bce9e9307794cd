"""Kills the learn worker, the tab and the renderer's process at random moments of a fine-tune, and looks what is left."""

from __future__ import annotations

import contextlib
import random
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import BrowserContext, Error, Page

HOOKS = """
const Real = Worker;
self.workers = {}; self.told = { learning: 0, trained: 0, error: [] };
self.Worker = class extends Real { constructor(url, options) { super(url, options); workers[options.name] = this; } };
for (const name of ['learning', 'trained']) addEventListener(`pyedge:${name}`, () => told[name]++);
addEventListener('pyedge:error', event => told.error.push(event.detail));
"""
KEPT = """async () => {
  const name = (await indexedDB.databases()).map(one => one.name).find(one => one.startsWith('py-edge:'));
  const request = indexedDB.open(name);
  await new Promise((done, fail) => { request.onsuccess = done; request.onerror = fail; });
  const database = request.result, tables = database.transaction(['pointers', 'blobs']);
  const of = ask => new Promise((done, fail) => { ask.onsuccess = () => done(ask.result); ask.onerror = fail; });
  const [lesson, tuned] = [await of(tables.objectStore('pointers').get('lesson')), await of(tables.objectStore('pointers').get('tuned'))];
  const keys = await of(tables.objectStore('blobs').getAllKeys()), blobs = await of(tables.objectStore('blobs').getAll());
  database.close();
  const sha = async bytes => [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))].map(b => b.toString(16).padStart(2, '0')).join('');
  let base = keys.length > 0;
  for (const [i, key] of keys.entries()) base &&= (await sha(blobs[i])) === key;
  return { lesson: Boolean(lesson), generations: lesson ? lesson.kept.size : 0, plan: tuned?.plan ? await sha(tuned.plan) : '', base };
}"""
DIE = """() => { const worker = workers['py-edge learn']; worker?.terminate();
  worker?.dispatchEvent(new ErrorEvent('error', { message: 'killed' })); }"""


def crash(page: Page) -> None:
    """The process behind this tab dies on the spot, as when memory is short; then the dead tab is closed."""
    with contextlib.suppress(Error):
        page.goto("chrome://crash", timeout=5_000)
    page.close()


@dataclass
class Killer:
    """url: a page whose element `edge` has learn="manual" and was taught. times: gives the processor time of each task of a
    page's own thread, where asked for; longest_ms: of the longest before each kill."""

    context: BrowserContext
    url: str
    options: dict[str, Any]
    rng: random.Random
    watch: Any = None
    times: Any = None
    kills: dict[str, int] = field(default_factory=dict)
    ends: list[str] = field(default_factory=list)
    longest_ms: list[float] = field(default_factory=list)
    resumed: int = 0

    def __str__(self) -> str:
        longest = f"{max(self.longest_ms, default=0):.0f} ms"
        return f"{self.kills}, generations found {self.resumed}, fits {len(self.ends)}, longest task {longest} of processor time"

    def open(self) -> Page:
        page = self.context.new_page()
        if self.watch:
            self.watch(page)
        page.set_default_timeout(120_000)
        page.add_init_script(HOOKS)
        page.goto(self.url)
        page.evaluate("async () => void (await document.getElementById('edge').ready)")
        return page

    def run(self, wanted: int) -> None:
        """Until so many kills have hit a fine-tune and the last one has been finished; `ends` are the plans' digests."""
        page, begun = self.open(), False
        while True:
            kept = page.evaluate(KEPT)
            assert kept["base"], "the released files are not what they were"
            if begun and not kept["lesson"]:
                self.ends.append(kept["plan"])
                begun = False
                if self.total >= wanted:
                    page.close()
                    return
            if not begun:
                page.evaluate(
                    "options => void document.getElementById('edge').learn(options).catch(() => 0)",
                    self.options,
                )
                begun = True
            else:
                self.resumed += kept["generations"]
            if self.total >= wanted or not self._moment(page):
                page.wait_for_function("() => told.trained > 0")
                page.evaluate("() => void (told.trained = 0)")
                continue
            page = self._kill(page)

    @property
    def total(self) -> int:
        return sum(self.kills.values())

    def _moment(self, page: Page) -> bool:
        """Wait for a random moment: while Python starts, or somewhere in the training. False: it has ended before."""
        with self.times(page) if self.times else contextlib.nullcontext([]) as times:
            self._wait(page)
        self.longest_ms += [max(times)] if times else []
        return not page.evaluate("() => told.trained")

    def _wait(self, page: Page) -> None:
        if self.rng.random() < 0.75:
            page.wait_for_function("() => told.learning > 0 || told.trained > 0")
        page.wait_for_timeout(self.rng.uniform(0, 400))

    def _kill(self, page: Page) -> Page:
        how = self.rng.choice(["worker", "worker", "reload", "close", "crash"])
        self.kills[how] = self.kills.get(how, 0) + 1
        if how == "worker":
            page.evaluate("() => void (told.learning = 0)")
            page.evaluate(DIE)
            return page
        if how == "reload":
            page.reload()
            page.evaluate("async () => void (await document.getElementById('edge').ready)")
            return page
        if how == "crash":
            crash(page)
        else:
            page.close()
        return self.open()
