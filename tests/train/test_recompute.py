"""Cheap tensors are computed again on the way back: the same bits in less memory."""

from __future__ import annotations

import random

from py_edge.graph import Builder, Graph
from py_edge.graph.check import check
from py_edge.kernels.load import library
from py_edge.passes.pipeline import INFERENCE, optimize
from py_edge.plan import Plan, Run, compile_graph, evaluate
from py_edge.tensor import Tensor, count
from py_edge.train import start as starting
from py_edge.train.gradients import gradients
from py_edge.train.recompute import recompute


def noise(shape: tuple[int, ...], seed: int) -> Tensor:
    rng = random.Random(seed)
    return Tensor.from_flat([rng.uniform(-1, 1) for _ in range(count(shape))], shape)


def step_graph(layers: int = 6) -> Graph:
    """Padded 3 x 3 convolutions, each normalised over the batch with relu6 behind, and one SGD step of all weights."""
    b = Builder()
    value = b.input("x", (4, 16, 16, 16))
    weights = []
    for i in range(layers):
        parts = [("kernel", (3, 3, 16, 16)), ("gamma", (16,)), ("beta", (16,))]
        kernel, gamma, beta = (b.variable(f"{name}{i}", noise(shape, i)) for name, shape in parts)
        weights += [kernel, gamma, beta]
        padded = b.op("pad", value, paddings=((0, 0), (1, 1), (1, 1), (0, 0)))
        y = b.op("conv2d", padded, kernel)
        centred = b.sub(y, b.reduce(y, kind="mean", axes=(0, 1, 2), keepdims=True))
        variance = b.reduce(b.square(centred), kind="mean", axes=(0, 1, 2), keepdims=True)
        value = b.relu6(b.add(b.mul(b.mul(centred, b.rsqrt(b.add(variance, 1e-3))), gamma), beta))
    loss = b.reduce(b.square(value), kind="mean", axes=(0, 1, 2, 3), keepdims=False)
    b.output("loss", loss)
    for weight, gradient in gradients(b, loss, weights).items():
        b.graph.updates[weight] = b.sub(weight, b.mul(gradient, 0.1))
    return b.graph


def plan_of(graph: Graph, passes: tuple[object, ...]) -> Plan:
    kernels = library()
    optimized = optimize(graph, lambda part: evaluate(part, kernels), passes)  # type: ignore[arg-type]
    return compile_graph(optimized, kernels.panel)


def after_steps(plan: Plan) -> dict[str, bytes]:
    run = Run(plan, library())
    for turn in range(3):
        run.load({"x": noise((4, 16, 16, 16), 100 + turn)})
        run.execute()
    return {name: run.variable_view(name).tobytes() for name in run.variables} | {
        "loss": run.output_view("loss").tobytes()
    }


def test_a_step_has_the_same_bits_in_less_memory() -> None:
    """Three steps with and without the pass end in equal weights; the arena is at most two thirds."""
    graph = step_graph()
    kept, again = plan_of(graph, INFERENCE), plan_of(graph, starting.PASSES)
    assert after_steps(again) == after_steps(kept)
    assert again.arena_bytes < kept.arena_bytes * 2 / 3


def test_what_needs_a_tensor_that_is_gone_is_kept() -> None:
    """A copy never makes one of its inputs live longer: with no reader of the input left, the output is kept."""
    b = Builder()
    x = b.input("x", (256, 128))
    weight = b.variable("w", noise((256, 128), 1))
    cheap = early = b.relu(b.matmul(x, b.constant(noise((128, 128), 2))))
    for _ in range(30):
        early = b.op("tanh", early)
    b.output("y", early)
    b.graph.updates[weight] = b.add(weight, cheap)
    assert recompute(b.graph, None).nodes == b.graph.nodes


def test_a_node_that_is_only_read_far_away_moves_there() -> None:
    """The padding of an input for a filter gradient is made where it is read, not before."""
    b = Builder()
    x = b.input("x", (256, 128))
    weight = b.variable("w", noise((257, 128), 1))
    moved = b.op("pad", x, paddings=((0, 1), (0, 0)))
    value = x
    for _ in range(30):
        value = b.op("tanh", value)
    b.output("y", b.mul(x, value))
    b.graph.updates[weight] = b.add(weight, moved)
    assert recompute(b.graph, None).nodes == b.graph.nodes, "x would have to live longer"
    b.output("later", b.add(x, 1.0))
    ops = [node.op for node in check(recompute(b.graph, None), "recompute").nodes]
    assert ops.index("pad") == len(ops) - 3
