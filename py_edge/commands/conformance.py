"""`py-edge conformance`: does every recorded model compute what Keras, TensorFlow or TF.js computed?"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DEFAULT = Path("../shared/conformance")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from py_edge.tfjs.conformance import PARTS

    parser.add_argument("--data", type=Path, default=DEFAULT, help="folder with converted/, layers/, random/, real/")
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts, with commas between: {','.join(PARTS)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there as JSON")
    parser.add_argument("--runtime", choices=["native", "pyodide"], default="native", help="who computes")


def run(arguments: argparse.Namespace) -> int:
    """Print one table; exit code 1 when anything disagrees."""
    from py_edge.errors import EnvironmentProblem, NotFoundError
    from py_edge.tfjs import conformance

    if arguments.runtime == "pyodide" and sys.platform != "emscripten":
        raise EnvironmentProblem(
            "this process is not Pyodide", got=sys.platform, remedy="install the wheel in Pyodide and run it there"
        )
    if not arguments.data.is_dir():
        raise NotFoundError("there is no conformance data", where=str(arguments.data), remedy="name it with --data")
    wanted = [part for part in arguments.only.split(",") if part in conformance.PARTS]
    result = conformance.as_json(conformance.run(arguments.data, compiled, wanted))
    _print(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1))
    return 0 if result["ok"] else 1


def compiled(graph: Any) -> Any:
    """A graph through all passes, compiled for the kernels of this machine."""
    from py_edge.kernels.load import library
    from py_edge.passes import optimize
    from py_edge.plan.compile import compile_graph
    from py_edge.plan.run import Run, evaluate

    kernels = library()
    return Run(compile_graph(optimize(graph, lambda part: evaluate(part, kernels)), kernels.panel), kernels)


def _print(result: Mapping[str, Any]) -> None:
    print(f"{'part':<12}{'passed':>8}{'total':>8}{'slowest s':>12}")
    for name, row in result.items():
        if not isinstance(row, dict):
            continue
        print(f"{name:<12}{row['passed']:>8}{row['total']:>8}{row['slowest_s']:>12}")
        for fault in row["failures"]:
            print(f"  {fault}")
        for case in row["left_out"]:
            print(f"  {case}: left out, its folder is incomplete")
