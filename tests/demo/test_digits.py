"""The story's data."""

from __future__ import annotations

import numpy as np
import pytest

from py_edge.demo.digits import SHAPE, Part, draw_round, load_splits, move


@pytest.mark.parametrize("seed", [0, 1])
def test_parts_share_no_image_and_lose_none(seed: int) -> None:
    """Gold, lessons, stream and held together are the 1,797 images, each once."""
    splits = load_splits(seed)
    parts = [splits.gold, splits.lessons, splits.stream, splits.held]
    assert sum(map(len, parts)) == 1797
    rows = np.concatenate([part.images.reshape(len(part), -1) for part in parts])
    assert len(np.unique(rows, axis=0)) == len(np.unique(np.round(rows * 16), axis=0)) == 1797
    assert all(part.images.shape[1:] == SHAPE and part.images.dtype == np.float32 for part in parts)


def test_the_seed_decides() -> None:
    """The same seed gives the same parts, another seed others."""
    first, again, other = load_splits(3), load_splits(3), load_splits(4)
    assert np.array_equal(first.held.images, again.held.images)
    assert not np.array_equal(first.held.images, other.held.images)


def test_moving_shifts_by_one_pixel_or_not_at_all() -> None:
    """At share 1 all ink moves by one pixel and what leaves is lost; at share 0 nothing changes."""
    image = np.zeros((40, 8, 8, 1), np.float32)
    image[:, 3, 4] = 1
    rng = np.random.default_rng(0)
    moved = move(image, rng, 1.0)
    places = {tuple(np.argwhere(one[..., 0])[0]) for one in moved}
    assert places == {(3, 3), (3, 5)}
    assert np.array_equal(move(image, rng, 0.0), image)
    corner = np.zeros((40, 8, 8, 1), np.float32)
    corner[:, 0, 0] = 1
    assert {float(one.sum()) for one in move(corner, rng, 1.0)} == {0.0, 1.0}


def test_rounds_stay_images() -> None:
    """A round has as many images as asked for, in [0, 1], with the labels of what was drawn."""
    stream = load_splits(0).stream
    drawn = draw_round(stream, 100, np.random.default_rng(1))
    assert isinstance(drawn, Part)
    assert len(drawn) == 100
    assert drawn.images.min() >= 0
    assert drawn.images.max() <= 1
    assert len(np.unique(drawn.images.reshape(100, -1), axis=0)) == 100
