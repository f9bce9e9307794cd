"""Steps of a plan, read back from its code."""

from __future__ import annotations

import numpy as np
import pytest

from py_edge.bench.plans import WASM_PANEL, product_macs, product_plan
from py_edge.bench.steps import steps_of
from py_edge.bench.suite import PRODUCTS
from py_edge.graph import Builder
from py_edge.kernels.load import library
from py_edge.plan import Run, compile_graph
from py_edge.plan.abi import KERNEL


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_are_what_they_say(name: str) -> None:
    """A product's plan has one step, with the arithmetic that its name promises."""
    steps = steps_of(product_plan(PRODUCTS[name], WASM_PANEL))
    assert sum(step.macs for step in steps) == product_macs(PRODUCTS[name])
    assert len(steps) == 1


def test_steps_cover_the_run() -> None:
    """The steps lie one behind the other over the whole run, and running them one by one gives the plan's result."""
    b = Builder()
    x = b.input("x", (4, 8))
    w = b.constant(np.linspace(-1, 1, 24, dtype=np.float32).reshape(8, 3))
    b.output("y", b.softmax(b.tanh(b.matmul(x, w))))
    plan = compile_graph(b.graph, library().panel)
    steps = steps_of(plan)
    assert steps[0].begin == plan.run[0]
    assert steps[-1].end == plan.run[1]
    assert [step.end for step in steps[:-1]] == [step.begin for step in steps[1:]]
    assert {step.kernel for step in steps} <= set(KERNEL)

    values = {"x": np.ones((4, 8), np.float32)}
    whole, parts = Run(plan, library()), Run(plan, library())
    want = whole(values)["y"]
    parts.load(values)
    for step in steps:
        parts.execute((step.begin, step.end))
    assert np.array_equal(np.asarray(parts.output("y")), np.asarray(want))
