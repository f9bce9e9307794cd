"""A Teachable Machine zip goes on learning, natively: it answers as its files do, learns, and leaves as TF.js files."""

from __future__ import annotations

import json
import random
from array import array

import pytest

from py_edge.host import browser
from py_edge.host.teachable import Imported
from py_edge.model import load_model
from tests.host.teachable_zip import FEATURES, LABELS, REAL, SIDE, teachable_files, zipped

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
    assert (room.labels, room.picture, room.inputs) == (LABELS, (SIDE, SIDE, 3), FEATURES)
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
    assert again.weights["Conv1/kernel"].tolist() == model.weights["Conv1/kernel"].tolist()
    assert again.weights["dense_Dense1/kernel"].tolist() != model.weights["dense_Dense1/kernel"].tolist()
    fresh, truth = _pictures(40, seed=1)
    found = memoryview(room.predict(room.features(fresh, 40), 40)).cast("f")
    assert [int(found[2 * i + 1] > found[2 * i]) for i in range(40)] == truth


def test_the_size_in_the_wild_is_taken_up_and_learns() -> None:
    """MobileNetV2 at width 0.35 and pictures of 224: 1280 features of each, and a head of 100 and 2 that learns them."""
    room = Imported(zipped(teachable_files(sizes=REAL)))
    assert (room.picture, room.inputs) == ((224, 224, 3), 1280)
    rng = random.Random(0)
    noise = [rng.uniform(-0.3, 0.3) for _ in range(room.picture[0] ** 2 * 3)]
    pictures = [array("f", [level + one for one in noise]) for level in (0.5, -0.5)]
    rows = b"".join(room.features(picture, 1) for picture in pictures)
    assert room.fit(rows, [0, 1], 60)["accuracy"] == 1


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
    assert len(browser.class_predict("zip", bytes(4 * FEATURES), 1)["value"]) == 8


def test_half_a_picture_and_a_net_without_features_are_refused() -> None:
    """Sizes that do not fit, and features of a net that was not imported."""
    browser.class_import("zip", zipped(teachable_files()))
    browser.class_open("plain", 2, [4], LABELS, {})
    assert browser.class_features("zip", bytes(12), 1)["problem"]["code"] == "E_SHAPE"
    assert browser.class_features("plain", bytes(12), 1)["problem"]["code"] == "E_NOT_FOUND"
