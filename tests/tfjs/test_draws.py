"""Random ops: a model file's seed decides every number. That they are distributed as TensorFlow's is test_ops.py's."""

from __future__ import annotations

import pytest

from tests.tfjs.draws import DRAWN, draws


def test_every_random_op_is_here() -> None:
    """The five random ops of the converter's list."""
    assert DRAWN == [
        "Multinomial",
        "RandomStandardNormal",
        "RandomUniform",
        "RandomUniformInt",
        "TruncatedNormal",
    ]


@pytest.mark.parametrize("name", DRAWN)
def test_same_seed_same_numbers(name: str) -> None:
    """Loaded twice, the same numbers run for run; within one, each run draws anew; another seed, other numbers."""
    first = draws(name)
    assert draws(name) == first
    assert first[0] != first[1]
    assert set(draws(name, seed=77)).isdisjoint(first)
