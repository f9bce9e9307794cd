"""Layers around a layer: over every time step, in both directions, with a constrained kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from py_edge.errors import GraphError, ShapeError
from py_edge.tfjs.idioms import axes
from py_edge.tfjs.layers.call import Call, Lower, Sym

_MERGE = {"sum": "add", "mul": "mul", "ave": "add"}


def _inner(c: Call, key: str = "layer") -> Mapping[str, Any]:
    raw = c.get(key)
    if not isinstance(raw, Mapping) or not isinstance(raw.get("config"), (Mapping, list)):
        raise GraphError("the wrapper holds no layer", where=c.where, got=raw)
    return raw


def _name(raw: Mapping[str, Any]) -> str:
    config = raw["config"]
    return str(config.get("name", "")) if isinstance(config, Mapping) else ""


def time_distributed(c: Call) -> int | list[int]:
    """Steps join the batch: (N, T, ...) -> (N T, ...) -> layer -> (N, T, ...)."""
    b, raw = c.b, _inner(c)
    if c.rank < 3:
        raise ShapeError("TimeDistributed wants (batch, steps, ...)", where=c.where, got=c.shape)
    n, t, *rest = c.shape
    flat = Sym(axes.reshape(b, c.x, [n * t, *rest]))
    outputs = c.lower_layer(c, raw, c.scope.child(_name(raw), "layer"), [flat], {})
    spread = [axes.reshape(b, s.id, [n, t, *b.shape(s.id)[1:]]) for s in outputs]
    return spread[0] if len(spread) == 1 else spread


def bidirectional(c: Call) -> int | list[int]:
    """A recurrent layer forwards and its twin backwards; merge_mode concat, sum, mul, ave or none.

    Both give 0 at masked steps of a sequence, as Keras forces them to, whatever their own configs say.
    """
    b, forward = c.b, _inner(c)
    sequences = bool(forward["config"].get("return_sequences"))
    config = {**forward["config"], "zero_output_for_mask": sequences}
    forward = {**forward, "config": config}
    twin = {
        **config,
        "go_backwards": not config.get("go_backwards"),
        "name": f"backward_{str(config.get('name', '')).removeprefix('forward_')}",
    }
    backward = {**forward, "config": twin}
    if c.get("backward_layer"):
        given = _inner(c, "backward_layer")
        backward = {**given, "config": {**given["config"], "zero_output_for_mask": sequences}}
    front = c.scope.child(_prefixed("forward_", _name(forward)), "forward_layer")
    own_name = c.keras3 and c.get("backward_layer") is not None
    back_name = _name(backward) if own_name else _prefixed("backward_", _name(backward))
    back = c.scope.child(back_name, "backward_layer")
    x, states = c.syms[0], c.syms[1:] or _states(c)
    x = Sym(x.id, c.mask)
    half = len(states) // 2
    sides = []
    for raw, scope, own in ((forward, front, states[:half]), (backward, back, states[half:])):
        kwargs = {"initial_state": list(own)} if own else {}
        sides.append([s.id for s in c.lower_layer(c, raw, scope, [x], kwargs)])
    y, reverse = sides[0][0], sides[1][0]
    reverse = axes.flip(b, reverse, [1]) if sequences else reverse
    c.out_mask = c.mask if sequences and c.mask is not None else False
    ends = [*sides[0][1:], *sides[1][1:]]
    mode = c.config.get("merge_mode", "concat")
    if mode is None:
        return [y, reverse, *ends]
    if mode == "concat":
        y = axes.concat(b, [y, reverse], -1)
    else:
        y = b.op(_MERGE[c.word("merge_mode", "concat", tuple(_MERGE))], y, reverse)
        y = b.op("mul", y, 0.5) if mode == "ave" else y
    return [y, *ends] if ends else y


def _prefixed(side: str, name: str) -> str:
    """Keras 2 keeps the plain name in the config, Keras 3 the prefixed one."""
    return name if name.startswith(side) else f"{side}{name}"


def _states(c: Call) -> list[Sym]:
    given = c.argument("initial_state", 1)
    return [s for s in (given if isinstance(given, (list, tuple)) else [given]) if isinstance(s, Sym)]


def spectral_normalization(c: Call) -> int | list[int]:
    """At inference the wrapped layer with the kernel as it was left: stored weights are already normalised."""
    raw = _inner(c)
    outputs = c.lower_layer(c, raw, c.scope.child(_name(raw), "layer"), c.args, {})
    return [s.id for s in outputs] if len(outputs) > 1 else outputs[0].id


ROWS: dict[str, Lower] = {
    "TimeDistributed": time_distributed, "Bidirectional": bidirectional, "SpectralNormalization": spectral_normalization,
}  # fmt: skip
