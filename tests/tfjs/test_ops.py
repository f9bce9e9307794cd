"""Graph ops against what TensorFlow computed, one small graph each."""

from __future__ import annotations

from pathlib import Path

import pytest

from py_edge.tfjs.recorded_graphs import fault_of, op_cases
from py_edge.tfjs.tf_ops.table import OPS, PLACEHOLDERS
from tests.tfjs.engine import compiled

GOLDEN = Path(__file__).parent.parent / "golden"
CASES = op_cases(GOLDEN / "ops.jsonl.gz")


@pytest.mark.parametrize("name", CASES)
def test_computes_what_tensorflow_computed(name: str) -> None:
    """Numbers within tolerance, shapes, whole numbers, truth values and strings exactly; a second run the same."""
    assert fault_of(CASES[name], compiled) == ""


def test_every_op_of_the_converter_has_a_row() -> None:
    """All ops of the converter's list are there, but the three that only TF-DF's own package runs."""
    listed = (GOLDEN / "op_list.txt").read_text().split()
    wanted = [op for op in listed if not op.startswith("SimpleML")]
    assert (len(listed), len(wanted)) == (248, 245)
    assert [op for op in wanted if op not in OPS and op not in PLACEHOLDERS] == []
