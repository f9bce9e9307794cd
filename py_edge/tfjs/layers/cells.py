"""Recurrent cells. A cell projects its input (hoisted out of the loop where it can be) and makes one step.

Letters: N batch, T steps, C features, U units; gates in Keras' order: LSTM i f c o, GRU z r h.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from py_edge.errors import GraphError, UnsupportedError
from py_edge.graph import Builder
from py_edge.graph.shapes import window
from py_edge.tfjs.idioms import axes, windows
from py_edge.tfjs.initializers import plain_name
from py_edge.tfjs.layers.activations import Activation, activation_of
from py_edge.tfjs.layers.call import Call
from py_edge.tfjs.naming import Scope, snake_case


class Cell(Protocol):
    """weights: outer value ids, handed back to project and step under other ids inside the loop.

    state_shapes: without the batch. project(b, x, weights): x (..., C) -> what a step needs of it.
    step(b, seen, states, weights) -> (output, new states).
    """

    weights: list[int]
    state_shapes: list[tuple[int, ...]]

    def project(self, b: Builder, x: int, weights: Sequence[int]) -> int: ...

    def step(
        self, b: Builder, seen: int, states: Sequence[int], weights: Sequence[int]
    ) -> tuple[int, list[int]]: ...


@dataclass(slots=True)
class _Dense:
    """What the three classical cells share: kernel (C, G U), recurrent kernel (U, G U), bias."""

    units: int
    act: Activation
    gate: Activation
    biased: bool
    reset_after: bool
    weights: list[int]
    state_shapes: list[tuple[int, ...]]

    def project(self, b: Builder, x: int, weights: Sequence[int]) -> int:
        y = b.op("matmul", x, weights[0])
        if not self.biased:
            return y
        bias = axes.pick(b, weights[2], 0, 0) if self.reset_after else weights[2]
        return b.op("add", y, bias)


class SimpleRnn(_Dense):
    __slots__ = ()

    def step(
        self, b: Builder, seen: int, states: Sequence[int], weights: Sequence[int]
    ) -> tuple[int, list[int]]:
        h = self.act(b, b.op("add", seen, b.op("matmul", states[0], weights[1])))
        return h, [h]


class Lstm(_Dense):
    __slots__ = ()

    def step(
        self, b: Builder, seen: int, states: Sequence[int], weights: Sequence[int]
    ) -> tuple[int, list[int]]:
        h, carry = states
        z = b.op("add", seen, b.op("matmul", h, weights[1]))
        i, f, g, o = axes.split(b, z, 1, [self.units] * 4)
        kept = b.op("mul", self.gate(b, f), carry)
        carry = b.op("add", kept, b.op("mul", self.gate(b, i), self.act(b, g)))
        h = b.op("mul", self.gate(b, o), self.act(b, carry))
        return h, [h, carry]


class Gru(_Dense):
    __slots__ = ()

    def step(
        self, b: Builder, seen: int, states: Sequence[int], weights: Sequence[int]
    ) -> tuple[int, list[int]]:
        """reset_after: the reset gate acts on h U + b, else on h itself."""
        h, u = states[0], self.units
        xz, xr, xh = axes.split(b, seen, 1, [u] * 3)
        if self.reset_after:
            inner = b.op("matmul", h, weights[1])
            inner = b.op("add", inner, axes.pick(b, weights[2], 0, 1)) if self.biased else inner
            hz, hr, hh = axes.split(b, inner, 1, [u] * 3)
            reset = self.gate(b, b.op("add", xr, hr))
            new = self.act(b, b.op("add", xh, b.op("mul", reset, hh)))
        else:
            gates, last = axes.split(b, weights[1], 1, [2 * u, u])
            hz, hr = axes.split(b, b.op("matmul", h, gates), 1, [u, u])
            reset = self.gate(b, b.op("add", xr, hr))
            new = self.act(b, b.op("add", xh, b.op("matmul", b.op("mul", reset, h), last)))
        update = self.gate(b, b.op("add", xz, hz))
        y = b.op("add", b.op("mul", update, h), b.op("mul", b.op("sub", 1.0, update), new))
        return y, [y]


@dataclass(slots=True)
class ConvLstm:
    """An LSTM whose products are convolutions: x (N, S..., C), states (N, S'..., F); channels last inside."""

    filters: int
    act: Activation
    gate: Activation
    biased: bool
    mode: str
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    weights: list[int]
    state_shapes: list[tuple[int, ...]]

    def project(self, b: Builder, x: int, weights: Sequence[int]) -> int:
        n, t, *place = b.shape(x)
        flat = axes.reshape(b, x, [n * t, *place])
        pads = windows.paddings(self.mode, place[:-1], self.kernel, self.strides, self.dilations)
        y = windows.conv(b, flat, weights[0], self.strides, self.dilations, pads)
        y = b.op("add", y, weights[2]) if self.biased else y
        return axes.reshape(b, y, [n, t, *b.shape(y)[1:]])

    def step(
        self, b: Builder, seen: int, states: Sequence[int], weights: Sequence[int]
    ) -> tuple[int, list[int]]:
        h, carry = states
        ones = (1,) * len(self.kernel)
        pads = windows.paddings("same", b.shape(h)[1:-1], self.kernel, ones, ones)
        z = b.op("add", seen, windows.conv(b, h, weights[1], ones, ones, pads))
        i, f, g, o = axes.split(b, z, -1, [self.filters] * 4)
        kept = b.op("mul", self.gate(b, f), carry)
        carry = b.op("add", kept, b.op("mul", self.gate(b, i), self.act(b, g)))
        h = b.op("mul", self.gate(b, o), self.act(b, carry))
        return h, [h, carry]


@dataclass(slots=True)
class Stacked:
    """Cells one above the other within one step."""

    cells: list[Cell]
    weights: list[int]
    state_shapes: list[tuple[int, ...]]

    def project(self, b: Builder, x: int, weights: Sequence[int]) -> int:
        return self.cells[0].project(b, x, weights[: len(self.cells[0].weights)])

    def step(
        self, b: Builder, seen: int, states: Sequence[int], weights: Sequence[int]
    ) -> tuple[int, list[int]]:
        y, news = seen, list[int]()
        rest, left = list(weights), list(states)
        for index, cell in enumerate(self.cells):
            own, rest = rest[: len(cell.weights)], rest[len(cell.weights) :]
            mine, left = left[: len(cell.state_shapes)], left[len(cell.state_shapes) :]
            y, new = cell.step(b, cell.project(b, y, own) if index else y, mine, own)
            news += new
        return y, news


_DENSE: dict[str, tuple[type[SimpleRnn] | type[Lstm] | type[Gru], int, int]] = {
    "SimpleRNN": (SimpleRnn, 1, 1), "LSTM": (Lstm, 4, 2), "GRU": (Gru, 3, 1),
}  # fmt: skip

CELLS = frozenset({"SimpleRNNCell", "LSTMCell", "GRUCell", "StackedRNNCells", "ConvLSTM2DCell"})


def dense_cell(c: Call, kind: str, config: Mapping[str, Any], scope: Scope, features: int) -> Cell:
    """SimpleRNN, LSTM or GRU from a layer's or a cell's config."""
    make, gates, states = _DENSE[kind]
    own = c.with_config(config)
    units = own.whole("units")
    act = activation_of(own.get("activation", default="tanh"), c.where, c.keras3)
    gate = activation_of(own.get("recurrent_activation", default="sigmoid"), c.where, c.keras3)
    biased, reset = own.flag("use_bias", True), kind == "GRU" and own.flag("reset_after")
    weights = [
        own.weight("kernel", (features, gates * units), scope=scope),
        own.weight(
            "recurrent_kernel",
            (units, gates * units),
            init="recurrent_initializer",
            default="orthogonal",
            scope=scope,
        ),
    ]
    if biased:
        shape = (2, gates * units) if reset else (gates * units,)
        weights.append(own.weight("bias", shape, default="zeros", scope=scope))
    return make(units, act, gate, biased, reset, weights, [(units,)] * states)


def conv_cell(
    c: Call, config: Mapping[str, Any], scope: Scope, dims: int, place: Sequence[int], channels: int
) -> Cell:
    """ConvLSTM from a layer's config; place: spatial sizes of the input."""
    own = c.with_config(config)
    filters, mode = own.whole("filters"), own.word("padding", "valid", ("valid", "same"))
    kernel, strides = own.wholes("kernel_size", dims), own.wholes("strides", dims)
    dilations = own.wholes("dilation_rate", dims)
    weights = [
        own.weight("kernel", (*kernel, channels, 4 * filters), scope=scope),
        own.weight(
            "recurrent_kernel",
            (*kernel, filters, 4 * filters),
            init="recurrent_initializer",
            default="orthogonal",
            scope=scope,
        ),
    ]
    biased = own.flag("use_bias", True)
    if biased:
        weights.append(own.weight("bias", (4 * filters,), default="zeros", scope=scope))
    pads = windows.paddings(mode, place, kernel, strides, dilations)
    out = [
        window(s, k, st, d, p) for s, k, st, d, p in zip(place, kernel, strides, dilations, pads, strict=True)
    ]
    act = activation_of(own.get("activation", default="tanh"), c.where, c.keras3)
    gate = activation_of(own.get("recurrent_activation", default="hard_sigmoid"), c.where, c.keras3)
    return ConvLstm(
        filters, act, gate, biased, mode, kernel, strides, dilations, weights, [(*out, filters)] * 2
    )


def any_cell(
    c: Call, raw: Any, scope: Scope, features: int, counted: str = "cell", place: Sequence[int] = ()
) -> Cell:
    """The cell that an RNN layer wraps, from {class_name, config}. place: spatial sizes of the input."""
    kind, config = plain_name(raw, c.where, "cell")
    name = str(config.get("name", kind))
    if kind == "StackedRNNCells":
        inner = scope.child(name, counted)
        cells: list[Cell] = []
        counts: dict[str, int] = {}
        for item in config.get("cells", []):
            base = snake_case(plain_name(item, c.where, "cell")[0])
            seen = counts.get(base, 0)
            counts[base] = seen + 1
            spot = f"cells/{base}" if seen == 0 else f"cells/{base}_{seen}"
            cells.append(any_cell(c, item, inner, features, spot))
            features = cells[-1].state_shapes[0][-1]
        if not cells:
            raise GraphError("a stack without cells", where=c.where)
        weights = [w for cell in cells for w in cell.weights]
        return Stacked(cells, weights, [s for cell in cells for s in cell.state_shapes])
    if kind == "ConvLSTM2DCell" and len(place) == 2:
        return conv_cell(c, config, scope.child(name, counted), 2, place, features)
    base = kind.removesuffix("Cell")
    if base not in _DENSE:
        raise UnsupportedError(
            "unknown cell",
            where=c.where,
            got=kind,
            want="SimpleRNNCell, GRUCell, LSTMCell or StackedRNNCells",
        )
    return dense_cell(c, base, config, scope.child(name, counted), features)
