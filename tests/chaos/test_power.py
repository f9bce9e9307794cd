"""The power is cut: whatever of the unsynced writes reached the disk, the next start has all that was acknowledged.

A run of two nodes, devices, a person and an operator is recorded once, then every disk is built that a cut may leave
(tests/chaos/power), and of some the next start is recorded and cut again. 60 cuts by default, 1,000 with `make chaos`, 10,000
with CHAOS=long.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from tests.chaos.history import Id
from tests.chaos.places import ROOT, NodeProcess, free_port
from tests.chaos.power.cuts import Cut, Run, below, write
from tests.chaos.power.disk import Disk, Recorded, State, everything
from tests.chaos.power.promises import Promised, promised_before, read_exchanges
from tests.chaos.power.recording import NEVER, read_calls, record
from tests.chaos.scale import SCALE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The story, recorded."""
    folder = tmp_path_factory.mktemp("power")
    (folder / "disk").mkdir()
    tell("tell", folder)
    return read_run(folder, {})


def tell(story: str, folder: Path) -> None:
    """Record one of the stories."""
    command = [sys.executable, "-m", "tests.chaos.power.story", story, str(folder)]
    record(command, folder / "log", ROOT, {})


def read_run(folder: Path, given: State) -> Run:
    """What a log tells. given: what was on the disk before."""
    recorded = Recorded(str(folder / "disk"))
    recorded.begin_with(given)
    recorded.follow(read_calls(folder / "log"))
    said = {
        call.texts[0].decode(): call.begin
        for call in read_calls(folder / "log")
        if call.name == "write" and call.files == [str(folder / "said")]
    }
    exchanges = read_exchanges(read_calls(folder / "log"), json.loads((folder / "ports").read_text()))
    return Run(recorded, exchanges, said, folder / "state")


def test_the_recording_is_complete(run: Run) -> None:
    """With nothing lost the model has, byte for byte, what the run left on the real disk."""
    disk = Path(run.recorded.folder)
    left = {
        str(path.relative_to(disk)): None if path.is_dir() else path.read_bytes() for path in disk.rglob("*")
    }
    assert Disk(run.recorded).state(NEVER, everything) == left


def test_no_cut_loses_what_was_acknowledged(run: Run) -> None:
    """Every start works, and finds every question, answer, vote, erasure, release and copy that was acknowledged."""
    cuts = [cut for number, cut in enumerate(run.cuts(SCALE.cuts)) if number in SCALE.power_cuts()]
    troubles = list(run.troubles(cuts))
    print(f"\n{len(cuts)} power cuts, {run.starts} different disks started: {len(troubles)} troubles")
    assert troubles == []


def test_a_disk_that_syncs_nothing_loses_what_was_acknowledged(run: Run) -> None:
    """A cut at the end of the same run as if no fsync had been made: this check is able to fail."""
    forgetful = [replace(change, safe=NEVER) for change in run.recorded.changes]
    other = replace(run, recorded=replace(run.recorded, changes=forgetful))
    troubles = other.troubles([Cut(forgetful[-1].end, "nothing")])
    found = {trouble.partition("): ")[2].partition(":")[0] for trouble in troubles}
    assert {"lost", "answer lost", "release lost", "kept"} <= found


def test_a_start_after_a_cut_may_be_cut_too(run: Run, tmp_path: Path) -> None:
    """On a torn disk the node starts, works, is killed and starts: a cut in all this loses nothing of before or since."""
    torn = [cut for cut in run.cuts(SCALE.cuts) if cut.how not in ("nothing", "names")]
    firsts = sorted(random.Random(SCALE.cuts).sample(torn, max(2, SCALE.cuts // 100)), key=lambda cut: cut.at)
    disk, count = Disk(run.recorded), 0
    for number, first in enumerate(firsts):
        folder, left = tmp_path / str(number), disk.state(first.at, first.keep())
        write(left, folder / "disk")
        tell("again", folder)
        second = read_run(folder, left)
        exchanges, said = run.known_at(first)
        both = Run(second.recorded, [*exchanges, *second.exchanges], said, second.place)
        cuts = both.cuts(40)
        assert [f"{first}, {trouble}" for trouble in both.troubles(cuts)] == []
        count += len(cuts)
    print(f"\n{count} second cuts after {len(firsts)} first ones")


def test_a_node_serves_what_a_cut_left(run: Run, tmp_path: Path) -> None:
    """`py-edge serve` itself starts on such disks, and tells over HTTP all that was acknowledged before the cut."""
    cuts = random.Random(SCALE.cuts).sample(run.cuts(SCALE.cuts), max(2, SCALE.cuts // 100))
    disk = Disk(run.recorded)
    for number, cut in enumerate(sorted(cuts, key=lambda cut: cut.at)):
        folder = tmp_path / str(number)
        write(below(disk.state(cut.at, cut.keep()), "site"), folder)
        promised = promised_before(run.exchanges, cut.at)
        node = NodeProcess({"name": "site", "data": folder, "port": free_port()}, tmp_path / "log")
        node.start()
        try:
            node.until_ready()
            with httpx.Client(base_url=node.url, timeout=20, trust_env=False) as http:
                check_served(http, promised, run.digests)
        finally:
            node.kill()


def check_served(http: httpx.Client, promised: Promised, digests: Mapping[Id, str]) -> None:
    """Every question with its content, or with 410 if it was to be erased; every file of a release as its name says."""
    for key in promised.asked["site"]:
        told = http.get(f"/v1/questions/{key[0]}/{key[1]}")
        if told.status_code == 200:
            assert key not in promised.erased["site"]
            assert told.json()["question"]["digest"] == digests[key]
        else:
            assert (told.status_code, key in promised.begun["site"]) == (410, True)
    for release in http.get("/v1/models").json()["models"]:
        names = [file["sha256"] for file in release["files"]]
        assert [sha256(http.get(f"/v1/blobs/{name}").content).hexdigest() for name in names] == names
