"""X16 on a node: the process is killed at random moments, again and again, and ends where an unbroken one ends."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.train.killed import main

ROOT = Path(__file__).resolve().parents[2]


def kill_until_done(folder: Path, kills: int, seed: int) -> tuple[str, int]:
    """Start, kill after a random while, start again; the last one may finish. Returns (its hash, kills that hit)."""
    rng, hits = random.Random(seed), 0
    while True:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.train.killed", str(folder)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        process.stdout.readline()
        if hits < kills:
            try:
                process.wait(rng.uniform(0.005, 0.2))
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                hits += 1
                continue
        found = process.communicate()[0].strip().splitlines()[-1]
        return found, hits


def test_killed_runs_end_where_an_unbroken_one_ends(tmp_path: Path) -> None:
    """Some kills at random moments: the weights must be bit-equal to those of a run that nobody disturbed."""
    found, hits = kill_until_done(tmp_path, 6, seed=1)
    assert hits >= 3
    assert found == main("")


@pytest.mark.slow
def test_two_hundred_kills(tmp_path: Path) -> None:
    """The same over runs with 200 kills in all."""
    wanted, total, turn = main(""), 0, 0
    while total < 200:
        turn += 1
        found, hits = kill_until_done(tmp_path / str(turn), 20, seed=turn)
        total += hits
        assert found == wanted
