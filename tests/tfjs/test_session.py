"""A session keeps what it compiled for the shapes used last, and only that; the numbers stay right."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from py_edge.graph import Graph
from py_edge.plan import Run
from py_edge.tfjs import load_model, sequential, session
from py_edge.tfjs.graph_model import GraphModel
from py_edge.tfjs.session import Session
from tests.tfjs.engine import compiled

DYNAMIC = Path(__file__).parent.parent / "golden" / "models" / "fn_dynamic__v2"


class Compiler:
    """The engine; it remembers what it made without holding it."""

    def __init__(self) -> None:
        self.made: list[weakref.ref[Run]] = []

    def __call__(self, graph: Graph) -> Run:
        run = compiled(graph)
        self.made.append(weakref.ref(run))
        return run

    @property
    def alive(self) -> int:
        return sum(ref() is not None for ref in self.made)


def test_many_shapes_keep_few_plans() -> None:
    """Forty batch sizes, there and back: eight plans at any time, and each answer is the rows' own."""
    compiler = Compiler()
    model = sequential((4,), [{"class_name": "Dense", "units": 3, "activation": "tanh"}], seed=1)
    dense = Session(model, compiler)
    x = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    kernel = next(np.asarray(w) for w in model.weights.values() if w.shape == (4, 3))
    want = np.tanh(x.astype("f8") @ kernel)

    for rows in [*range(1, 41), *range(40, 0, -1)]:
        (given,) = dense.run({"input": x[:rows]}).values()
        np.testing.assert_allclose(np.asarray(given), want[:rows], atol=1e-6)
        assert compiler.alive <= session.MOST_SHAPES

    assert compiler.alive == session.MOST_SHAPES
    assert len(compiler.made) == 80 - session.MOST_SHAPES


def test_the_shapes_used_last_are_kept() -> None:
    """A shape that comes again and again is compiled once, however many others come between."""
    compiler = Compiler()
    dense = Session(sequential((2,), [{"class_name": "Dense", "units": 1}], seed=1), compiler)
    for rows in range(2, 30):
        dense.run({"input": np.zeros((1, 2), np.float32)})
        dense.run({"input": np.zeros((rows, 2), np.float32)})
    assert len(compiler.made) == 29


def test_many_decisions_keep_few_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data that decides anew each time: as many programs as are allowed, the way used last among them, results right.

    Each program has two compiled segments.
    """
    monkeypatch.setattr(session, "MOST_PROGRAMS", 3)
    traced: list[object] = []
    trace = GraphModel.trace

    def counted(*args: Any) -> Any:
        traced.append(args)
        return trace(*args)

    monkeypatch.setattr(GraphModel, "trace", counted)
    compiler = Compiler()
    dynamic = Session(load_model(DYNAMIC), compiler)
    draws = np.random.default_rng(0)
    often = np.full((3, 4), 0.75, np.float32)
    most = 0

    for index in range(30):
        for x in (draws.random((3, 4), dtype=np.float32), often):
            before = len(traced)
            given = dynamic.run({"a_0": x})
            np.testing.assert_array_equal(np.asarray(given["o04"]), x[x > 0.5])
        assert len(traced) == before + (index == 0)
        most = max(most, compiler.alive)

    assert len(traced) > 10
    assert most <= 3 * 2
