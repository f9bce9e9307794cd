"""A progress bar for people and logs: one moving line on a terminal, one line per tenth elsewhere."""

from __future__ import annotations

import sys
from typing import TextIO

WIDTH = 30


class Bar:
    """Call it as a `sources.Report`: (name, bytes done, bytes in all). Never runs backwards."""

    def __init__(self, title: str, stream: TextIO | None = None) -> None:
        self.title = title
        self.stream = stream or sys.stderr
        self.tenth = -1
        self.most = 0

    def __call__(self, name: str, done_bytes: int, total_bytes: int) -> None:
        self.most = max(self.most, done_bytes)
        share = self.most / total_bytes if total_bytes else 1.0
        size = f"{self.most / 1e6:5.1f} of {total_bytes / 1e6:.1f} MB"
        if self.stream.isatty():
            bar = ("█" * round(share * WIDTH)).ljust(WIDTH, "·")
            end = "\n" if share >= 1 else ""
            self.stream.write(f"\r{self.title} {bar} {size} {name[:28]:<28}{end}")
        elif int(share * 10) > self.tenth:
            self.tenth = int(share * 10)
            self.stream.write(f"{self.title} {self.tenth * 10:3d} % {size}\n")
        self.stream.flush()
