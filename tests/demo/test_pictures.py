"""Pictures on the wire."""

from __future__ import annotations

import numpy as np
import pytest

from py_edge.demo.digits import SHAPE, load_splits
from py_edge.demo.pictures import from_examples, from_wire, memory_file, to_examples, to_wire
from py_edge.errors import ShapeError


def test_pictures_come_back_bit_for_bit() -> None:
    """Out and home again changes no bit of a picture and no label."""
    gold = load_splits(0).gold
    back = from_examples(to_examples(gold, "device"))
    assert np.array_equal(back.images, gold.images)
    assert np.array_equal(back.labels, gold.labels)


def test_nothing_is_a_part_too() -> None:
    """No examples give an empty part of the right shape."""
    assert from_examples([]).images.shape == (0, *SHAPE)


def test_other_tensors_are_refused() -> None:
    """A picture of another size is not reshaped into one of ours."""
    with pytest.raises(ShapeError):
        from_wire(to_wire(np.zeros((7, 8, 1), np.float32)))


def test_memory_file_holds_both_parts() -> None:
    """The memory of a release names inputs and labels, and the same for calibration."""
    splits = load_splits(0)
    memory = memory_file(splits.lessons[:40], splits.gold)
    assert memory["inputs"]["shape"] == [40, 8, 8, 1]
    assert len(memory["labels"]) == 40
    assert memory["calibration"]["inputs"]["shape"] == [200, 8, 8, 1]
