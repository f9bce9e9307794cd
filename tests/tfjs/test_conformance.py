"""Recorded kernel calls of TF.js, from ../shared/conformance."""

from __future__ import annotations

from pathlib import Path

import pytest

from py_edge.tfjs import conformance_kernels
from py_edge.tfjs.conformance_kernels import value_of
from py_edge.train.gradients import flow_back
from tests.tfjs.engine import compiled

CALLS = Path(__file__).resolve().parents[3] / "shared" / "conformance" / "kernels.jsonl.gz"


@pytest.mark.skipif(not CALLS.exists(), reason="../shared/conformance is absent")
def test_recorded_kernel_calls() -> None:
    """At least 99.5 % of the calls give TF.js's numbers; every other one has its reason."""
    part = conformance_kernels.run(CALLS, compiled, flow_back)
    assert part.failures == []
    assert len(part.argued) + part.passed == part.total
    assert part.passed >= 0.995 * part.total


def test_what_counts_as_equal() -> None:
    """Whole numbers and shapes exactly, floats within 1e-5 and 1e-6, NaN equals NaN."""
    one = {"shape": [2], "dtype": "float32", "v": [1.0, "NaN"]}
    near, far = one | {"v": [1.000005, "NaN"]}, one | {"v": [1.00003, "NaN"]}
    ints = {"shape": [1], "dtype": "int32", "v": [100000000]}
    assert conformance_kernels.differs(value_of(near), value_of(one)) == ""
    assert conformance_kernels.differs(value_of(far), value_of(one)).startswith("[0]")
    assert conformance_kernels.differs(value_of(ints | {"v": [100000001]}), value_of(ints)).startswith("[0]")
    assert conformance_kernels.differs(value_of(ints), value_of(one)).startswith("shape")
