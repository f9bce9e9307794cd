"""Recorded one-node graphs (tests/golden/make_ops.py) as model files and tensors."""

from __future__ import annotations

import gzip
import json
from array import array
from functools import cache
from pathlib import Path
from typing import Any

from py_edge.tensor import Tensor
from py_edge.tfjs.save import encode
from py_edge.tfjs.weights import Complex, Strings, Weight

GOLDEN = Path(__file__).parent.parent / "golden"


@cache
def op_cases() -> dict[str, dict[str, Any]]:
    """The recorded cases by name."""
    with gzip.open(GOLDEN / "ops.jsonl.gz", "rt") as file:
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
    if any(node["op"] == "LookupTableImportV2" for node in case["graph"]["node"]):
        document["modelInitializer"] = case["graph"]
    return {"model.json": json.dumps(document).encode(), "w.bin": data}


def flat(value: Weight) -> list[Any]:
    """Elements for comparing: complex numbers as pairs."""
    if isinstance(value, Strings):
        return list(value.values)
    if isinstance(value, Complex):
        return [v for pair in zip(value.real.flat, value.imag.flat, strict=True) for v in pair]
    return list(array({"float32": "f", "int32": "i"}.get(value.dtype, "B"), value.tobytes()))
