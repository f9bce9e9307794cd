"""A compiled graph computes what the slow truth computes, whatever the graph looks like."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from py_edge.errors import UnsupportedError
from py_edge.graph import Builder, Graph, Spec
from py_edge.kernels import reference
from py_edge.kernels.load import library
from py_edge.passes import INFERENCE, PLAIN, optimize
from py_edge.plan import Plan, Run, abi, compile_graph, evaluate
from py_edge.tensor import Tensor

Draw = st.DataObject
UNARY = ["neg", "abs", "relu", "relu6", "sigmoid", "tanh", "square", "softplus"]
BINARY = ["add", "sub", "mul", "maximum", "minimum", "squared_difference"]


def grow(data: Draw) -> tuple[Graph, dict[str, np.ndarray[Any, Any]]]:
    """A random graph of a few ops over two small inputs, and values for them."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    b = Builder()
    rows, columns = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 40))
    inputs = {name: rng.uniform(-2, 2, (rows, columns)).astype(np.float32) for name in ("x", "y")}
    values = [b.input(name, value.shape) for name, value in inputs.items()]
    for _ in range(data.draw(st.integers(1, 12))):
        values.append(_one_op(b, data, rng, values))
    for index, value in enumerate(values[-2:]):
        b.output(f"out{index}", value)
    return b.graph, inputs


def _one_op(b: Builder, data: Draw, rng: np.random.Generator, values: list[int]) -> int:
    x = data.draw(st.sampled_from(values))
    rows, columns = b.shape(x)
    kind = data.draw(
        st.sampled_from(
            ["unary", "binary", "dense", "reshape", "slice", "part", "concat", "reduce", "transpose", "pad"]
        )
    )
    if kind == "unary":
        return b.op(data.draw(st.sampled_from(UNARY)), x)
    if kind == "binary":
        same = [value for value in values if b.shape(value) == b.shape(x)]
        other = data.draw(
            st.sampled_from([*same, b.scalar(0.5), b.constant(rng.normal(size=columns).astype(np.float32))])
        )
        return b.op(data.draw(st.sampled_from(BINARY)), x, other)
    if kind == "dense":
        w = b.variable(f"w{len(b.graph.specs)}", Tensor.of(rng.normal(size=(columns, 7)).astype(np.float32)))
        return b.matmul(x, w)
    if kind == "reshape":
        return b.reshape(x, shape=(rows * columns, 1))
    if kind == "slice":
        return b.op("slice", x, begin=(rows - 1, 0), size=(rows, (columns + 1) // 2), strides=(-1, 2))
    if kind == "part":
        begin = (rows // 2, 0) if rows > 1 else (0, columns // 8 * 4)
        return b.op("slice", x, begin=begin, size=(rows - begin[0], columns - begin[1]))
    if kind == "concat":
        return b.concat(x, x, axis=1)
    if kind == "reduce":
        return b.reduce(x, kind="mean", axes=(0,), keepdims=True)
    if kind == "transpose":
        return b.transpose(x, perm=(1, 0))
    return b.pad(x, paddings=((1, 0), (0, 2)), value=0.25)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_plan_agrees_with_the_slow_truth(data: Draw) -> None:
    """Lifetimes, in-place writes, aliases and packing never change a result."""
    graph, inputs = grow(data)

    got = evaluate(graph, library(), inputs)

    for name, want in reference.evaluate(graph, inputs).items():
        np.testing.assert_allclose(np.asarray(got[name]), want, rtol=2e-5, atol=2e-5)


def test_an_unbroken_slice_is_read_where_it_lies() -> None:
    """The halves of a vector cost no copy, also when the sum could be written over what they are part of."""
    b = Builder()
    both = b.op("neg", b.input("x", (1, 16)))
    low, high = (b.op("slice", both, begin=(0, at), size=(1, 8)) for at in (0, 8))
    b.output("y", b.add(b.op("square", low), high))
    b.output("low", low)
    value = np.arange(16, dtype=np.float32).reshape(1, 16)

    plan = compile_graph(b.graph, library().panel)
    got = Run(plan, library())({"x": value})

    assert kernels_of(plan) == ["elementwise", "elementwise", "elementwise", "copy"]
    assert got["y"].tolist() == (np.square(-value[:, :8]) - value[:, 8:]).tolist()
    assert got["low"].tolist() == (-value[:, :8]).tolist()


def test_a_wide_convolution_is_winograds_unless_switched_off() -> None:
    """Both ways give the slow truth; only the passes with Winograd use it, and only for wide 3 x 3 of stride 1."""
    rng = np.random.default_rng(3)
    b = Builder()
    x, padding = b.input("x", (2, 7, 9, 64)), ((1, 1), (1, 1))
    for stride, o in ((1, 80), (2, 64), (1, 16)):
        filters = b.constant(Tensor.of(rng.normal(size=(3, 3, b.shape(x)[3], o)).astype(np.float32)))
        x = b.relu(b.op("conv2d", x, filters, strides=(stride, stride), padding=padding))
    b.output("y", x)
    value = rng.normal(size=(2, 7, 9, 64)).astype(np.float32)
    (want,) = reference.evaluate(b.graph, {"x": value}).values()
    for passes, first in ((INFERENCE, "conv2d_winograd"), (PLAIN, "conv2d")):
        plan = compile_graph(optimize(b.graph, lambda graph: {}, passes), library().panel)
        assert kernels_of(plan) == [first, "conv2d", "conv2d"]
        got = np.asarray(Run(plan, library())({"x": value})["y"])
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5 * float(np.max(want)))


def kernels_of(plan: Plan) -> list[str]:
    """The kernels of a run, in order."""
    code, names = memoryview(plan.code).cast("i"), {number: name for name, number in abi.KERNEL.items()}
    at, found = plan.run[0], list[str]()
    while at < plan.run[1]:
        found.append(names[code[at]])
        at += 2 + code[at + 1]
    return found


def test_plan_survives_its_bytes() -> None:
    """A plan read back from its bytes computes the same, twice in a row."""
    b = Builder()
    x = b.input("x", (3, 4))
    b.output(
        "y",
        b.relu(b.matmul(x, b.variable("w", Tensor.of(np.arange(20, dtype=np.float32).reshape(4, 5) - 9)))),
    )
    plan = compile_graph(b.graph, library().panel, meta={"labels": ["a"]})
    value = np.arange(12, dtype=np.float32).reshape(3, 4)

    again = Plan.from_bytes(plan.to_bytes())
    run = Run(again, library())

    assert again == plan
    assert run({"x": value})["y"].tolist() == run({"x": value})["y"].tolist()
    assert run({"x": value})["y"].tolist() == Run(plan, library())({"x": value})["y"].tolist()


def test_updates_replace_variables_after_the_run() -> None:
    """A variable read twice and updated holds the new value after the run, and the run itself saw the old one."""
    b = Builder()
    w = b.variable("w", Tensor.of([1.0, 2.0]))
    m = b.variable("m", Tensor.of([0.0, 0.0]))
    step = b.add(b.mul(m, 0.5), w)
    b.output("old", b.mul(w, 1.0))
    b.graph.updates = {m: step, w: b.sub(w, step)}
    run = Run(compile_graph(b.graph, library().panel), library())

    assert run({})["old"].tolist() == [1.0, 2.0]
    assert (run.variable("m").tolist(), run.variable("w").tolist()) == ([1.0, 2.0], [0.0, 0.0])
    assert run({})["old"].tolist() == [0.0, 0.0]
    assert run.variable("m").tolist() == [0.5, 1.0]


def test_a_variable_is_read_before_it_is_written_over() -> None:
    """A reader after the node that gives the new value still sees the old one."""
    b = Builder()
    w = b.variable("w", Tensor.of([1.0, 2.0]))
    b.graph.updates = {w: b.sub(w, 1.0)}
    b.output("old", b.mul(w, 10.0))
    run = Run(compile_graph(b.graph, library().panel), library())

    assert run({})["old"].tolist() == [10.0, 20.0]
    assert run.variable("w").tolist() == [0.0, 1.0]


def test_two_results_of_one_node_have_a_place_each() -> None:
    """A fused node with two results may write one of them over its dying input, not both."""
    b = Builder()
    x = b.op("neg", b.input("x", (4,)))
    code: Any = (("square", "float32", (0,), {}), ("abs", "float32", (0,), {}))
    square, size = b.ops("elementwise", x, code=code, results=(1, 2), outputs=(Spec((4,)), Spec((4,))))
    b.output("square", square)
    b.output("abs", size)

    got = evaluate(b.graph, library(), {"x": [1.0, -2.0, 3.0, -4.0]})

    assert got["square"].tolist() == [1.0, 4.0, 9.0, 16.0]
    assert got["abs"].tolist() == [1.0, 2.0, 3.0, 4.0]


def body(build: Any, *specs: tuple[str, tuple[int, ...], str]) -> Graph:
    """A loop body from a function of its inputs."""
    b = Builder()
    for name, value in build(b, *(b.input(*spec) for spec in specs)).items():
        b.output(name, value)
    return b.graph


def test_scan_carries_and_stacks() -> None:
    """A running sum by scan, with a carry that shifts into another, forwards and backwards."""
    f = (3,)
    step = body(lambda b, x, s, last: {"s": b.add(s, x), "last": s, "row": b.mul(s, 2.0)},
                ("x", f, "float32"), ("s", f, "float32"), ("last", f, "float32"))  # fmt: skip
    b = Builder()
    x, s, last = b.input("x", (4, 3)), b.input("s", f), b.input("last", f)
    for reverse in (False, True):
        outs = b.ops("scan", x, s, last, body=step, n_scan=1, n_carry=2, length=4, reverse=reverse)
        for name, value in zip(("s", "last", "rows"), outs, strict=True):
            b.output(f"{name}{reverse}", value)
    inputs = {"x": np.arange(12.0).reshape(4, 3), "s": np.ones(3), "last": np.zeros(3)}

    got = evaluate(b.graph, library(), inputs)

    for name, want in reference.evaluate(b.graph, inputs).items():
        assert np.asarray(got[name]).tolist() == want.tolist(), name


def test_a_carry_that_moves_into_another_overwrites_nothing() -> None:
    """The old value is kept apart from all rows that the body still computes after its last read."""
    f, rows = (64,), 4

    def build(b: Builder, x: int, s: int, last: int) -> dict[str, int]:
        grown = b.add(s, x)
        return {"s": grown, "last": s, **{f"row{i}": b.mul(x, float(i)) for i in range(rows)}}

    step = body(build, ("x", f, "float32"), ("s", f, "float32"), ("last", f, "float32"))
    b = Builder()
    x, s, last = b.input("x", (4, 64)), b.input("s", f), b.input("last", f)
    outs = b.ops("scan", x, s, last, body=step, n_scan=1, n_carry=2, length=4)
    for place, value in enumerate(outs):
        b.output(f"y{place}", value)
    inputs = {"x": np.arange(256.0).reshape(4, 64), "s": np.ones(64), "last": np.zeros(64)}

    got = evaluate(b.graph, library(), inputs)

    for name, want in reference.evaluate(b.graph, inputs).items():
        assert np.asarray(got[name]).tolist() == want.tolist(), name


def test_while_and_cond_run_their_bodies() -> None:
    """Doubling until over 100, then one of two branches."""
    scalar = ("v", (), "float32")
    limit = body(lambda b, v: {"go": b.less(v, 100.0)}, scalar)
    double = body(lambda b, v: {"v": b.mul(v, 2.0)}, scalar)
    plus = body(lambda b, v: {"v": b.add(v, 1.0)}, scalar)
    same = body(lambda b, v: {"v": v}, scalar)
    b = Builder()
    v = b.input("v", ())
    grown = b.op("while", v, cond=limit, body=double, n_carry=1)
    b.output("grown", grown)
    b.output("odd", b.op("cond", b.greater(grown, 150.0), grown, then_branch=plus, else_branch=same))

    results = [
        {k: t.tolist() for k, t in evaluate(b.graph, library(), {"v": start}).items()} for start in (3.0, 5.0)
    ]

    assert results == [{"grown": 192.0, "odd": 193.0}, {"grown": 160.0, "odd": 161.0}]
    assert evaluate(b.graph, library(), {"v": 13.0})["odd"].tolist() == 104.0


def test_a_host_step_is_refused_by_name() -> None:
    """A plan holds compiled steps only; what needs the host is told apart."""
    b = Builder()
    b.output("y", b.op("host", b.input("x", (2,)), function="unique", outputs=(Spec((2,)),)))

    with pytest.raises(UnsupportedError):
        compile_graph(b.graph, 8)


def test_loops_start_from_constants() -> None:
    """Carries that begin as constants, bodies that give back constants, and constant branch conditions have a home."""
    fixed = body(
        lambda b, x, s: {"s": b.constant([7.0]), "row": b.add(x, s)},
        ("x", (1,), "float32"),
        ("s", (1,), "float32"),
    )
    b = Builder()
    last, rows = b.ops(
        "scan", b.input("x", (3, 1)), b.constant([1.0]), body=fixed, n_scan=1, n_carry=1, length=3
    )
    b.output("last", last)
    b.output("rows", rows)

    got = evaluate(b.graph, library(), {"x": [[0.0], [0.0], [0.0]]})

    assert (got["last"].tolist(), got["rows"].tolist()) == ([7.0], [[1.0], [7.0], [7.0]])
