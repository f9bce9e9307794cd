"""`py-edge conformance`: does every recorded model compute what Keras, TensorFlow or TF.js computed?"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

DEFAULT = Path("../shared/conformance")
_SCRIPT = Path(__file__).parent / "conformance_script.py"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from py_edge.tfjs.conformance import PARTS

    parser.add_argument(
        "--data",
        type=Path,
        default=DEFAULT,
        help="folder with converted/, layers/, random/, real/, *.jsonl.gz",
    )
    parser.add_argument(
        "--only", default=",".join(PARTS), help=f"parts, with commas between: {','.join(PARTS)}"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there as JSON")
    parser.add_argument("--runtime", choices=["native", "pyodide"], default="native", help="who computes")


def run(arguments: argparse.Namespace) -> int:
    """Print one table; exit code 1 when anything disagrees."""
    from py_edge.errors import NotFoundError
    from py_edge.kernels.load import library
    from py_edge.model import compiled_by
    from py_edge.tfjs import conformance
    from py_edge.train.conformance import others

    if not arguments.data.is_dir():
        raise NotFoundError(
            "there is no conformance data", where=str(arguments.data), remedy="name it with --data"
        )
    wanted = [part for part in arguments.only.split(",") if part in conformance.PARTS]
    if arguments.runtime == "pyodide":
        result = _in_pyodide(arguments.data, wanted)
    else:
        compile_ = compiled_by(library())
        result = conformance.as_json(conformance.run(arguments.data, compile_, wanted, others(compile_)))
    _print(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1))
    return 0 if result["ok"] else 1


def _in_pyodide(data: Path, wanted: Sequence[str]) -> dict[str, Any]:
    """All parts in the locked Pyodide under Node, then those that were asked for."""
    from py_edge.bundle.node_runtime import run_in_pyodide

    found: dict[str, Any] = json.loads(run_in_pyodide(_SCRIPT, data.resolve()))
    rows = {name: row for name, row in found.items() if name in wanted}
    return {"ok": all(not row["failures"] for row in rows.values()), **rows}


def _print(result: Mapping[str, Any]) -> None:
    print(f"{'part':<12}{'passed':>8}{'total':>8}{'slowest s':>12}")
    for name, row in result.items():
        if not isinstance(row, dict):
            continue
        print(f"{name:<12}{row['passed']:>8}{row['total']:>8}{row['slowest_s']:>12}")
        for fault in row["failures"]:
            print(f"  {fault}")
        for fault in row["argued"]:
            print(f"  argued: {fault}")
        for case in row["left_out"]:
            print(f"  left out: {case}")
