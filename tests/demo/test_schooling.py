"""Teaching with our own engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from py_edge.demo.digits import Part, Splits
from py_edge.demo.owned import lessons_of
from py_edge.demo.pictures import to_examples
from py_edge.demo.recipe import DEVICE, SITE
from py_edge.demo.schooling import MEMORY_FILE, PLAN_FILE, School, new_model, outputs_of, teach
from py_edge.model import load_model
from py_edge.plan import Plan


def accuracy(files: dict[str, bytes], part: Part) -> float:
    return float(np.mean(np.argmax(outputs_of(load_model(files), part), 1) == part.labels))


def read(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_seed_teaches_the_same(splits: Splits) -> None:
    """Two models taught from one seed are bit-equal; another seed gives another model."""
    found = []
    for seed in (1, 1, 2):
        model = new_model(DEVICE, seed)
        teach(model, lessons_of(DEVICE, splits), DEVICE.start, seed)
        found.append(b"".join(tensor.tobytes() for tensor in model.weights.values()))
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_answers_make_the_device_better(models: Path, splits: Splits) -> None:
    """Taught 300 answers of unseen writers, the device model is clearly better on others of their pictures."""
    base = read(models / "device")
    school = School(DEVICE, lessons_of(DEVICE, splits))
    candidate, _ = school.train(base, to_examples(splits.stream[:300], "device"), 1)
    assert accuracy(dict(candidate), splits.held) > accuracy(base, splits.held) + 0.1


def test_guesses_are_probabilities_in_order(models: Path, splits: Splits) -> None:
    """One guess per example, its label the most probable, its numbers a distribution."""
    school = School(SITE, lessons_of(SITE, splits))
    guesses = school.evaluate(read(models / "site"), to_examples(splits.held[:50], "device"))
    assert len(guesses) == 50
    for guess in guesses:
        assert guess.label_index == int(np.argmax(guess.probabilities))
        assert sum(guess.probabilities) == pytest.approx(1)


def test_only_audits_certify(models: Path, splits: Splits) -> None:
    """Without audits nothing is sure; with many right ones a threshold is found, and the certificate says from what."""
    school = School(SITE, lessons_of(SITE, splits))
    gold = to_examples(splits.gold, "device")
    _, nothing = school.certify(read(models / "site"), [], gold)
    assert nothing["threshold"] > 1
    audits = to_examples(splits.stream[:200], "device")
    files, found = school.certify(read(models / "site"), audits, gold)
    assert 0 < found["threshold"] < 1
    assert found["certificate"]["n"] == 200
    assert PLAN_FILE not in files


def test_the_device_release_carries_what_a_page_needs(models: Path, splits: Splits) -> None:
    """Its plan says the policy in its meta, so a page can answer before Python; its memory holds the lessons."""
    school = School(DEVICE, lessons_of(DEVICE, splits))
    files, found = school.certify(read(models / "device"), to_examples(splits.stream[:200], "device"), [])
    plan = Plan.from_bytes(files[PLAN_FILE])
    assert plan.meta["threshold"] == found["threshold"]
    assert plan.inputs[0].shape == (1, 8, 8, 1)
    assert MEMORY_FILE in files
