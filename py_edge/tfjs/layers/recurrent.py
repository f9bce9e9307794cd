"""Recurrent layers: one cell, scanned over time. Masked steps keep the state and repeat the last output."""

from __future__ import annotations

from collections.abc import Sequence

from py_edge.errors import GraphError, ShapeError
from py_edge.graph import Builder
from py_edge.tfjs.idioms import axes
from py_edge.tfjs.layers.call import Call, Lower, Sym
from py_edge.tfjs.layers.cells import Cell, any_cell, conv_cell, dense_cell
from py_edge.tfjs.layers.core import drop

_CELL_NAMES = {"LSTM": "lstm_cell", "GRU": "gru_cell", "SimpleRNN": "simple_rnn_cell"}


def _start(c: Call, cell: Cell, n: int) -> list[int]:
    """Initial states: handed over, or zeros."""
    given = c.argument("initial_state", 1)
    states = [s for s in (given if isinstance(given, (list, tuple)) else [given]) if isinstance(s, Sym)]
    states = states or c.syms[1:]
    if not states:
        return [axes.full(c.b, (n, *shape), 0.0) for shape in cell.state_shapes]
    if len(states) < len(cell.state_shapes):
        raise GraphError(
            "another number of states", where=c.where, got=len(states), want=len(cell.state_shapes)
        )
    return [state.id for state in states[: len(cell.state_shapes)]]


def run(c: Call, cell: Cell, x: int) -> int | list[int]:
    """x (N, T, ...) through the cell; the outputs as return_sequences and return_state want them."""
    b, steps = c.b, c.b.shape(x)[1]
    n, mask = c.b.shape(x)[0], c.mask
    backwards, sequences = c.flag("go_backwards"), c.flag("return_sequences")
    seen = axes.move_axis(b, cell.project(b, x, cell.weights), 1, 0)
    if mask is not None:
        mask = axes.move_axis(b, mask, 1, 0)
    if backwards:
        seen = axes.flip(b, seen, [0])
        mask = axes.flip(b, mask, [0]) if mask is not None else None
    states = _start(c, cell, n)
    last, rows, ends = scan(b, cell, seen, mask, states, c.flag("zero_output_for_mask"), sequences, steps)
    y = axes.move_axis(b, rows, 0, 1) if sequences else last
    c.out_mask = (c.mask if c.mask is not None and not backwards else False) if sequences else False
    return [y, *ends] if c.flag("return_state") else y


def scan(
    b: Builder,
    cell: Cell,
    seen: int,
    mask: int | None,
    states: Sequence[int],
    zeroed: bool,
    sequences: bool,
    steps: int,
) -> tuple[int, int, list[int]]:
    """(last output, outputs (T, N, ...) or -1, last states). Body inputs: slices, carries, weights."""
    body = Builder()
    slice_seen = body.input("x", b.shape(seen)[1:])
    keep = body.input("mask", b.shape(mask)[1:], "bool") if mask is not None else None
    carried = [body.input(f"state{i}", b.shape(s)) for i, s in enumerate(states)]
    shape = b.shape(_output_of(cell, states))
    shown = body.input("shown", shape) if mask is not None else None
    weights = [body.input(f"weight{i}", b.shape(w)) for i, w in enumerate(cell.weights)]
    output, news = cell.step(body, slice_seen, carried, weights)
    row = output
    if keep is not None and shown is not None:
        flag = axes.expand(body, keep, *range(1, body.rank(output)))
        news = [body.op("select", flag, new, old) for new, old in zip(news, carried, strict=True)]
        output = body.op("select", flag, output, shown)
        row = body.op("mul", output, axes.cast(body, flag, "float32")) if zeroed else output
    for i, new in enumerate(news):
        body.output(f"state{i}", new)
    if shown is not None:
        body.output("shown", output)
    if sequences:
        body.output("row", row)
    carries = [*states, axes.full(b, shape, 0.0)] if shown is not None else list(states)
    scanned = [seen] if mask is None else [seen, mask]
    results = b.ops(
        "scan", *scanned, *carries, *cell.weights, body=body.graph, n_scan=len(scanned), n_carry=len(carries),
        length=steps, reverse=False,
    )  # fmt: skip
    ends = list(results[: len(states)])
    last = results[len(states)] if shown is not None else _output_of(cell, ends)
    return last, results[-1] if sequences else -1, ends


def _output_of(cell: Cell, ends: Sequence[int]) -> int:
    """The output is the first state, of the topmost cell."""
    cells = getattr(cell, "cells", None)
    return ends[0] if cells is None else ends[len(ends) - len(cells[-1].state_shapes)]


def _sequence(c: Call) -> int:
    x = axes.move_axis(c.b, c.x, 0, 1) if c.flag("time_major") else c.x
    if c.b.rank(x) < 3:
        raise ShapeError("a recurrent layer wants (batch, steps, features)", where=c.where, got=c.shape)
    return x


def _dropped(c: Call, x: int) -> int:
    """One mask for all steps, as Keras draws it."""
    n, _, *rest = c.b.shape(x)
    return drop(c, x, c.number("dropout", low=0.0, high=1.0), (n, 1, *rest))


def simple(kind: str) -> Lower:
    def lower(c: Call) -> int | list[int]:
        x = _dropped(c, _sequence(c))
        cell = dense_cell(c, kind, c.config, c.scope.child(_CELL_NAMES[kind], "cell"), c.b.shape(x)[-1])
        return run(c, cell, x)

    return lower


def rnn(c: Call) -> int | list[int]:
    """Any cell, or a list of them."""
    x, raw = _sequence(c), c.get("cell")
    if isinstance(raw, (list, tuple)):
        raw = {"class_name": "StackedRNNCells", "config": {"name": "stacked_rnn_cells", "cells": list(raw)}}
    _, _, *place, features = c.b.shape(x)
    return run(c, any_cell(c, raw, c.scope, features, place=place), x)


def conv_lstm(dims: int) -> Lower:
    def lower(c: Call) -> int | list[int]:
        b, x, first = c.b, c.x, c.first
        if c.rank != dims + 3:
            raise ShapeError(
                "the input has the wrong rank", where=c.where, got=c.shape, want=f"rank {dims + 3}"
            )
        x = axes.move_axis(b, x, 2, -1) if first else x
        _, _, *place, channels = b.shape(x)
        name = "conv_lstm_cell" if dims != 2 or c.keras3 else "conv_lstm2d_cell"
        cell = conv_cell(c, c.config, c.scope.child(name, "cell"), dims, place, channels)
        result = run(c, cell, x)
        if not first:
            return result
        values = result if isinstance(result, list) else [result]
        moved = [axes.move_axis(b, v, -1, b.rank(v) - dims - 1) for v in values]
        return moved if isinstance(result, list) else moved[0]

    return lower


ROWS: dict[str, Lower] = {
    "SimpleRNN": simple("SimpleRNN"), "LSTM": simple("LSTM"), "GRU": simple("GRU"), "CuDNNLSTM": simple("LSTM"),
    "CuDNNGRU": simple("GRU"), "UnifiedLSTM": simple("LSTM"), "UnifiedGRU": simple("GRU"), "RNN": rnn,
    "ConvLSTM1D": conv_lstm(1), "ConvLSTM2D": conv_lstm(2), "ConvLSTM3D": conv_lstm(3),
}  # fmt: skip
