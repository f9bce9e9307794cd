"""A net taught from nothing in the page, natively: it learns, answers with what it learnt, and leaves as TF.js files."""

from __future__ import annotations

import random
from array import array

import pytest

from py_edge.host import browser
from py_edge.host.classroom import Classroom
from py_edge.model import load_model

SIDES = ["left", "right"]


def _points(n: int, seed: int = 0) -> tuple[array[float], list[int]]:
    """n points in the square -1..1; those inside of a circle are class 1."""
    rng = random.Random(seed)
    rows = [(rng.uniform(-1, 1), rng.uniform(-1, 1)) for _ in range(n)]
    return array("f", [v for row in rows for v in row]), [int(x * x + y * y < 0.5) for x, y in rows]


def test_it_learns_a_circle_that_no_line_can_cut() -> None:
    """Sixty points, and points never shown are told apart."""
    room = Classroom(2, [12, 12], SIDES)
    inputs, labels = _points(60)
    first = room.fit(inputs, labels, 1)
    last = room.fit(inputs, labels, 150)
    assert last["epoch"] == 151
    assert last["loss"] < first["loss"]
    assert last["accuracy"] > 0.95
    fresh, truth = _points(400, seed=1)
    found = memoryview(room.predict(fresh, 400)).cast("f")
    right = sum((found[2 * i + 1] > found[2 * i]) == bool(label) for i, label in enumerate(truth))
    assert right / 400 > 0.85
    assert found[0] + found[1] == pytest.approx(1)


def test_what_is_exported_answers_as_the_page_did() -> None:
    """The TF.js files, loaded again, give the same probabilities and carry the labels."""
    room = Classroom(2, [8], SIDES)
    inputs, labels = _points(40)
    room.fit(inputs, labels, 20)
    told = memoryview(room.predict(inputs, 40)).cast("f").tolist()
    again = load_model(room.files())
    rows = [[inputs[2 * i], inputs[2 * i + 1]] for i in range(40)]
    assert again.metadata["labels"] == SIDES
    assert list(again.predict(rows).flat) == pytest.approx(told, abs=1e-6)


@pytest.mark.parametrize(
    ("inputs", "hidden", "labels"), [(2, [4], ["one"]), (2, [0], SIDES), (0, [4], SIDES), (2, [10**6], SIDES)]
)
def test_nets_that_cannot_be_are_refused(inputs: int, hidden: list[int], labels: list[str]) -> None:
    """One class, no units or a million: a problem with its code, not a crash."""
    assert browser.class_open("bad", inputs, hidden, labels, {})["problem"]["code"] == "E_VALUE"


def test_lessons_that_cannot_be_are_refused() -> None:
    """No examples, a class too many, half an input, a net that nobody opened."""
    browser.class_open("room", 2, [4], SIDES, {})
    codes = [
        browser.class_fit("room", b"", [], 1)["problem"]["code"],
        browser.class_fit("room", array("f", [0, 0]), [2], 1)["problem"]["code"],
        browser.class_fit("room", array("f", [0]), [1], 1)["problem"]["code"],
        browser.class_predict("nobody", b"", 0)["problem"]["code"],
    ]
    assert codes == ["E_TRAINING", "E_VALUE", "E_SHAPE", "E_NOT_FOUND"]
