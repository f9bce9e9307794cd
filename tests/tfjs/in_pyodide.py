"""Runs inside Pyodide: golden models, recorded ops, broken files, and the shared data where it is mounted at /data."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from py_edge.tfjs import conformance, conformance_own
from tests.tfjs.draws import DRAWN, draws
from tests.tfjs.engine import compiled

TREE = Path("/tree")
OWN = ("op_graphs", "op_names", "layer_names", "bad_inputs")

begin = time.perf_counter()
golden = conformance.run_part("layers", TREE / "tests" / "golden" / "models", compiled)
report: dict[str, Any] = {"golden": conformance.as_json({"golden": golden})}
report["own"] = conformance.as_json(
    conformance.run(Path("/data"), compiled, OWN, conformance_own.others(TREE, compiled))
)
report["draws"] = {name: draws(name) for name in DRAWN}
if Path("/data/layers").exists():
    report["shared"] = conformance.as_json(conformance.run(Path("/data"), compiled))
report["foreign"] = sorted({"numpy", "sklearn"} & set(sys.modules))
report["seconds"] = round(time.perf_counter() - begin, 1)
json.dumps(report)
