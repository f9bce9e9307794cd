"""Records: strict on the way in, the same on the way out, digests that bind."""

from __future__ import annotations

from typing import Any

import pytest

from py_edge.errors import PyEdgeError
from py_edge.fields import canonical_json
from py_edge.records import (
    ERASED,
    STATES,
    TERMINAL,
    TRANSITIONS,
    Answer,
    Example,
    Question,
    Receipt,
    Record,
    Release,
    ReleaseFile,
    Vote,
    digest_of_content,
    digest_of_release,
)

CONTENT = {"shape": [1, 2], "dtype": "uint8", "data": "AQI="}
QUESTION: dict[str, Any] = {
    "device": "0123456789abcdef", "sequence": 1, "model": "digits", "input": CONTENT,
    "digest": digest_of_content(CONTENT, "digits"), "candidates": [{"label": "7", "probability": 0.5}],
}  # fmt: skip


def test_the_digest_is_that_of_the_browser() -> None:
    """sha256 over {"input":{"data","dtype","shape"},"model"} without spaces, as JSON.stringify writes it."""
    written = digest_of_content({"shape": [1], "dtype": "uint8", "data": "AQ=="}, "m")
    assert written == "562c89d4fa0d658973578c91d3305c5836beda7beb2ab3af821f6e08ea3bbf2b"


def test_every_record_survives_json() -> None:
    """to_json and from_json are inverse."""
    file = ReleaseFile("model.json", 3, "a" * 64)
    records: list[Record] = [
        Question.from_json(QUESTION),
        Answer("0123456789abcdef", 1, 2, "7", 7, "person", 99, annotators=("ann",)),
        Example("0123456789abcdef", 1, "digits", CONTENT, 7),
        Release("m", 1, digest_of_release((file,), {"labels": ["a"]}), (file,), {"labels": ["a"]}),
        Vote("ann", "label", 3, 1.5),
        Receipt("queued", 3, 1.5),
    ]
    for record in records:
        assert type(record).from_json(record.to_json()) == record


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"device": "XYZ"}, "/device"),
        ({"device": "0" * 65}, "/device"),
        ({"sequence": 0}, "/sequence"),
        ({"sequence": True}, "/sequence"),
        ({"sequence": 2**53}, "/sequence"),
        ({"digest": "0" * 64}, "/digest"),
        ({"model": "../x"}, "/model"),
        ({"confidence": 1.5}, "/confidence"),
        ({"rung": "soul"}, "/rung"),
        ({"hops": ["a"] * 9}, "/hops"),
        ({"candidates": [{"label": "x"}]}, "/candidates/0/probability"),
        ({"candidates": [{"label": "x", "probability": "much"}]}, "/candidates/0/probability"),
        ({"labels": ["a\u0000"]}, "/labels/0"),
        ({"input": None}, "/input"),
        ({"deadline_ms": -1}, "/deadline_ms"),
        ({"audit": 1}, "/audit"),
    ],
)
def test_a_bad_question_names_the_place(change: dict[str, Any], pointer: str) -> None:
    """The error points at the field, as a JSON pointer."""
    with pytest.raises(PyEdgeError) as caught:
        Question.from_json(QUESTION | change)
    assert caught.value.where == pointer


def test_the_quick_spelling_is_the_canonical_one() -> None:
    """Whatever words stand around it, the input is put where canonical_json puts it, byte for byte."""
    words = ['","input":null,"', "\\", '"input":null', "é\U0001f600", "a"]
    for shape, data in (([1, 2], "AQI="), ([], "AQ=="), ([0, 3], ""), ([3], "AQID")):
        content = {"shape": shape, "dtype": "uint8", "data": data}
        labels = [{"label": word, "probability": 0.5} for word in words]
        change = {"input": content, "candidates": labels, "digest": digest_of_content(content, "digits")}
        question = Question.from_json({**QUESTION, **change, "labels": words, "hops": ["input"]})
        assert question.canonical() == canonical_json(question.to_json())


def test_unknown_fields_are_left_alone() -> None:
    """A newer client may say more; what we do not know cannot set anything."""
    assert Question.from_json(QUESTION | {"__class__": "x", "tier": 99}) == Question.from_json(QUESTION)


@pytest.mark.parametrize(
    "unknown",
    [
        {"to_json": 1, "id": "x", "_unknown": {}},
        {"a": {"input": None}},
        {"a": "ü" * 1000},
        {"a": [[[0.5]], None]},
    ],
)
def test_unknown_fields_are_handed_on(unknown: dict[str, Any]) -> None:
    """Whatever they are called, they come out as they went in, and change neither the record nor its digest."""
    plain = Question.from_json(QUESTION)
    found = Question.from_json(QUESTION | unknown).but(hops=("site",))
    assert found == plain.but(hops=("site",))
    assert found.to_json() == plain.but(hops=("site",)).to_json() | unknown
    assert found.canonical() == canonical_json(found.to_json())
    assert Question.from_json(found.to_json()).to_json() == found.to_json()


@pytest.mark.parametrize(
    "unknown", [{"a": "x" * 4096}, {"a": float("inf")}, {"a": "\ud800"}, {"seal": "0" * 16}, {"a": b"x"}]
)
def test_what_cannot_be_handed_on_is_left_out(unknown: dict[str, Any]) -> None:
    """Too long, not JSON, or a word that the rows on the disk have for themselves: the record is taken without it."""
    assert Question.from_json(QUESTION | unknown).to_json() == Question.from_json(QUESTION).to_json()


def test_a_release_is_bound_to_its_content() -> None:
    """Files or metadata changed under the same digest are refused."""
    file = ReleaseFile("model.json", 3, "a" * 64)
    release = Release("m", 1, digest_of_release((file,), {}), (file,), {}).to_json()
    changes: list[dict[str, Any]] = [{"metadata": {"threshold": 0.0}}, {"files": []}]
    for change in changes:
        with pytest.raises(PyEdgeError, match="digest"):
            Release.from_json(release | change)


@pytest.mark.parametrize(
    "path", ["../w.bin", "/etc/x", "a/../b", "C:\\x", "a//b", "", ".hidden", "a/./b", "https://x"]
)
def test_paths_match_one_positive_grammar(path: str) -> None:
    """A file of a release has a plain relative name."""
    with pytest.raises(PyEdgeError):
        ReleaseFile.from_json({"path": path, "size": 1, "sha256": "a" * 64})


def test_a_label_vote_names_a_label() -> None:
    """And the other verdicts name none."""
    with pytest.raises(PyEdgeError):
        Vote.from_json({"annotator": "a", "verdict": "label"})
    with pytest.raises(PyEdgeError):
        Vote.from_json({"annotator": "a", "verdict": "skip", "label_index": 1})


def test_states_form_one_machine() -> None:
    """Every way leads to a known state, every state is reached from asked, and ends are ends."""
    reached, new = set(), {"asked"}
    while new:
        reached |= new
        new = {target for state in new for target in TRANSITIONS[state]} - reached
    assert reached == set(STATES)
    assert TRANSITIONS["answered"] == TRANSITIONS["cancelled"] == (ERASED,)
    assert TRANSITIONS[ERASED] == ()
    assert set(TERMINAL) < set(STATES)


def test_every_field_is_described() -> None:
    """The schema of each record names and explains every field."""
    for kind in (Question, Answer, Release, Example, Vote, Receipt):
        for name, row in kind.schema()["properties"].items():
            assert row["description"], f"{kind.__name__}.{name}"
