"""What a course looks at after an epoch: whether the weights are still numbers."""

from __future__ import annotations

import struct

import pytest

from py_edge.train.course import all_finite

LARGEST = struct.unpack("<f", struct.pack("<I", 0x7F7FFFFF))[0]
HUGE = [2.0**127, -(2.0**127), LARGEST, -LARGEST]


def floats(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


@pytest.mark.parametrize("bad", [float("inf"), float("-inf"), float("nan"), -float("nan")])
@pytest.mark.parametrize("at", [0, 1, 4])
def test_one_weight_that_is_no_number_is_found(bad: float, at: int) -> None:
    """An infinite weight or a NaN counts wherever it stands, between ordinary and between huge weights."""
    for others in ([0.5, -1.0, 0.0, 1e-40], HUGE):
        assert not all_finite(floats(*others[:at], bad, *others[at:]))


def test_huge_weights_are_numbers() -> None:
    """Every finite float32 passes, also those that share their highest byte with infinity."""
    assert all_finite(floats(*HUGE, *[LARGEST] * 9, 0.0, -0.0, 1e-45))
    assert all_finite(floats(0.5, -1.0, 2.0**126, -(2.0**126)))


def test_bytes_within_a_float_do_not_count() -> None:
    """7f and ff in the lower three bytes are digits of an ordinary weight."""
    assert all_finite(bytes.fromhex("ffff7f3f7f7f7f00"))
