"""The rehearsal memory: balanced, small, exact on coarse inputs, whole after a restart."""

from __future__ import annotations

import random

import pytest

from py_edge.errors import IntegrityError, ShapeError, ValueRangeError
from py_edge.tensor import Tensor
from py_edge.train.rehearsal import Reservoir
from tests.train.experiments.forgetting import MEMORY, MOST_BYTES


def digit(seed: int) -> Tensor:
    rng = random.Random(seed)
    return Tensor.from_flat([rng.randrange(17) / 16 for _ in range(64)], (64,))


def filled(n: int = 500, capacity: int = 90, bits: int = 8) -> Reservoir:
    """A stream of which nine in ten are class 0."""
    memory, rng = Reservoir(capacity, seed=3, bits=bits), random.Random(4)
    for i in range(n):
        label = 0 if rng.random() < 0.9 else rng.randrange(1, 4)
        memory.add([digit(i)], label, [0.5 * c for c in range(10)])
    return memory


def test_balanced_under_a_skewed_stream() -> None:
    """Rare classes must keep their items while a frequent one streams by."""
    counts = filled().counts()
    assert len(filled()) == 90
    assert min(counts[c] for c in (1, 2, 3)) >= 10
    assert counts[0] <= 60


def test_ninety_digits_take_less_than_eight_kilobytes() -> None:
    """90 images of 64 pixels with ten logits in 8,192 bytes; with 4 bits as many as the forgetting experiment keeps."""
    assert filled().nbytes <= MOST_BYTES == 8192
    coarse = filled(n=1000, capacity=MEMORY, bits=4)
    assert len(coarse) == MEMORY
    assert coarse.nbytes <= MOST_BYTES


@pytest.mark.parametrize("bits", [8, 4])
def test_items_come_back(bits: int) -> None:
    """Inputs within half a step of 255 (15), logits of the classes that were known, the mask of the others."""
    memory = Reservoir(4, bits=bits)
    memory.add([digit(1)], 2, [1.0, 9.0, -3.0])
    memory.add([digit(2)], 0, [4.0, 9.0, -1.0])
    (x,) = memory.tensors()
    assert (
        max(abs(a - b) for a, b in zip(x.flat[:64], digit(1).flat, strict=True)) <= 0.5 / (2**bits - 1) + 1e-6
    )
    logits, known = memory.logits(3)
    assert known.tolist() == [[0, 0, 1], [1, 0, 1]]
    assert logits.flat[2] == pytest.approx(-3.0, abs=0.01)
    assert (logits.flat[3], logits.flat[5]) == (pytest.approx(4.0, abs=0.05), pytest.approx(-1.0, abs=0.05))


@pytest.mark.parametrize("bits", [8, 4])
def test_an_odd_number_of_values_comes_back(bits: int) -> None:
    """Half-full bytes at the end must not show, neither in inputs nor in logits, nor after a restore."""
    memory = Reservoir(4, bits=bits)
    memory.add([Tensor.from_flat([0.0, 0.5, 1.0], (3,))], 0, [2.0])
    memory.add([Tensor.from_flat([1.0, 0.0, 1.0], (3,))], 1, [2.0, 3.0])
    for each in (memory, Reservoir.restore(memory.state())):
        assert each.tensors()[0].flat.tolist() == pytest.approx([0, 0.5, 1, 1, 0, 1], abs=0.04)
        assert each.logits(2)[0].flat.tolist() == pytest.approx([2, 0, 2, 3], abs=0.04)


@pytest.mark.parametrize("bits", [8, 4])
def test_restored_goes_on_like_the_first(bits: int) -> None:
    """State and restore must keep items and randomness: the same stream then leaves the same memory."""
    first = filled(200, bits=bits)
    second = Reservoir.restore(first.state())
    for memory in (first, second):
        for i in range(200, 400):
            memory.add([digit(i)], i % 5)
    assert first.state() == second.state()


def test_bad_input_is_refused() -> None:
    """Other shapes, numbers that are none and foreign bytes must be errors."""
    memory = Reservoir(4)
    memory.add([digit(1)], 0)
    with pytest.raises(ShapeError):
        memory.add([Tensor.zeros((3,))], 0)
    with pytest.raises(ValueRangeError):
        memory.add([Tensor.from_flat([float("nan")] * 64, (64,))], 0)
    with pytest.raises(ValueRangeError):
        Reservoir(4, bits=5)
    for bad in (b"", b"{}", first_item_cut(), memory.state().replace(b'"bits": 8', b'"bits": 5')):
        with pytest.raises(IntegrityError):
            Reservoir.restore(bad)


def first_item_cut() -> bytes:
    memory = Reservoir(2)
    memory.add([digit(1)], 0)
    return memory.state().replace(b'"shapes": [[64]]', b'"shapes": [[65]]')
