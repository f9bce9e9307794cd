"""Files and folders that outlive a power cut: every disk that one may leave is looked at, as POSIX allows it."""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.places import ROOT
from tests.chaos.power.disk import Disk, Recorded, State, by_chance, nothing, only_names
from tests.chaos.power.recording import NEVER, read_calls, record

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
DATA = bytes(range(256)) * 20
DURABLE = """
make_folder(disk / "a" / "b")
write_file(disk / "a" / "b" / "c", DATA)
"""
FILLED = """
make_folder(disk / "a")
(disk / "a" / "draft").mkdir()
(disk / "a" / "draft" / "c").write_bytes(DATA)
sync_all(disk / "a" / "draft")
(disk / "a" / "draft").rename(disk / "a" / "b")
sync(disk / "a")
"""
WITHOUT_NAMES = DURABLE.replace("make_folder", "Path.mkdir").replace(
    '"a" / "b")', '"a"); (disk / "a" / "b").mkdir()'
)
WITHOUT_BYTES = FILLED.replace('sync_all(disk / "a" / "draft")', 'sync(disk / "a" / "draft")')


def cuts(program: str, folder: Path) -> Iterator[tuple[bool, State]]:
    """Every disk that a cut during this program may leave, in the order of time, and after it (True)."""
    (folder / "disk").mkdir()
    words = f"from pathlib import Path\nfrom py_edge.storage.durable import *\ndisk = Path({str(folder / 'disk')!r})\n"
    record([sys.executable, "-c", f"{words}DATA = {DATA!r}\n{program}"], folder / "log", ROOT, {})
    recorded = Recorded(str(folder / "disk"))
    recorded.follow(read_calls(folder / "log"))
    lines = sorted({line for change in recorded.changes for line in (change.begin + 1, change.safe + 1)})
    for number in range(6):
        for keep in (nothing, only_names, by_chance(random.Random(number))):
            disk = Disk(recorded)
            yield from ((line > NEVER, disk.state(min(line, NEVER), keep)) for line in [*lines, NEVER + 1])


@pytest.mark.parametrize("program", [DURABLE, FILLED], ids=["written", "filled"])
def test_it_is_whole_or_not_there_and_stays_once_it_is_made(program: str, tmp_path: Path) -> None:
    """At no time half of the file under its name; when the program has ended, all of it."""
    for over, state in cuts(program, tmp_path):
        assert state.get("a/b/c") == DATA or (not over and "a/b/c" not in state)


@pytest.mark.slow
@pytest.mark.parametrize("program", [WITHOUT_NAMES, WITHOUT_BYTES], ids=["names", "bytes"])
def test_without_a_sync_it_may_be_gone(program: str, tmp_path: Path) -> None:
    """The same with one sync less, of a folder's name or of a file's bytes: some cut loses it after the end."""
    assert any(over and state.get("a/b/c") != DATA for over, state in cuts(program, tmp_path))
