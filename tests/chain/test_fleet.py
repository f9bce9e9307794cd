"""The simulated fleet: what the page's numbers rest on, natively and with few devices."""

from __future__ import annotations

from typing import Any

import pytest

from py_edge.chain.simulate.fleet import Fleet, World
from py_edge.errors import ValueRangeError


def _hour(**wish: Any) -> dict[str, Any]:
    fleet = Fleet(World(devices=4, **wish))
    told = fleet.run(60)
    fleet.close()
    return told


def test_a_higher_threshold_asks_more_and_errs_less() -> None:
    """Coverage falls and so does the share of wrong answers among those given alone."""
    low, high = _hour(threshold=0.5), _hour(threshold=0.95)
    assert high["coverage"] < low["coverage"]
    assert high["risk"] < low["risk"]


def test_every_question_comes_home_while_people_have_time() -> None:
    """All asked are answered but those of the last minutes, even where a third of the messages is lost."""
    told = _hour(people_minutes=120.0, loss=0.3)
    assert told["asked"] > 20
    assert told["answered"] + told["unanswered"] == told["asked"]
    assert told["answered"] > 0.7 * told["asked"]


def test_nobody_at_the_desk_and_a_bad_network_cost_what_they_should() -> None:
    """Without people nothing is answered; loss makes the same chain send more."""
    assert _hour(people_minutes=0.0)["answered"] == 0
    assert _hour(loss=0.5)["bytes_per_device_hour"] > 1.2 * _hour(loss=0.0)["bytes_per_device_hour"]


def test_the_same_seed_lives_the_same_hour() -> None:
    """What a page shows can be shown again."""
    fleet = Fleet(World(devices=3))
    for _ in range(4):
        told = fleet.run(15)
    fleet.close()
    again = Fleet(World(devices=3))
    for _ in range(4):
        once = again.run(15)
    again.close()
    assert told == once


@pytest.mark.parametrize("wish", [{"devices": 0}, {"devices": 10_000}, {"threshold": 2.0}, {"loss": -0.1}])
def test_a_world_out_of_bounds_is_refused(wish: dict[str, Any]) -> None:
    """The place and what came are told."""
    with pytest.raises(ValueRangeError) as caught:
        Fleet(World(**wish))
    assert caught.value.where == next(iter(wish))
