"""A Teachable Machine zip goes on learning, natively: it answers as its files do, learns, and leaves as TF.js files."""

from __future__ import annotations

import importlib.util
import json
import random
from array import array
from pathlib import Path
from types import ModuleType

import pytest

from py_edge.host import browser
from py_edge.host.teachable import Imported
from py_edge.model import load_model


def _fixture() -> ModuleType:
    path = Path(__file__).parent / "teachable_zip.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


fixture = _fixture()
LABELS, SIDE, teachable_files, zipped = fixture.LABELS, fixture.SIDE, fixture.teachable_files, fixture.zipped
ROW = SIDE * SIDE * 3


def _pictures(n: int, seed: int = 0) -> tuple[array[float], list[int]]:
    """n noisy pictures -1..1; class 0 is bright, class 1 dark."""
    rng = random.Random(seed)
    labels = [i % 2 for i in range(n)]
    return array("f", [(0.5, -0.5)[k] + rng.uniform(-0.3, 0.3) for k in labels for _ in range(ROW)]), labels


def test_it_answers_as_its_files_do_and_its_features_stay() -> None:
    """Features and head one after the other give what the whole model gives; training moves the head alone."""
    files = teachable_files()
    model = load_model({name: files[name] for name in ("model.json", "weights.bin")})
    room = Imported(zipped(files))
    assert (room.labels, room.picture, room.inputs) == (LABELS, (SIDE, SIDE, 3), 4)
    pictures, labels = _pictures(20)
    features = room.features(pictures, 20)
    told = memoryview(room.predict(features, 20)).cast("f").tolist()
    rows = memoryview(pictures).cast("B").cast("f", [20, SIDE, SIDE, 3]).tolist()
    assert told == pytest.approx(list(model.predict(rows).flat), abs=1e-6)
    first = room.fit(features, labels, 1)
    last = room.fit(features, labels, 400)
    assert last["loss"] < first["loss"] * 0.5
    assert last["accuracy"] == 1
    again = load_model(room.files())
    assert again.metadata["labels"] == LABELS
    assert again.weights["conv/kernel"].tolist() == model.weights["conv/kernel"].tolist()
    assert again.weights["dense_1/kernel"].tolist() != model.weights["dense_1/kernel"].tolist()
    fresh, truth = _pictures(40, seed=1)
    found = memoryview(room.predict(room.features(fresh, 40), 40)).cast("f")
    assert [int(found[2 * i + 1] > found[2 * i]) for i in range(40)] == truth


def _without(name: str) -> dict[str, bytes]:
    files: dict[str, bytes] = teachable_files()
    del files[name]
    return files


def _labels(*labels: object) -> dict[str, bytes]:
    return {**teachable_files(), "metadata.json": json.dumps({"labels": labels}).encode()}


@pytest.mark.parametrize(
    ("archive", "code", "where"),
    [
        (b"no zip", "E_INTEGRITY", "zip"),
        (zipped(teachable_files())[:-300], "E_INTEGRITY", "zip"),
        (zipped(_without("weights.bin")), "E_NOT_FOUND", "weights.bin"),
        (zipped(_without("metadata.json")), "E_NOT_FOUND", "metadata.json"),
        (zipped({**teachable_files(), "metadata.json": bytes(2 << 20)}), "E_LIMIT", "metadata.json"),
        (zipped({**teachable_files(), "metadata.json": b"[1"}), "E_FORMAT", "metadata.json"),
        (zipped({**teachable_files(), "weights.bin": b"1234"}), "E_INTEGRITY", "weights.bin"),
        (zipped(_labels("day", "night", "dusk")), "E_SHAPE", "metadata.json /labels"),
        (zipped(_labels(1, 2)), "E_FORMAT", "metadata.json /labels"),
        (zipped(_labels("day")), "E_LIMIT", "metadata.json /labels"),
    ],
    ids=["text", "cut", "no weights", "no metadata", "bomb", "no JSON", "short", "three", "numbers", "one"],
)  # fmt: skip
def test_what_is_no_such_zip_is_refused_and_the_net_before_stays(
    archive: bytes, code: str, where: str
) -> None:
    """Each with its code and the file in the zip; the net that was open goes on answering."""
    assert browser.class_import("zip", zipped(teachable_files()))["value"]["labels"] == LABELS
    problem = browser.class_import("zip", archive)["problem"]
    assert problem["code"] == code
    assert where in problem["where"]
    assert len(browser.class_predict("zip", bytes(16), 1)["value"]) == 8


def test_half_a_picture_and_a_net_without_features_are_refused() -> None:
    """Sizes that do not fit, and features of a net that was not imported."""
    browser.class_import("zip", zipped(teachable_files()))
    browser.class_open("plain", 2, [4], LABELS, {})
    assert browser.class_features("zip", bytes(12), 1)["problem"]["code"] == "E_SHAPE"
    assert browser.class_features("plain", bytes(12), 1)["problem"]["code"] == "E_NOT_FOUND"
