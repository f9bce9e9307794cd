"""Recorded kernel calls of TF.js, redone with our lowering and our kernels, compared number by number.

File: one JSON a line, {kernel, spec, inputs, attrs, outputs}; numbers that JSON lacks are words. Standard library only.
"""

from __future__ import annotations

import base64
import gzip
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from py_edge.errors import PyEdgeError
from py_edge.graph import Builder, Spec
from py_edge.tensor import Tensor
from py_edge.tfjs.conformance import Part
from py_edge.tfjs.kernel_call import FlowBack, Kernel
from py_edge.tfjs.kernel_rows import lower
from py_edge.tfjs.recorder import Recorder
from py_edge.tfjs.segments import Compile
from py_edge.tfjs.trace import Cplx, DataDependent, NoEvents, Shared, Trace, Value, ids_of
from py_edge.tfjs.weights import Complex, Strings, Weight

RELATIVE, ABSOLUTE = 1e-5, 1e-6
_RANDOM = "random: TF.js draws from a generator of its own seed (seedrandom); ours is another, the odds are the same"
_NAN = "a window with NaN: TF.js skips it; ours hands it on, as a reduction does, so that a broken input stays visible"
_EDGE = (
    "windows of one element that stand in the padding: TF.js takes a short cut for 1 x 1 windows whenever the output has "
    "the input's shape and returns the input, stride and padding forgotten; ours is the pooling of the padding"
)
ARGUED: dict[str, tuple[str, str]] = {
    "Multinomial": ("", _RANDOM),
    "MaxPool": ("ignores NaNs", _NAN),
    "MaxPool3D": ("ignores NaNs", _NAN),
    "MaxPoolWithArgmax": ("ignores NaNs", _NAN),
    "MaxPool ": ("f=[1,1] s=2 p=1", _EDGE),
    "AvgPool": ("f=[1,1] s=2 p=1", _EDGE),
    "Sign": ("", "NaN: TF.js gives 0; TensorFlow, numpy and we give NaN"),
    "Unique": ("NaN", "TF.js compares as text; TensorFlow and we by value, and no NaN equals another"),
    "Range": (
        "negative",
        "TF.js turns a step of 1 around when stop is below start; TensorFlow's op has no such rule: empty",
    ),
    "FloorDiv": (
        "float32",
        "same numbers; TF.js calls them int32 whatever goes in, TensorFlow and we keep float32",
    ),
}
"""kernel (a blank after it: its second row) -> (words of the recording's name, why ours is right). Only these may differ."""


def value_of(raw: dict[str, Any]) -> Weight:
    """A recorded tensor."""
    shape, dtype = tuple(raw["shape"]), raw["dtype"]
    if dtype == "complex64":
        parts = (value_of(raw[part] | {"shape": raw["shape"]}) for part in ("re", "im"))
        real, imag = (part for part in parts if isinstance(part, Tensor))
        return Complex(real, imag)
    if dtype == "string":
        return Strings(tuple(base64.b64decode(text) for text in raw["v"]), shape)
    values = [float(v) for v in raw["v"]]
    if dtype != "float32":
        return Tensor.from_flat([int(v) if math.isfinite(v) else 0 for v in values], shape, dtype)
    return Tensor.from_flat(values, shape)


def differs(got: Weight, want: Weight) -> str:
    """'' when equal: numbers within tolerance, all else exactly; else the first difference."""
    if isinstance(got, Complex) and isinstance(want, Complex):
        return differs(got.real, want.real) or differs(got.imag, want.imag)
    if isinstance(got, Complex) or isinstance(want, Complex):
        return f"{type(got).__name__} instead of {type(want).__name__}"
    if got.shape != want.shape:
        return f"shape {got.shape} instead of {want.shape}"
    if isinstance(got, Strings) or isinstance(want, Strings):
        return "" if got == want else "another text"
    if got.dtype != want.dtype:
        return f"{got.dtype} instead of {want.dtype}"
    for place, (a, z) in enumerate(zip(got.flat.tolist(), want.flat.tolist(), strict=True)):
        if a != z and not _near(a, z):
            return f"[{place}]: {a!r} instead of {z!r}"
    return ""


def _near(a: float, z: float) -> bool:
    if isinstance(z, int):
        return False
    return (math.isnan(a) and math.isnan(z)) or abs(a - z) <= ABSOLUTE + RELATIVE * abs(z)


class Replay:
    """Redoes calls; what was compiled for one kernel, its attributes and its input shapes is kept."""

    def __init__(self, compile_: Compile, flow: FlowBack | None) -> None:
        self._compile, self._flow = compile_, flow
        self._kept: dict[str, Callable[[dict[str, Tensor]], list[Weight]] | None] = {}

    def outputs(self, row: dict[str, Any]) -> list[Weight]:
        """What we compute for one recorded call."""
        given: dict[str, Tensor | Strings] = {}
        shapes = _shapes(row["inputs"], "", given)
        key = json.dumps([row["kernel"], row["attrs"], shapes])
        if key not in self._kept:
            self._kept[key] = self._static(row)
        kept = self._kept[key]
        if kept is not None:
            return kept({name: value for name, value in given.items() if isinstance(value, Tensor)})
        recorder = Recorder(self._compile, {}, given)
        trace = Trace(Builder(), Shared({}, {}), recorder)
        values = lower(self._kernel(row, trace))
        ids = [i for value in values for i in ids_of(value)]
        return _joined(values, dict(zip(ids, recorder.concrete(trace, ids), strict=True)))

    def _kernel(self, row: dict[str, Any], trace: Trace) -> Kernel:
        inputs = {name: _placed(trace, name, raw) for name, raw in row["inputs"].items()}
        return Kernel(row["kernel"], trace, inputs, row["attrs"], self._flow)

    def _static(self, row: dict[str, Any]) -> Callable[[dict[str, Tensor]], list[Weight]] | None:
        """One compiled graph, or None where data decides."""
        trace = Trace(Builder(), Shared({}, {}), NoEvents())
        try:
            values = lower(self._kernel(row, trace))
        except DataDependent:
            return None
        graph, ids = trace.b.graph, [i for value in values for i in ids_of(value)]
        if any(spec.dtype == "string" for spec in graph.specs):
            return None
        for i in ids:
            graph.outputs[f"o{i}"] = i
        run = self._compile(graph)

        def again(given: dict[str, Tensor]) -> list[Weight]:
            found = run(given)
            return _joined(values, {i: Tensor.of(found[f"o{i}"]) for i in ids})

        return again


def _joined(values: Sequence[Value], env: dict[int, Any]) -> list[Weight]:
    return [
        Complex(env[v.real], env[v.imag]) if isinstance(v, Cplx) else env[v]
        for v in values
        if isinstance(v, Cplx | int)
    ]


def _shapes(inputs: Any, path: str, given: dict[str, Tensor | Strings]) -> Any:
    """Shapes and dtypes of all inputs; puts their values into `given` under the names of _placed."""
    if inputs is None:
        return None
    if isinstance(inputs, list):
        return [_shapes(item, f"{path}.{i}", given) for i, item in enumerate(inputs)]
    if "dtype" not in inputs:
        return [_shapes(item, name, given) for name, item in inputs.items()]
    value = value_of(inputs)
    if isinstance(value, Complex):
        given[f"{path}/real"], given[f"{path}/imag"] = value.real, value.imag
    else:
        given[path] = value
    return [inputs["shape"], inputs["dtype"]]


def _placed(trace: Trace, name: str, raw: Any) -> Any:
    """An input of the graph being built."""
    if raw is None:
        return None
    if isinstance(raw, list):
        return [_placed(trace, f"{name}.{i}", item) for i, item in enumerate(raw)]
    shape = tuple(raw["shape"])
    if raw["dtype"] == "string":
        id_ = trace.host_value(Spec(shape, "string"))
        trace.b.graph.inputs[name] = id_
        return id_
    if raw["dtype"] == "complex64":
        return Cplx(trace.b.input(f"{name}/real", shape), trace.b.input(f"{name}/imag", shape))
    return trace.b.input(name, shape, raw["dtype"])


def check(replay: Replay, row: dict[str, Any]) -> str:
    """'' when every output agrees, else what differs."""
    try:
        found = replay.outputs(row)
    except PyEdgeError as error:
        return str(error)
    wanted = [value_of(raw) for raw in row["outputs"]]
    if len(found) != len(wanted):
        return f"{len(found)} outputs instead of {len(wanted)}"
    for got, want in zip(found, wanted, strict=True):
        if fault := differs(got, want):
            return fault
    return ""


def argued(row: dict[str, Any]) -> str:
    """Why this call may differ; '' where nothing is known."""
    for name in (row["kernel"], f"{row['kernel']} "):
        words, reason = ARGUED.get(name, ("", ""))
        if reason and words in row.get("spec", ""):
            return reason
    return ""


def rows_of(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt") as file:
        return [json.loads(line) for line in file]


def run(path: Path, compile_: Compile, flow: FlowBack | None) -> Part:
    """Every recorded call. flow: what takes gradients back, for the gradient kernels."""
    part, replay = Part(), Replay(compile_, flow)
    for row in rows_of(path):
        part.total += 1
        fault = check(replay, row)
        part.passed += not fault
        if fault:
            name, reason = f"{row['kernel']} ({row.get('spec', '')}): {fault}", argued(row)
            (part.argued if reason else part.failures).append(f"{name}; {reason}" if reason else name)
    return part
