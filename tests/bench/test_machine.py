"""What the machine tells about itself."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from py_edge.bench import machine

pytestmark = pytest.mark.skipif(not machine.PROC.joinpath("stat").exists(), reason="needs /proc")


def test_own_work_is_not_foreign() -> None:
    """Processor time of our own children counts as ours, even when they have ended."""
    before = machine.now()
    subprocess.run([sys.executable, "-c", "sum(i * i for i in range(3_000_000))"], check=True)
    after = machine.now()
    assert after.own_s - before.own_s > 0.05


def test_load_of_others_is_never_negative() -> None:
    """Rounding to ticks must not give a negative share."""
    one = machine.Moment(0.0, 1.00, 0.0, 1.00)
    load = machine.load_between(one, machine.Moment(1.0, 1.50, 0.02, 1.52))
    assert load.foreign == 0.0
    assert not load.quiet


def test_descendants() -> None:
    """A child is among the descendants, a stranger is not."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        found = machine.descendants(os.getpid())
        assert child.pid in found
        assert os.getppid() not in found
        assert child.stdin
        child.stdin.close()
