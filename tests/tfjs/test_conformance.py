"""Recorded kernel calls of TF.js, from ../shared/conformance."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from py_edge.tfjs import conformance, conformance_kernels
from py_edge.tfjs.conformance_kernels import value_of
from py_edge.train.gradients import flow_back
from tests.tfjs.engine import compiled

GOLDEN = Path(__file__).parent.parent / "golden" / "models"
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


def test_a_case_that_lacks_a_file_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    """Without its model, its shard, its inputs or its outputs a case is left out by name; a broken recording fails."""
    for name in ("whole", "model.json", "group1-shard1of1.bin", "inputs.npy", "expected.npy", "broken"):
        shutil.copytree(GOLDEN / "same_class_names__k3_keras", tmp_path / "layers" / name)
        if name not in ("whole", "broken"):
            (tmp_path / "layers" / name / name).unlink()
    (tmp_path / "layers" / "broken" / "inputs.npy").write_bytes(b"\x93NUMPY\x01\0\x05\0{'a'}")
    part = conformance.run(tmp_path, compiled)["layers"]
    assert (part.passed, part.total) == (1, 2)
    assert [line.split(":")[0] for line in part.failures] == ["broken"]
    assert sorted(line.split(": ")[1].split()[0] for line in part.left_out) == [
        "expected.npy", "group1-shard1of1.bin", "inputs.npy", "model.json",
    ]  # fmt: skip
    assert set(part.seconds) == {"whole"}
