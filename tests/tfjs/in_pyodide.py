"""Runs inside Pyodide: golden models, recorded ops, broken files, and the shared data where it is mounted at /data."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from py_edge.errors import PyEdgeError
from py_edge.tfjs import conformance, load_model
from py_edge.tfjs.session import Session
from tests.tfjs.bad_models import CASES
from tests.tfjs.engine import compiled
from tests.tfjs.recorded import files_of, flat, op_cases, value_of

GOLDEN = Path("/tree/tests/golden/models")


def wrong_verdicts() -> list[str]:
    """Broken files that load here, or give another code than natively."""
    wrong = []
    for name, (files, codes, _) in CASES.items():
        try:
            load_model(files)
            wrong.append(f"{name}: loads")
        except PyEdgeError as error:
            if error.code not in codes:
                wrong.append(f"{name}: {error.code}")
    return wrong


def wrong_ops() -> list[str]:
    """Recorded ops that compute something else here."""
    wrong = []
    for name, case in op_cases().items():
        session = Session(load_model(files_of(case)), compiled)
        results = session.run({key: value_of(raw) for key, raw in case["inputs"].items()})
        for got, raw in zip(results.values(), case["outputs"], strict=True):
            pairs = zip(flat(got), flat(value_of(raw)), strict=True)
            if any(not (a == b or a != a or abs(a - b) <= 1e-5 + 1e-5 * abs(b)) for a, b in pairs):
                wrong.append(name)
                break
    return wrong


begin = time.perf_counter()
report: dict[str, Any] = {
    "golden": conformance.as_json({"golden": conformance.run_part("layers", GOLDEN, compiled)})
}
report["ops"] = {"wrong": wrong_ops(), "total": len(op_cases())}
report["bad"] = {"wrong": wrong_verdicts(), "total": len(CASES)}
if Path("/data/layers").exists():
    report["shared"] = conformance.as_json(conformance.run(Path("/data"), compiled))
report["foreign"] = sorted({"numpy", "sklearn"} & set(sys.modules))
report["seconds"] = round(time.perf_counter() - begin, 1)
json.dumps(report)
