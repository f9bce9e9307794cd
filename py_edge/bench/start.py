"""From navigation to the first output, in a fresh profile and on reload; peak memory; bytes on the wire."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from py_edge.bench import machine
from py_edge.bench.browser import chromium
from py_edge.bench.mounts import MOUNTS
from py_edge.bench.places import MODELS, PAGES, PLANS
from py_edge.bench.server import Server
from py_edge.bench.suite import OURS, PEERS, RUNTIMES
from py_edge.bench.wire import brotli_bytes

SAMPLES, QUICK_SAMPLES = 9, 2
TIMEOUT_MS = 120_000
PYTHONS = ("ours", "plain")


@dataclass
class Start:
    """One page: ms from navigation to its output per sample; bytes and peak are those of the first visit."""

    fresh_ms: list[float] = field(default_factory=list)
    reload_ms: list[float] = field(default_factory=list)
    steps: dict[str, float] = field(default_factory=dict)
    brotli_bytes: int = 0
    raw_bytes: int = 0
    peak_mb: list[float] = field(default_factory=list)
    problem: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {
            "fresh_ms": [round(ms, 1) for ms in self.fresh_ms], "reload_ms": [round(ms, 1) for ms in self.reload_ms],
            "steps_ms": {name: round(ms, 1) for name, ms in self.steps.items()}, "brotli_bytes": self.brotli_bytes,
            "raw_bytes": self.raw_bytes, "peak_mb": [round(mb, 1) for mb in self.peak_mb], "problem": self.problem,
        }  # fmt: skip

    def middle(self, name: str) -> float:
        """Median of one of the lists; NaN for none."""
        values: list[float] = getattr(self, name)
        return median(values) if values else float("nan")


def first_output(models: Sequence[str], samples: int) -> dict[str, dict[str, Start]]:
    """Model -> runtime -> Start. Runtimes take turns, every sample has a browser profile of its own."""
    found: dict[str, dict[str, Start]] = {
        model: {name: Start() for name in (OURS, *PEERS)} for model in models
    }
    with Server(MOUNTS) as server:
        for model in models:
            print(f"start {model}", file=sys.stderr)
            for _ in range(samples):
                for name, row in found[model].items():
                    query = f"runtime={RUNTIMES[name].script}&cold={model}"
                    _visit(server, f"/bench/bench.html?{query}", row)
    return found


def python_ready(samples: int) -> dict[str, Start]:
    """Ours and plain Pyodide with numpy, from navigation to a Python that can work."""
    found = {who: Start() for who in PYTHONS}
    with Server(MOUNTS) as server:
        print("start Python", file=sys.stderr)
        for _ in range(samples):
            for who, row in found.items():
                _visit(server, f"/bench/python.html?who={who}", row)
    return found


def _visit(server: Server, path: str, row: Start) -> None:
    from playwright.sync_api import Error

    if row.problem:
        return
    server.given.clear()
    with tempfile.TemporaryDirectory() as profile, chromium((), Path(profile)) as context:
        page = context.pages[0]
        page.set_default_timeout(TIMEOUT_MS)
        try:
            page.goto(server.url + path)
            marks = page.evaluate("cold")
            if not row.fresh_ms:
                files = [file for file in server.given if not file.is_relative_to(PAGES)]
                code = [
                    file for file in files if not (file.is_relative_to(MODELS) or file.is_relative_to(PLANS))
                ]
                row.raw_bytes = sum(file.stat().st_size for file in code)
                row.brotli_bytes = sum(map(brotli_bytes, code))
                row.steps = marks.get("steps") or {k: v for k, v in marks.items() if k != "output"}
            row.fresh_ms.append(marks["output"])
            row.peak_mb.append(_peak_mb())
            page.reload()
            row.reload_ms.append(page.evaluate("cold")["output"])
        except Error as error:
            row.problem = error.message.split("\n")[0][:200]


def _peak_mb() -> float:
    """The largest resident set that any renderer of ours ever had."""
    peaks = [0.0]
    for process in machine.descendants(os.getpid()):
        try:
            command = (machine.PROC / str(process) / "cmdline").read_bytes()
            status = (machine.PROC / str(process) / "status").read_text()
        except OSError:
            continue
        if b"--type=renderer" in command:
            peaks += [int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")]
    return max(peaks)
