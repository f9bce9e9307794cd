"""An error tells the place, what came, what was wanted, and keeps its code."""

from __future__ import annotations

import py_edge.errors
from py_edge.errors import ERROR_BY_CODE, LimitError, PyEdgeError, ShapeError, refusal


def test_the_sentence_has_all_parts() -> None:
    """Where, what came, what was wanted, what to do, and the code stand in the text and in the dict."""
    error = ShapeError(
        "dim is negative", where="model.json /a/0", got=-2, want="0..9", remedy="convert again"
    )

    assert str(error) == "model.json /a/0: dim is negative (got -2, want 0..9); convert again [E_SHAPE]"
    assert error.as_dict() == {
        "code": "E_SHAPE", "message": "dim is negative", "where": "model.json /a/0", "got": -2, "want": "0..9",
        "remedy": "convert again",
    }  # fmt: skip


def test_the_class_says_it_when_nobody_does() -> None:
    """Without a message the first line of the class docstring stands in."""
    assert LimitError().message == "A size, depth or count is over its limit."


def test_a_hostile_value_is_cut() -> None:
    """An error never carries a megabyte."""
    assert len(str(PyEdgeError("x", got="a" * 10**6))) < 300


def test_every_class_has_its_own_code() -> None:
    """Codes are unique, and each error class is found by its code."""
    kinds = [k for k in vars(py_edge.errors).values() if isinstance(k, type) and issubclass(k, PyEdgeError)]

    assert {kind.code: kind for kind in kinds} == ERROR_BY_CODE
    assert len({kind.code for kind in kinds}) == len(kinds)


def test_what_a_node_refuses_keeps_its_code_and_remedy() -> None:
    """A node's problem becomes the same error here; an answer that is no problem of ours is E_NETWORK with the place."""
    told = refusal(
        {"code": "E_AUTH", "detail": "who are you", "where": "/v1/status", "remedy": "send its token"}, "x"
    )
    assert str(told) == "/v1/status: the node refused: who are you; send its token [E_AUTH]"
    others: list[object] = [None, [], {"code": "nonsense"}]
    for other in others:
        assert (refusal(other, "http://x").code, refusal(other, "http://x").where) == (
            "E_NETWORK",
            "http://x",
        )
