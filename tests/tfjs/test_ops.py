"""Graph ops against what TensorFlow computed, one small graph each."""

from __future__ import annotations

import math

import pytest

from py_edge.tfjs import load_model
from py_edge.tfjs.session import Session
from py_edge.tfjs.tf_ops.table import OPS, PLACEHOLDERS
from tests.tfjs.engine import compiled
from tests.tfjs.recorded import GOLDEN, files_of, flat, op_cases, value_of

RELATIVE, ABSOLUTE = 1e-5, 1e-5
"""Per op; sums of a few hundred float32 products may land a little beside TensorFlow's order."""


@pytest.mark.parametrize("name", op_cases())
def test_computes_what_tensorflow_computed(name: str) -> None:
    """Numbers within tolerance, shapes, whole numbers, truth values and strings exactly; a second run the same."""
    case = op_cases()[name]
    session = Session(load_model(files_of(case)), compiled)
    inputs = {key: value_of(raw) for key, raw in case["inputs"].items()}
    for _ in range(2):
        results = list(session.run(inputs).values())
        for got, raw in zip(results, case["outputs"], strict=True):
            want = value_of(raw)
            assert type(got) is type(want)
            assert getattr(got, "shape", raw["shape"]) == getattr(want, "shape", raw["shape"])
            for ours, theirs in zip(flat(got), flat(want), strict=True):
                close = ours == theirs or (
                    isinstance(theirs, float)
                    and (
                        abs(ours - theirs) <= ABSOLUTE + RELATIVE * abs(theirs)
                        or (math.isnan(ours) and math.isnan(theirs))
                    )
                )
                assert close, f"{ours} instead of {theirs}"


def test_every_op_of_the_converter_has_a_row() -> None:
    """All ops of the converter's list are there, but the three that only TF-DF's own package runs."""
    listed = (GOLDEN / "op_list.txt").read_text().split()
    wanted = [op for op in listed if not op.startswith("SimpleML")]
    assert (len(listed), len(wanted)) == (248, 245)
    assert [op for op in wanted if op not in OPS and op not in PLACEHOLDERS] == []
