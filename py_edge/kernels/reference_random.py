"""The slow truth of random numbers: a counter and a seed say every one of them; numpy."""

from __future__ import annotations

import math

import numpy as np

from py_edge.kernels.reference_elementwise import Array, Attrs


def squares(counter: int, seed: int, n: int) -> Array:
    """n uint32: Widynski 2020, Squares: A Fast Counter-Based RNG; the key is splitmix64 of the seed, made odd."""
    mask = (1 << 64) - 1
    key = ((seed & 0xFFFFFFFF) + 0x9E3779B97F4A7C15) & mask
    key = ((key ^ (key >> 30)) * 0xBF58476D1CE4E5B9) & mask
    key = ((key ^ (key >> 27)) * 0x94D049BB133111EB) & mask
    odd = np.uint64((key ^ (key >> 31)) | 1)
    with np.errstate(over="ignore"):
        x = (np.uint64((counter & 0xFFFFFFFF) << 32) + np.arange(n, dtype=np.uint64)) * odd
        y, z, half = x, x + odd, np.uint64(32)
        for step in (y, z, y):
            x = x * x + step
            x = (x >> half) | (x << half)
        return np.asarray(((x * x + z) >> half).astype(np.uint32))


def random(counter: Array, attrs: Attrs) -> Array:
    """attrs shape, kind uniform|normal|bernoulli, seed, alpha (chance of 1); draws 2i and 2i + 1 make element i."""
    shape = tuple(attrs["shape"])
    bits = squares(int(counter), int(attrs.get("seed", 0)), 2 * math.prod(shape))
    uniform = (bits >> np.uint32(8)).astype(np.float64) * 2.0**-24
    first, second = uniform[0::2].reshape(shape), uniform[1::2].reshape(shape)
    if attrs["kind"] == "normal":
        return np.asarray(np.sqrt(-2 * np.log(1 - first)) * np.cos(2 * np.pi * second))
    return first if attrs["kind"] == "uniform" else (first < np.float32(attrs["alpha"])).astype(np.float64)
