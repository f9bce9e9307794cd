"""Killed, or told EIO or ENOSPC, at every write-class system call: what was acknowledged is there afterwards.

A scripted run of six commits and a checkpoint, and one that erases, is repeated under strace with a fault injected at
call N, for N from 1 until the run no longer reaches it. By default every fifth N; `make chaos` takes every one.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from py_edge.storage.sqlite import SqliteStore
from py_edge.storage.tables import FACTS
from tests.chaos.erasing import ASKED, ask_four, erasing_script, whole_erasures
from tests.chaos.scale import SCALE

ROOT = Path(__file__).resolve().parents[2]
EVERY = SCALE.every
CALLS = ("pwrite64", "fdatasync", "ftruncate")
COMMITS = 6
RUN = f"""
import asyncio, os, sys
from pathlib import Path
from py_edge.storage.sqlite import SqliteStore
from py_edge.storage.tables import FACTS
from py_edge.storage.writer import _Group

async def main():
    store = SqliteStore(Path(sys.argv[1]), threaded=False)
    os.write(1, b"open\\n")
    for n in range({COMMITS}):
        row = {{"name": str(n), "value": "x" * 9000}}
        await store.write(lambda tx: tx.put(FACTS, row))
        os.write(1, b"ack %d\\n" % n)
        if n == 3:
            store._writer._carry_out(_Group([]))
    await store.close()

asyncio.run(main())
"""
ERASE = erasing_script("SqliteStore(Path(sys.argv[1]), threaded=False)")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database without rows, to start each run from."""
    folder = tmp_path_factory.mktemp("empty")

    async def make() -> None:
        await SqliteStore(folder / "node.db").close()

    asyncio.run(make())
    return folder


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("fault", ["signal=KILL", "error=EIO", "error=ENOSPC"])
def test_no_acknowledged_row_is_lost(call: str, fault: str, empty: Path, tmp_path: Path) -> None:
    """At each point: acknowledged is a subset of stored, the file is sound, and after an error nothing more is acknowledged."""
    reached = 0
    for point in range(1, 400, EVERY):
        folder = tmp_path / f"{point}"
        shutil.copytree(empty, folder)
        acknowledged, hit = run_with_fault(folder / "node.db", call, fault, point)
        stored = asyncio.run(read_rows(folder / "node.db"))
        assert set(acknowledged) <= stored, f"{call} {fault} at {point}"
        shutil.rmtree(folder)
        if not hit:
            break
        reached += 1
        if fault.startswith("error") and len(acknowledged) < COMMITS:
            assert acknowledged == list(range(len(acknowledged)))
    assert reached >= 1


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with four waiting questions."""
    folder = tmp_path_factory.mktemp("asked")
    ask_four(lambda: SqliteStore(folder / "node.db"))
    return folder


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("fault", ["signal=KILL", "error=EIO", "error=ENOSPC"])
def test_what_was_erased_stays_erased(call: str, fault: str, asked: Path, tmp_path: Path) -> None:
    """At each point: what was acknowledged is gone and its wish waits to go up, no question is half there, a whole
    device's erasure that was begun is ended by the next start, and then no byte of it is in the files."""
    reached = 0
    for point in range(1, 400, EVERY if EVERY == 1 else 3 * EVERY):
        folder = tmp_path / f"{point}"
        shutil.copytree(asked, folder)
        acknowledged, hit = run_with_fault(folder / "node.db", call, fault, point, ERASE)
        gone = whole_erasures(lambda: SqliteStore(folder / "node.db"))  # noqa: B023
        assert set(acknowledged) <= gone, f"{call} {fault} at {point}"
        written = b"".join(path.read_bytes() for path in folder.glob("node.db*"))
        found = {each.sequence for each in ASKED if each.input["data"].encode() in written}
        assert found == {each.sequence for each in ASKED} - gone, f"{call} {fault} at {point}"
        shutil.rmtree(folder)
        reached += hit
        if not hit:
            break
    assert reached >= 1


@pytest.mark.parametrize("call", CALLS[:2])
def test_a_first_start_that_was_killed_is_begun_again(call: str, tmp_path: Path) -> None:
    """Killed anywhere while the schema is made: the next start finds all of it or nothing, and works."""
    reached = 0
    for point in range(1, 400, 4 * EVERY):
        folder = tmp_path / f"{point}"
        folder.mkdir()
        acknowledged, hit = run_with_fault(folder / "node.db", call, "signal=KILL", point)
        assert set(acknowledged) <= asyncio.run(read_rows(folder / "node.db")), f"{call} at {point}"
        shutil.rmtree(folder)
        reached += hit
        if not hit:
            break
    assert reached >= 1


def run_with_fault(
    path: Path, call: str, fault: str, point: int, script: str = RUN
) -> tuple[list[int], bool]:
    """Run the script; gives what it acknowledged, and whether the fault was reached."""
    log = path.with_suffix(".strace")
    command = [
        "strace",
        "-f",
        "-qq",
        "-o",
        str(log),
        "-e",
        f"trace={call}",
        "-e",
        f"inject={call}:{fault}:when={point}",
    ]
    done = subprocess.run(
        [*command, sys.executable, "-c", script, str(path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    words = [line.split() for line in done.stdout.splitlines()]
    text = log.read_text()
    hit = "INJECTED" in text or "SIGKILL" in text
    if not hit:
        assert done.returncode == 0, done.stderr
    return [int(word[1]) for word in words if word[0] == "ack"], hit


async def read_rows(path: Path) -> set[int]:
    """What a new process finds; opening checks the file too."""
    store = SqliteStore(path)
    rows = await store.read(lambda tx: tx.select(FACTS))
    await store.close()
    assert all(row["value"] == "x" * 9000 for row in rows)
    return {int(row["name"]) for row in rows}


def test_every_acknowledgement_follows_a_sync(empty: Path, tmp_path: Path) -> None:
    """Between the last write to the log and each acknowledgement the disk was told to keep it."""
    shutil.copytree(empty, tmp_path / "n")
    log = tmp_path / "strace"
    subprocess.run(
        ["strace", "-f", "-qq", "-o", str(log), "-e", "trace=pwrite64,fdatasync,fsync,write", sys.executable, "-c",
         RUN, str(tmp_path / "n" / "node.db")], cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    synced, acknowledged = False, 0
    for line in log.read_text().splitlines():
        if "pwrite64(" in line:
            synced = False
        elif "fdatasync(" in line or "fsync(" in line:
            synced = True
        elif 'write(1, "ack' in line:
            acknowledged += 1
            assert synced, f"acknowledgement {acknowledged} came before its bytes were on the disk"
    assert acknowledged == COMMITS
