"""`py-edge conformance`: does every recorded model compute what Keras, TensorFlow or TF.js computed?"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

EXAMPLE = "py-edge conformance --only op_graphs,layer_names"
DEFAULT = Path("../shared/conformance")
_SCRIPT = Path(__file__).parent / "conformance_script.py"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from py_edge.tfjs.conformance import PARTS

    parser.add_argument(
        "--data",
        type=Path,
        default=DEFAULT,
        metavar="DIR",
        help="folder with converted/, layers/, random/, real/, *.jsonl.gz",
    )
    parser.add_argument(
        "--only", default=",".join(PARTS), metavar="PART,…", help=f"some of {', '.join(PARTS)}"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there as JSON")
    parser.add_argument("--runtime", choices=["native", "pyodide"], default="native", help="who computes")


def run(arguments: argparse.Namespace) -> int:
    """Print one table; exit code 1 when anything disagrees."""
    from py_edge.bundle.node_runtime import TREE, run_in_pyodide
    from py_edge.errors import NotFoundError, ValueRangeError
    from py_edge.tfjs.conformance import PARTS

    data, wanted = arguments.data, arguments.only.split(",")
    if not data.is_dir() and data != DEFAULT:
        raise NotFoundError("there is no conformance data", where=str(data), remedy="name it with --data")
    if unknown := [part for part in wanted if part not in PARTS]:
        raise ValueRangeError("no such part", where="--only", got=unknown, want=list(PARTS))
    if arguments.runtime == "pyodide":
        mounted = data.resolve() if data.is_dir() else None
        result = json.loads(run_in_pyodide(_SCRIPT, mounted, arguments=wanted))
    else:
        result = compute(data, TREE, wanted)
    if not any(isinstance(row, dict) and row["total"] for row in result.values()):
        raise NotFoundError(
            "nothing was compared",
            where=str(data),
            remedy="run it in a checkout, or name the data with --data",
        )
    _print(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1))
    return 0 if result["ok"] else 1


def compute(data: Path, checkout: Path, wanted: Sequence[str]) -> dict[str, Any]:
    """The parts of `data` and of the checkout that were asked for and are there, as JSON has them."""
    from py_edge.kernels.load import library
    from py_edge.model import compiled_by
    from py_edge.tfjs import conformance, conformance_own
    from py_edge.train import conformance as gradients

    compile_ = compiled_by(library())
    others = {**gradients.others(compile_), **conformance_own.others(checkout, compile_)}
    return conformance.as_json(conformance.run(data, compile_, wanted, others))


def _print(result: Mapping[str, Any]) -> None:
    print(f"{'part':<12}{'passed':>8}{'total':>8}{'slowest, parse to compiled, s':>32}")
    for name, row in result.items():
        if not isinstance(row, dict):
            continue
        slowest = max(row["ready_s"].values(), default="")
        print(f"{name:<12}{row['passed']:>8}{row['total']:>8}{slowest:>32}")
        for model, seconds in row["ready_s"].items() if name == "real" else ():
            print(f"  {model:<50}{seconds:>10}")
        for fault in row["failures"]:
            print(f"  {fault}")
        for fault in row["argued"]:
            print(f"  argued: {fault}")
        for case in row["left_out"]:
            print(f"  left out: {case}")
