"""scikit-learn's digits as the story needs them: 13 blocks of writers, six known, seven never seen before.

N: images; an image is (8, 8, 1) float32 in [0, 1]. The order of the data set keeps writers together, so contiguous
blocks are a natural regional shift (scikit-learn's own cross-validation tests rely on that).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits  # type: ignore[import-untyped]

BLOCKS, KNOWN = 13, 6
SHAPE = (8, 8, 1)
LABELS = tuple("0123456789")
MOVED_SHARE = 0.2  # of the stream: images moved by one pixel
NOISE = 0.5 / 16  # of the stream: standard deviation, the ink being 0 to 16

Images = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """images (N, 8, 8, 1) with their labels (N,)."""

    images: Images
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: slice | NDArray[np.intp]) -> Part:
        return Part(self.images[rows], self.labels[rows])


@dataclass(frozen=True)
class Splits:
    """gold and lessons: the known writers, gold never trained on; stream and held: the unseen writers, held never
    asked about. The parts share no image."""

    gold: Part
    lessons: Part
    stream: Part
    held: Part


def load_splits(seed: int, gold: int = 200, held_share: float = 0.35) -> Splits:
    """Which writers are known, and which images are held back, both drawn from the seed."""
    data = load_digits()
    images = (data.images[..., None] / 16).astype(np.float32)
    whole = Part(images, data.target.astype(np.int64))
    rng = np.random.default_rng(seed)
    blocks = np.array_split(np.arange(len(whole)), BLOCKS)
    order = rng.permutation(BLOCKS)
    known = rng.permutation(np.concatenate([blocks[block] for block in order[:KNOWN]]))
    unseen = rng.permutation(np.concatenate([blocks[block] for block in order[KNOWN:]]))
    cut = int(held_share * len(unseen))
    return Splits(whole[known[:gold]], whole[known[gold:]], whole[unseen[cut:]], whole[unseen[:cut]])


def move(images: Images, rng: np.random.Generator, share: float) -> Images:
    """Each image moves one pixel left or right with probability `share`; ink that leaves is lost.

    Never up or down: the digits fill all eight rows.
    """
    moved = images.copy()
    ways = np.where(rng.random(len(images)) < share, rng.choice((-1, 1), len(images)), 0)
    moved[ways == 1, :, 1:], moved[ways == 1, :, 0] = images[ways == 1, :, :-1], 0
    moved[ways == -1, :, :-1], moved[ways == -1, :, -1] = images[ways == -1, :, 1:], 0
    return moved


def draw_round(stream: Part, count: int, rng: np.random.Generator) -> Part:
    """One round of the stream: drawn with repetition, moved a little, with noise; no two alike."""
    drawn = stream[rng.integers(0, len(stream), count)]
    moved = move(drawn.images, rng, MOVED_SHARE)
    noisy = moved + rng.normal(0, NOISE, moved.shape)
    return Part(np.clip(noisy, 0, 1).astype(np.float32), drawn.labels)
