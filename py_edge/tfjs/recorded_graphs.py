"""Recorded graphs of one TensorFlow op or a few (tests/golden/make_ops.py): as model files, and computed again.

File: one JSON a line, {name, graph, weights, inputs, outputs}. Standard library only.
"""

from __future__ import annotations

import gzip
import json
import math
from array import array
from bisect import bisect_right
from functools import cache
from pathlib import Path
from typing import Any

from py_edge.tensor import Tensor
from py_edge.tfjs.load import load_model
from py_edge.tfjs.save import encode
from py_edge.tfjs.segments import Compile
from py_edge.tfjs.session import Session
from py_edge.tfjs.weights import Complex, Strings, Weight

RELATIVE, ABSOLUTE = 1e-5, 1e-6
"""Per op: what else TensorFlow's order of summing makes different is less."""
DISTANCE = 0.1
"""Between a thousand draws of ours and of TensorFlow's; by chance alone it is passed once in ten thousand."""


@cache
def op_cases(path: Path) -> dict[str, dict[str, Any]]:
    """The recorded cases by name."""
    with gzip.open(path, "rt") as file:
        return {case["name"]: case for case in map(json.loads, file)}


def value_of(raw: dict[str, Any]) -> Weight:
    """A recorded tensor."""
    shape, dtype = tuple(raw["shape"]), raw["dtype"]
    if dtype == "string":
        return Strings(tuple(text.encode("latin1") for text in raw["data"]), shape)
    if dtype == "complex64":
        flat = [float(v) for v in raw["data"]]
        real, imag = (Tensor.from_flat(flat[i::2], shape) for i in (0, 1))
        return Complex(real, imag)
    values = [float(v) for v in raw["data"]] if dtype == "float32" else raw["data"]
    return Tensor.from_flat(values, shape, dtype if dtype in ("float32", "bool") else "int32")


def files_of(case: dict[str, Any]) -> dict[str, bytes]:
    """model.json and one shard, as the converter lays them out."""
    entries, data = [], b""
    for name, raw in case["weights"].items():
        dtype, piece = encode(value_of(raw), "")
        entries.append({"name": name, "shape": raw["shape"], "dtype": dtype})
        data += piece
    outputs = {f"o{i}": {"name": out["name"]} for i, out in enumerate(case["outputs"])}
    document = {
        "format": "graph-model", "modelTopology": case["graph"],
        "signature": {"inputs": {n: {"name": f"{n}:0"} for n in case["inputs"]}, "outputs": outputs},
        "weightsManifest": [{"paths": ["w.bin"] if data else [], "weights": entries}],
    }  # fmt: skip
    if any(node["op"].startswith(("LookupTableImport", "InitializeTable")) for node in case["graph"]["node"]):
        document["modelInitializer"] = case["graph"]
    return {"model.json": json.dumps(document).encode(), "w.bin": data}


def flat(value: Weight) -> list[Any]:
    """Elements for comparing: complex numbers as pairs."""
    if isinstance(value, Strings):
        return list(value.values)
    if isinstance(value, Complex):
        return [v for pair in zip(value.real.flat, value.imag.flat, strict=True) for v in pair]
    return list(array({"float32": "f", "int32": "i"}.get(value.dtype, "B"), value.tobytes()))


def fault_of(case: dict[str, Any], compile_: Compile, runs: int = 2) -> str:
    """'' when every run gives TensorFlow's outputs: floats within tolerance, all else exactly; else what differs."""
    session = Session(load_model(files_of(case)), compile_)
    inputs = {key: value_of(raw) for key, raw in case["inputs"].items()}
    for _ in range(runs):
        for place, (got, raw) in enumerate(zip(session.run(inputs).values(), case["outputs"], strict=True)):
            want = value_of(raw)
            fault = _misshapen(got, want) or (_unlike if case.get("drawn") else _difference)(got, want)
            if fault:
                return f"output {place}: {fault}"
    return ""


def _unlike(got: Weight, want: Weight) -> str:
    """Of random draws: the largest gap between the two empirical distributions (Kolmogorov and Smirnov)."""
    ours, theirs = sorted(flat(got)), sorted(flat(want))
    at = sorted({*ours, *theirs})
    gap = max(abs(bisect_right(ours, v) - bisect_right(theirs, v)) for v in at) / len(theirs)
    return "" if gap <= DISTANCE else f"distributed otherwise: {gap:.3f} apart, allowed {DISTANCE}"


def _difference(got: Weight, want: Weight) -> str:
    for ours, theirs in zip(flat(got), flat(want), strict=True):
        if ours == theirs:
            continue
        near = isinstance(theirs, float) and (
            abs(ours - theirs) <= ABSOLUTE + RELATIVE * abs(theirs)
            or (math.isnan(ours) and math.isnan(theirs))
        )
        if not near:
            return f"{ours} instead of {theirs}"
    return ""


def _misshapen(got: Weight, want: Weight) -> str:
    if _dtype(got) == _dtype(want) and _shape(got) == _shape(want):
        return ""
    return f"{_dtype(got)} {_shape(got)} instead of {_dtype(want)} {_shape(want)}"


def _dtype(value: Weight) -> str:
    return value.dtype if isinstance(value, Tensor) else type(value).__name__


def _shape(value: Weight) -> tuple[int, ...]:
    return value.real.shape if isinstance(value, Complex) else value.shape
