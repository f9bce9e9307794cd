"""What the learn worker does, natively: fine-tune from the release, certify with audits, make the page's plan."""

from __future__ import annotations

import sys
from array import array
from functools import partial
from typing import Any

import pytest

from py_edge.confidence import NEVER_SURE
from py_edge.host import browser
from py_edge.plan import Plan
from tests.host.digits_release import digits, trained_release


@pytest.fixture(scope="module")
def released() -> tuple[dict[str, Any], dict[str, bytes]]:
    """A release and its files."""
    return trained_release(120)


@pytest.fixture
def loaded(released: tuple[dict[str, Any], dict[str, bytes]]) -> str:
    """The name under which the worker holds the released model."""
    release, files = released
    given = {path: data for path, data in files.items() if path != "wasm.plan"}
    told = browser.load("device", given, release["metadata"], {"memory": "memory.json"})
    assert told == {"value": {"parameters": 64 * 24 + 24 + 24 * 10 + 10}}
    return "device"


def _learn(
    name: str,
    inputs: Any,
    labels: list[int],
    weights: list[float],
    audited_inputs: Any,
    audited_labels: list[int],
    options: dict[str, Any],
    kept: dict[str, bytes] | None = None,
) -> dict[str, Any]:
    """As the page does it: begin, go on until it is trained or a problem comes."""
    told = browser.learn_begin(name, inputs, labels, weights, options, kept or {})
    while not told.get("problem") and not (told["value"] or {}).get("trained"):
        told = browser.learn_on(name, 5.0, audited_inputs, audited_labels)
    return {"value": told["value"]["trained"]} if "value" in told else told


def _flat(rows: list[list[float]]) -> array[float]:
    return array("f", [value for row in rows for value in row])


def test_a_fine_tune_gives_a_plan_for_the_page_and_starts_from_the_release(loaded: str) -> None:
    """Learning twice from the same answers gives the same bytes: nothing is carried over but the release."""
    images, labels = digits()
    given: Any = (loaded, _flat(images[300:360]), labels[300:360], [], _flat([]), [], {"epochs": 3})
    first, second = _learn(*given)["value"], _learn(*given)["value"]
    assert first["plan"] == second["plan"]
    plan = Plan.from_bytes(first["plan"])
    assert (plan.panel, plan.inputs[0].shape, plan.outputs[0].shape) == (8, (1, 64), (1, 10))
    assert len(first["loss"]) == 3
    assert first["train_ms"] > 0
    assert first["examples"] == 60


def test_scikit_learn_fits_the_head_where_it_is(loaded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With head "logistic" the plan carries the head that scikit-learn found; without scikit-learn the remedy is told."""
    images, labels = digits()
    learn = partial(_learn, loaded, _flat(images[300:500]), labels[300:500], [], _flat([]), [])
    fitted = learn({"head": "logistic"})["value"]
    assert len(fitted["loss"]) == 1
    assert fitted["loss"][0] < learn({"epochs": 1})["value"]["loss"][0]
    assert Plan.from_bytes(fitted["plan"]).outputs[0].shape == (1, 10)
    assert learn({"head": "logical"})["problem"]["code"] == "E_VALUE"
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    monkeypatch.delitem(sys.modules, "py_edge.train.heads", raising=False)
    problem = learn({"head": "logistic"})["problem"]
    assert (problem["code"], problem["remedy"]) == ("E_ENVIRONMENT", "make the bundle with --tier sklearn")


def test_without_audits_changed_weights_are_never_sure(loaded: str) -> None:
    """A threshold that nothing vouches for is not kept: everything climbs."""
    images, labels = digits()
    told = _learn(loaded, _flat(images[300:330]), labels[300:330], [], _flat([]), [], {"epochs": 1})
    assert told["value"]["threshold"] == NEVER_SURE


def test_audits_certify_a_threshold_and_are_not_trained_on(loaded: str) -> None:
    """Audited answers change temperature and threshold, never the weights."""
    images, labels = digits()
    learn = partial(_learn, loaded, _flat(images[300:500]), labels[300:500], [])
    plain = learn(_flat([]), [], {"epochs": 5})["value"]
    audited = learn(_flat(images[:110]), labels[:110], {"epochs": 5})["value"]
    assert Plan.from_bytes(plain["plan"]).blob == Plan.from_bytes(audited["plan"]).blob
    assert audited["threshold"] < NEVER_SURE
    again = browser.certify(loaded, _flat(images[:110]), labels[:110])["value"]
    assert again["threshold"] == audited["threshold"]
    assert again["certificate"] == audited["certificate"]
    assert again["certificate"].keys() == {"n", "coverage", "errors", "bound", "reason"}  # as in a release
    assert again["certificate"]["n"] == 110


def test_newest_examples_win_and_classes_stay_balanced(loaded: str) -> None:
    """At most `per_class` of each class are trained on, the newest of what came home first."""
    images, labels = digits()
    few = _learn(loaded, _flat(images[:400]), labels[:400], [], _flat([]), [], {"epochs": 1, "per_class": 5})
    assert few["value"]["examples"] == 400
    newest = _flat(images[300:400]), labels[300:400]
    same = _learn(loaded, *newest, [], _flat([]), [], {"epochs": 1, "per_class": 5})
    assert Plan.from_bytes(few["value"]["plan"]).blob == Plan.from_bytes(same["value"]["plan"]).blob


@pytest.mark.parametrize("pieces", [1, 3, 8])
def test_a_worker_that_dies_is_resumed_to_the_same_bytes(
    released: tuple[dict[str, Any], dict[str, bytes]],
    loaded: str,
    pieces: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A new worker that gets the last generation ends with the plan of an unbroken fine-tune, after fewer steps."""
    monkeypatch.setattr("py_edge.host.learner.GENERATION_S", 0.0)
    images, labels = digits()
    given: tuple[Any, list[int], list[float]] = (_flat(images[300:500]), labels[300:500], [])
    options = {"epochs": 12, "batch": 16}
    whole = _learn(loaded, *given, _flat([]), [], options)["value"]
    browser.learn_begin(loaded, *given, options, {})
    kept: dict[str, bytes] = {}
    for _ in range(pieces):
        told = browser.learn_on(loaded, 0.0, _flat([]), [])["value"]
        kept = told["generations"] or kept
    release, files = released
    browser.load(loaded, {p: d for p, d in files.items() if p != "wasm.plan"}, release["metadata"], {"memory": "memory.json"})  # fmt: skip
    browser.learn_begin(loaded, *given, options, kept)
    next_piece = browser.learn_on(loaded, 0.0, _flat([]), [])["value"]["progress"]
    assert next_piece["epoch"] * next_piece["steps"] + next_piece["step"] >= pieces
    again = _learn(loaded, *given, _flat([]), [], options, kept)["value"]
    assert (again["plan"], again["loss"]) == (whole["plan"], whole["loss"])


def test_a_fit_that_explodes_says_so_and_the_release_stays(loaded: str) -> None:
    """A learning rate beyond reason: a problem with its code and remedy, and the released plan as before."""
    images, labels = digits()
    before = browser.plan(loaded)["value"]
    told = _learn(
        loaded, _flat(images[300:400]), labels[300:400], [], b"", [], {"learning_rate": 1e6, "epochs": 50}
    )
    assert told["problem"]["code"] == "E_TRAINING"
    assert "the last good weights are back" in told["problem"]["message"]
    assert browser.plan(loaded)["value"] == before


def test_a_fit_that_is_stopped_leaves_the_release(loaded: str) -> None:
    """After a stop there is nothing to go on with, and the model is the released one."""
    images, labels = digits()
    before = browser.plan(loaded)["value"]
    browser.learn_begin(loaded, _flat(images[300:400]), labels[300:400], [], {"epochs": 50}, {})
    browser.learn_on(loaded, 0.0, b"", [])
    browser.learn_stop(loaded)
    assert browser.learn_on(loaded, 0.0, b"", [])["problem"]["code"] == "E_NOT_FOUND"
    assert browser.plan(loaded)["value"] == before


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda name: _learn(name, b"", [], [], b"", [], {}), "E_TRAINING"),
        (lambda name: _learn(name, b"\0" * 8, [1], [], b"", [], {}), "E_SHAPE"),
        (lambda name: browser.load("other", {"model.json": b"{"}, {}, {}), "E_FORMAT"),
        (lambda name: browser.plan("never loaded"), "E_NOT_FOUND"),
    ],
)
def test_what_goes_wrong_is_told_with_its_code(loaded: str, call: Any, code: str) -> None:
    """No exception crosses into JavaScript; a problem does, and the loaded model goes on."""
    assert call(loaded)["problem"]["code"] == code
    assert browser.plan(loaded)["value"]


def test_a_broken_memory_file_is_refused_by_name(released: tuple[dict[str, Any], dict[str, bytes]]) -> None:
    """The rehearsal memory comes from outside and is checked like everything else."""
    release, files = released
    broken = {**files, "memory.json": b'{"labels": [1]}'}
    told = browser.load("device", broken, release["metadata"], {"memory": "memory.json"})
    assert told["problem"]["where"] == "memory.json"


def test_starting_seeds_randomness_anew() -> None:
    """A memory snapshot freezes the generator; two starts must not draw the same."""
    import random

    random.seed(1)
    browser.start()
    first = random.random()
    random.seed(1)
    browser.start()
    assert first != random.random()
