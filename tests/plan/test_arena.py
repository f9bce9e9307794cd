"""Slots that are alive together never share bytes, and the arena is close to the least there can be."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from py_edge.graph import Builder
from py_edge.kernels.load import library
from py_edge.model import compile_optimized
from py_edge.plan.arena import Slot, align, assign, largest_live_bytes
from py_edge.tensor import Tensor

LIVES = st.lists(st.tuples(st.integers(1, 5000), st.integers(0, 30), st.integers(0, 12)), max_size=40)


@given(LIVES)
def test_living_slots_do_not_overlap(lives: list[tuple[int, int, int]]) -> None:
    """Two slots whose lives meet have disjoint bytes, all inside the arena."""
    slots = [Slot(size, first, first + more) for size, first, more in lives]

    total = assign(slots)

    for i, a in enumerate(slots):
        assert 0 <= a.offset <= total - align(a.size_bytes)
        for b in slots[:i]:
            meet = a.first <= b.last and b.first <= a.last
            apart = a.offset + a.size_bytes <= b.offset or b.offset + b.size_bytes <= a.offset
            assert apart or not meet


@given(LIVES)
def test_no_arena_is_smaller_than_what_lives_at_once(lives: list[tuple[int, int, int]]) -> None:
    """The largest live set is a lower bound of the arena."""
    slots = [Slot(size, first, first + more) for size, first, more in lives]

    assert assign(slots) >= largest_live_bytes(slots)


def test_a_chain_needs_two_buffers() -> None:
    """A chain of equal values that each live for two steps fits in two of them."""
    slots = [Slot(640, time, time + 1) for time in range(20)]

    assert assign(slots) == 1280


def _inverted_residuals(b: Builder, size: int, widths: list[int]) -> int:
    """Expand, depthwise, project, add: MobileNetV2."""
    x = b.input("x", (1, size, size, widths[0]))
    for before, after in pairwise(widths):
        wide = b.op("relu6", _conv(b, x, 1, before, 6 * before))
        taps = b.constant(Tensor.zeros((3, 3, 6 * before, 1)))
        deep = b.op("relu6", b.op("depthwise_conv2d", wide, taps, padding=((1, 1), (1, 1))))
        y = _conv(b, deep, 1, 6 * before, after)
        x = b.op("add", x, y) if before == after else y
    return x


def _bottlenecks(b: Builder, size: int, widths: list[int]) -> int:
    """1 x 1, 3 x 3, 1 x 1 with a projected shortcut: ResNet."""
    x = b.input("x", (1, size, size, widths[0]))
    for before, after in pairwise(widths):
        y = b.op("relu", _conv(b, x, 1, before, after // 4))
        y = b.op("relu", _conv(b, y, 3, after // 4, after // 4))
        y = _conv(b, y, 1, after // 4, after)
        x = b.op("relu", b.op("add", y, x if before == after else _conv(b, x, 1, before, after)))
    return x


def _attention(b: Builder, size: int, widths: list[int]) -> int:
    """Query, key, value, softmax, two products: a transformer's encoder."""
    x = b.input("x", (size, widths[0]))
    for width in widths:
        q, k, v = (b.op("matmul", x, b.constant(Tensor.zeros((width, width)))) for _ in range(3))
        mixed = b.op("matmul", b.op("softmax", b.op("matmul", q, k, transpose_b=True)), v)
        x = b.op("add", x, mixed)
        wide = b.op("gelu", b.op("matmul", x, b.constant(Tensor.zeros((width, 4 * width)))))
        x = b.op("add", x, b.op("matmul", wide, b.constant(Tensor.zeros((4 * width, width)))))
    return x


def _conv(b: Builder, x: int, kernel: int, channels: int, out: int) -> int:
    weights = b.constant(Tensor.zeros((kernel, kernel, channels, out)))
    edge = kernel // 2
    return b.op("conv2d", x, weights, padding=((edge, edge), (edge, edge)))


@pytest.mark.parametrize(
    ("net", "size", "widths"),
    [
        (_inverted_residuals, 28, [16, 24, 24, 24, 32, 32, 64, 64]),
        (_bottlenecks, 28, [32, 64, 64, 64, 128, 128]),
        (_attention, 64, [128, 128, 128]),
    ],
)
def test_the_arena_of_a_net_is_near_its_largest_live_set(
    net: Callable[[Builder, int, list[int]], int], size: int, widths: list[int]
) -> None:
    """Nets like those of the benchmark take at most 1.3 times the least memory that there can be."""
    b = Builder()
    b.output("y", net(b, size, widths))
    plan = compile_optimized(b.graph, library())
    assert 0 < plan.live_bytes <= plan.arena_bytes <= 1.3 * plan.live_bytes
