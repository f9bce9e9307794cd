"""A node's own model answering."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from py_edge.demo.answering import Answering
from py_edge.demo.digits import Splits
from py_edge.demo.pictures import to_wire
from py_edge.records import Question, Release, digest_of_content, digest_of_release


def question(image: np.ndarray) -> Question:
    content = to_wire(image)
    return Question("0" * 16, 1, digest_of_content(content, "device"), "device", content)


def test_answers_with_the_newest_release(models: Path, splits: Splits) -> None:
    """Nothing before the first release; then its guess, its version, its threshold."""
    answering = Answering()
    assert answering.answer(question(splits.held.images[0])) is None
    metadata = {"temperature": 2.0, "threshold": 0.7}
    files = {path.name: path.read_bytes() for path in (models / "cloud").iterdir()}
    answering.load(Release("cloud", 7, digest_of_release((), metadata), (), metadata), files)
    guesses = [answering.answer(question(image)) for image in splits.held.images[:40]]
    assert all(guess is not None and guess.model_version == 7 for guess in guesses)
    right = [g.label_index == label for g, label in zip(guesses, splits.held.labels, strict=False) if g]
    assert sum(right) > 30
    assert answering.threshold == 0.7


def test_other_inputs_have_no_guess(models: Path) -> None:
    """A picture of another size is somebody else's question."""
    assert Answering().answer(question(np.zeros((3, 3), np.float32))) is None
