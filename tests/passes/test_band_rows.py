"""Bands of rows give the same bits in less memory, wherever windows, strides and padding put their edges."""

from __future__ import annotations

import numpy as np
import pytest

from py_edge.graph import Builder, Graph
from py_edge.kernels.load import library
from py_edge.passes import INFERENCE, optimize
from py_edge.passes.band_rows import band_rows
from py_edge.plan import Run, compile_graph
from py_edge.tensor import Tensor

RNG = np.random.default_rng(11)
HEIGHT, WIDTH, NARROW, WIDE = 121, 59, 8, 96
BYTES = 4 * HEIGHT * WIDTH * WIDE

Pad = tuple[int, int]


def normal(*shape: int) -> Tensor:
    return Tensor.of(RNG.standard_normal(shape, np.float32) / 4)


def block(
    kernel: int | tuple[int, int] = 3,
    stride: int = 1,
    dilation: int = 1,
    pad: Pad = (1, 1),
    residual: bool = False,
    batch: int = 1,
) -> Graph:
    """Expand, depthwise, project, each with a bias; the first two with relu6."""
    b, window = Builder(), kernel if isinstance(kernel, tuple) else (kernel, kernel)
    x = b.input("x", (batch, HEIGHT, WIDTH, NARROW))
    wide = b.op("conv2d", x, b.constant(normal(1, 1, NARROW, WIDE)))
    wide = b.op("relu6", b.op("add", wide, b.constant(normal(WIDE))))
    seen = b.op(
        "depthwise_conv2d", wide, b.constant(normal(*window, WIDE, 1)),
        strides=(stride, stride), dilations=(dilation, dilation), padding=(pad, pad),
    )  # fmt: skip
    seen = b.op("relu6", b.op("add", seen, b.constant(normal(WIDE))))
    y = b.op("conv2d", seen, b.constant(normal(1, 1, WIDE, NARROW)))
    y = b.op("add", y, b.constant(normal(NARROW)))
    b.output("y", b.op("add", y, x) if residual else y)
    return b.graph


def fused(graph: Graph) -> tuple[Graph, Graph]:
    """Without bands and with them."""
    passes = [each for each in INFERENCE if each is not band_rows]
    whole = optimize(graph, lambda constants: {}, passes)
    return whole, optimize(whole, lambda constants: {}, [band_rows])


def ops(graph: Graph) -> list[str]:
    return [node.op for node in graph.nodes]


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation", "pad", "residual"),
    [
        (3, 1, 1, (1, 1), False), (3, 1, 1, (1, 1), True), (3, 2, 1, (0, 1), False), (3, 2, 1, (1, 0), False),
        (5, 1, 1, (2, 2), True), (5, 2, 1, (1, 2), False), (3, 1, 2, (2, 2), True), (3, 1, 1, (0, 0), False),
        (3, 3, 1, (0, 2), False), (1, 1, 1, (0, 0), True), (5, 1, 3, (6, 6), True), ((3, 1), 1, 1, (1, 1), False), ((1, 3), 1, 1, (0, 0), False),
    ],
)  # fmt: skip
def test_the_same_bits_in_less_memory(
    kernel: int | tuple[int, int], stride: int, dilation: int, pad: Pad, residual: bool
) -> None:
    """Every output bit is that of the block in one go, and the arena holds no wide tensor."""
    whole, bands = fused(block(kernel, stride, dilation, pad, residual))
    assert ops(bands).count("depthwise_conv2d") > 1
    assert ops(bands)[-1] == "concat"
    x = RNG.standard_normal((1, HEIGHT, WIDTH, NARROW), np.float32)
    plans = [compile_graph(graph, library().panel) for graph in (whole, bands)]
    results = [Run(plan, library())({"x": x})["y"].tolist() for plan in plans]
    assert results[0] == results[1]
    assert plans[0].arena_bytes > BYTES > plans[1].arena_bytes


def test_two_threads_share_the_bands() -> None:
    """Two threads give what one gives."""
    _, bands = fused(block(residual=True))
    plan = compile_graph(bands, library().panel)
    x = RNG.standard_normal((1, HEIGHT, WIDTH, NARROW), np.float32)
    assert Run(plan, library(), 2)({"x": x})["y"].tolist() == Run(plan, library())({"x": x})["y"].tolist()


@pytest.mark.parametrize("reason", ["several images", "padding alone", "read by others", "small"])
def test_elsewhere_blocks_stay_whole(reason: str) -> None:
    """No bands for several images, a window that sees padding alone, a wide tensor that others read, or one that fits."""
    graph = block(
        batch=2 if reason == "several images" else 1, pad=(3, 0) if reason == "padding alone" else (1, 1)
    )
    if reason == "read by others":
        graph.outputs["wide"] = next(n for n in graph.nodes if n.op == "depthwise_conv2d").inputs[0]
    if reason == "small":
        b = Builder()
        x = b.input("x", (1, 8, 8, 8))
        wide = b.op("conv2d", x, b.constant(normal(1, 1, 8, 16)))
        seen = b.op("depthwise_conv2d", wide, b.constant(normal(3, 3, 16, 1)), padding=((1, 1), (1, 1)))
        b.output("y", b.op("conv2d", seen, b.constant(normal(1, 1, 16, 8))))
        graph = b.graph
    _, bands = fused(graph)
    assert ops(bands).count("depthwise_conv2d") == 1
