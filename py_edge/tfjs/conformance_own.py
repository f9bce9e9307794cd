"""What we recorded or listed ourselves (tests/golden, tests/tfjs): graphs of single ops, names of ops and layers, broken files.

A checkout has these, an installed package does not: a part whose file is missing is None. Standard library only.
"""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterable
from pathlib import Path

from py_edge.errors import PyEdgeError
from py_edge.tfjs import recorded_graphs
from py_edge.tfjs.conformance import Other, Part
from py_edge.tfjs.layers.cells import CELLS
from py_edge.tfjs.layers.table import LAYERS
from py_edge.tfjs.layers.table import REFUSED as REFUSED_LAYERS
from py_edge.tfjs.load import load_model
from py_edge.tfjs.network import NETWORKS
from py_edge.tfjs.segments import Compile
from py_edge.tfjs.tf_ops.table import OPS, PLACEHOLDERS

REFUSED_OPS = dict.fromkeys(("SimpleMLCreateModelResource", "SimpleMLLoadModelFromPathWithHandle", "SimpleMLInferenceOpWithHandle"), "TF-DF's own WebAssembly package runs it")  # fmt: skip

LEFT_OUT_LAYERS = {
    "ContrastLimitedAdaptiveHistogramEqualization": "a histogram per tile of each picture: no core op does that",
    "Equalization": "a histogram per picture: no core op does that",
    "MaxNumBoundingBoxes": "it takes a dictionary of boxes, no tensor",
}


def op_graphs(file: Path, compile_: Compile) -> Part:
    """Each recorded graph gives TensorFlow's outputs, twice."""
    part = Part()
    for name, case in recorded_graphs.op_cases(file).items():
        try:
            fault = recorded_graphs.fault_of(case, compile_)
        except PyEdgeError as error:
            fault = str(error)
        part.count(name, fault)
    return part


def supported(names: Iterable[str], known: Iterable[str], refused: dict[str, str]) -> Part:
    """How many of these names we compute; what is refused on purpose is argued, all else a failure."""
    part, ours = Part(), set(known)
    for name in names:
        part.total += 1
        part.passed += name in ours
        if name in refused:
            part.argued.append(f"{name}: {refused[name]}")
        elif name not in ours:
            part.failures.append(name)
    return part


def bad_inputs(catalogue: Path) -> Part:
    """Each broken file of the catalogue is refused with its code and place."""
    part = Part()
    for name, (files, codes, place) in runpy.run_path(str(catalogue))["CASES"].items():
        try:
            load_model(files)
            fault = "loads"
        except PyEdgeError as error:
            told = error.code in codes and place in error.where
            fault = "" if told else f"{error.code} at {error.where}, wanted {'|'.join(codes)} at {place}"
        part.count(name, fault)
    return part


def _names(file: Path) -> list[str]:
    return [line.split()[0] for line in file.read_text().splitlines() if line.strip()]


def others(checkout: Path, compile_: Compile) -> dict[str, Other]:
    """These parts by name; the folder of recorded models that they are handed does not concern them."""
    golden = checkout / "tests" / "golden"
    layers = {*LAYERS, *NETWORKS, *CELLS, "InputLayer"}
    parts: dict[str, tuple[Path, Callable[[Path], Part]]] = {
        "op_graphs": (golden / "ops.jsonl.gz", lambda file: op_graphs(file, compile_)),
        "op_names": (golden / "op_list.txt", lambda file: supported(_names(file), {*OPS, *PLACEHOLDERS}, REFUSED_OPS)),
        "layer_names": (golden / "layer_list.txt", lambda file: supported(_names(file), layers, {**REFUSED_LAYERS, **LEFT_OUT_LAYERS})),
        "bad_inputs": (checkout / "tests" / "tfjs" / "bad_models.py", bad_inputs),
    }  # fmt: skip

    def of(file: Path, make: Callable[[Path], Part]) -> Other:
        return lambda _: make(file) if file.is_file() else None

    return {name: of(file, make) for name, (file, make) in parts.items()}
