"""Four tiers with a bad network between them: nothing lost, nothing twice, everything ends.

The wires spoil IP packets (FAULTS in namespaces.py) under the kernels' own TCP. In the storm several do at once, and
every connection to a parent has a fate of its own besides (proxy.py); in a spell one fault is met alone on one wire:
3 spells by default, each fault on each wire with `make chaos`, three times and longer with CHAOS=long.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos import namespaces, wire
from tests.chaos.history import count, read_events
from tests.chaos.namespaces import FAULTS, Row
from tests.chaos.scale import SCALE
from tests.chaos.tiers import HEALED_S, WIRES, Tiers
from tests.node.asking import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not namespaces.possible(), reason="network namespaces need root and iproute2"),
]
LONGEST_S, ENOUGH = 120.0, 20


@pytest.fixture(scope="module")
def tiers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiers]:
    """A chain that meets one spell after the other."""
    with Tiers(tmp_path_factory.mktemp("spells"), through_proxies=False) as made:
        yield made


def test_a_bad_network_loses_nothing(tmp_path: Path) -> None:
    """After the network has healed every acknowledged question has its answer, once, at its own device."""
    history = tmp_path / "history.jsonl"
    with Tiers(tmp_path, through_proxies=True) as tiers:
        with tiers.asked(history) as told:
            tiers.calm.unlink()
            storm(tiers.row, lambda: told("ok") > ENOUGH)
            tiers.calm.touch()
            until(lambda: told("erased"), HEALED_S)
        troubles = tiers.troubles(history)
    events = count(read_events(history))
    laid = "laid on the wires" if wire.possible() else "none on the wires: this kernel has no TUN devices"
    print(f"\n{SCALE.storm_s:.0f} s of storm, faults {laid}: {events}")
    assert troubles == []
    assert events["ok"] > ENOUGH


def storm(row: Row, enough: Callable[[], bool]) -> None:
    """Each wire has one fault after the other, then none; longer on a slow machine."""
    rng = random.Random(7)
    begin = time.monotonic()
    deck: list[tuple[str, tuple[int, ...]]] = []
    while (lasted := time.monotonic() - begin) < SCALE.storm_s or (lasted < LONGEST_S and not enough()):
        number = rng.choice(WIRES)
        row.lay(number, "")
        deck = deck or rng.sample(list(FAULTS.values()), len(FAULTS))
        row.lay(number, *deck.pop())
        time.sleep(rng.random())
    for number in WIRES:
        row.lay(number, "")


@pytest.mark.skipif(not wire.possible(), reason="this kernel has no TUN devices")
@pytest.mark.parametrize("spell", SCALE.single_faults())
def test_a_single_fault_loses_nothing(tiers: Tiers, spell: int) -> None:
    """Devices ask on while one wire has one fault; when it is mended all that they were told is true."""
    name = list(FAULTS)[spell % len(FAULTS)]
    number = (spell + spell // len(FAULTS)) % len(WIRES)
    history = tiers.folder / f"spell-{spell}.jsonl"
    with tiers.asked(history, "--seed", str(spell), "--contents", "1000000") as told:
        before = told("ok")
        tiers.row.lay(number, *FAULTS[name])
        time.sleep(SCALE.spell_s)
        meanwhile = told("ok") - before
        met = tiers.row.lay(number, "")
        healed = time.monotonic()
        until(lambda: told("ok") > before + meanwhile + ENOUGH, HEALED_S)
        again = time.monotonic() - healed
    troubles = tiers.troubles(history)
    print(
        f"\n{name} on wire {number} for {SCALE.spell_s:.0f} s: {met} packets met it, {meanwhile} acknowledged meanwhile, "
        f"{ENOUGH} more {again:.1f} s after, all ended {time.monotonic() - healed:.1f} s after; "
        f"{count(read_events(history))}"
    )
    assert troubles == []
    assert met > 0
