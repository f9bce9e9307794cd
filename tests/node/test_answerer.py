"""A TF.js model that answers at a node: its release, its threshold, and what is not its kind of question."""

from __future__ import annotations

import threading
from base64 import b64encode
from typing import Any

import numpy as np
import pytest

from py_edge.model import Model
from py_edge.node.answerer import ModelAnswerer
from py_edge.records import Question, Release, digest_of_content, digest_of_release
from py_edge.tfjs import sequential
from py_edge.tfjs.save import to_files


def question(values: Any) -> Question:
    plain = np.ascontiguousarray(values, "<f4")
    content = {"shape": list(plain.shape), "dtype": "float32", "data": b64encode(plain.tobytes()).decode()}
    return Question("0" * 16, 1, digest_of_content(content, "device"), "device", content)


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(sequential((2, 2), [{"class_name": "Flatten"}, {"class_name": "Dense", "units": 3}], seed=1))


def test_answers_with_the_release_in_use(model: Model) -> None:
    """Nothing before the first release; then its guess, its version, its temperature and threshold."""
    answerer = ModelAnswerer()
    picture = np.array([[0.5, -1.0], [2.0, 0.25]], np.float32)
    assert answerer.answer(question(picture)) is None
    assert answerer.threshold > 1
    metadata = {"temperature": 2.0, "threshold": 0.7, "labels": ["a", "b", "c"]}

    answerer.load(Release("site", 7, digest_of_release((), metadata), (), metadata), to_files(model.tfjs))
    guess = answerer.answer(question(picture))

    logits = np.asarray(model.predict(picture[None])).ravel() / 2
    want = np.exp(logits) / np.exp(logits).sum()
    assert guess is not None
    assert (guess.label_index, guess.model_version) == (int(want.argmax()), 7)
    np.testing.assert_allclose(guess.probabilities, want, rtol=1e-5)
    assert (answerer.threshold, list(answerer.labels)) == (0.7, ["a", "b", "c"])


def test_the_same_numbers_may_come_flat(model: Model) -> None:
    """A page may send four numbers where the model takes two by two."""
    answerer = ModelAnswerer()
    answerer.use(model, {})

    square, flat = (answerer.answer(question(values)) for values in ([[1, 2], [3, 4]], [1, 2, 3, 4]))

    assert square is not None
    assert square == flat


def test_other_inputs_have_no_guess(model: Model) -> None:
    """A tensor of another size, or numbers that are not finite, are hard: somebody else's question."""
    answerer = ModelAnswerer()
    answerer.use(model, {})

    assert answerer.answer(question(np.zeros((3, 3)))) is None
    assert answerer.answer(question([np.nan, 0, 0, 0])) is None


def test_a_release_answers_with_the_threads_of_the_node() -> None:
    """A node with two threads predicts with two, also a release that comes later, and guesses the same."""
    layers = [{"class_name": "Conv2D", "filters": 32, "kernel_size": [3, 3]}] * 2
    wide = sequential(
        (64, 64, 32), [*layers, {"class_name": "Flatten"}, {"class_name": "Dense", "units": 3}], seed=1
    )
    asked = question(np.random.default_rng(1).standard_normal((64, 64, 32), np.float32))
    guesses = []
    for threads in (1, 2):
        answerer, before = ModelAnswerer(threads), threading.active_count()
        answerer.load(Release("site", 1, digest_of_release((), {}), (), {}), to_files(wide))
        guesses.append(answerer.answer(asked))
        assert threading.active_count() - before == threads - 1
    assert guesses[0] is not None
    assert guesses[0] == guesses[1]
