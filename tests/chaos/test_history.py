"""The checker sees each kind of wrong in a history that has just that."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chaos.history import check_history

DEVICE, OTHER = "a" * 32, "b" * 32


def event(kind: str, **facts: Any) -> dict[str, Any]:
    """One line of history."""
    return {"kind": kind, "device": DEVICE, "sequence": 1, **facts}


INVOKE = event("invoke", digest="d", label_index=3)
OK = event("ok")
DELIVERED = event("delivered", to=DEVICE, revision=1, label_index=3)
EFFECT = event("effect", to=DEVICE, revision=1, label_index=3)
ERASE, ERASED = event("erase"), event("erased")
KNOWN = {"state": "answered", "question": {"digest": "d"}, "answers": [{}]}


def check(events: list[dict[str, Any]], **changes: Any) -> list[str]:
    """Check a history in which the only node says KNOWN with these changes."""
    return check_history(events, {"site": {(DEVICE, 1): KNOWN | changes}})


def test_a_good_history_has_no_trouble() -> None:
    """Asked, acknowledged, delivered twice, one effect."""
    assert check([INVOKE, OK, DELIVERED, DELIVERED, EFFECT]) == []


def test_a_good_history_may_erase() -> None:
    """Erased before its answer came, and gone."""
    ended = event("ended", state="erased")
    assert check([INVOKE, OK, ERASE, ended, ERASED], state="erased") == []


@pytest.mark.parametrize(
    ("events", "changes", "word"),
    [
        ([INVOKE, OK], {}, "open"),
        ([INVOKE, OK, DELIVERED, EFFECT, EFFECT], {}, "twice"),
        ([INVOKE, OK, DELIVERED, EFFECT], {"answers": [{}, {}]}, "twice"),
        ([INVOKE, OK, DELIVERED | {"to": OTHER}, EFFECT], {}, "wrong asker"),
        ([INVOKE, OK, DELIVERED | {"label_index": 4}, EFFECT], {}, "wrong answer"),
        ([INVOKE, OK, DELIVERED, EFFECT], {"question": {"digest": "e"}}, "false"),
        ([INVOKE, OK, DELIVERED, EFFECT], {"state": "queued"}, "open"),
        ([INVOKE, event("ended", state="failed"), OK, DELIVERED, EFFECT], {}, "ended as failed"),
        ([INVOKE, OK, ERASE, ERASED], {}, "kept"),
        ([INVOKE, OK, DELIVERED, EFFECT], {"state": "erased"}, "gone"),
        ([INVOKE, event("ended", state="erased"), OK, DELIVERED, EFFECT], {}, "ended as erased"),
        ([INVOKE, event("refused", status=409), OK, DELIVERED, EFFECT], {}, "refused"),
    ],
)
def test_each_kind_of_wrong_is_seen(events: list[dict[str, Any]], changes: Any, word: str) -> None:
    """One thing wrong, one trouble, by its name."""
    found = check(events, **changes)
    assert len(found) == 1
    assert word in found[0]


def test_a_lost_question_is_seen() -> None:
    """Acknowledged, and the first node has never heard of it."""
    found = check_history([INVOKE, OK, DELIVERED, EFFECT], {"site": {(DEVICE, 1): None}})
    assert [trouble.split(":")[0] for trouble in found] == ["lost"]
