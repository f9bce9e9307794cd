"""How far each person is trusted: from gold first, then from agreement; a vote taken back is forgotten."""

from __future__ import annotations

import pytest

from py_edge.chain.inbox import Arrival, take_question
from py_edge.desk.annotators import GOLD_ENOUGH, annotators, hear, is_newcomer, skills
from py_edge.desk.assignment import lease_next
from py_edge.desk.tasks import add_gold, open_task, task_id
from py_edge.desk.verdict import Rules
from py_edge.desk.votes import cast_vote, undo_vote
from py_edge.records import Vote
from py_edge.storage.in_memory import MemoryStore
from py_edge.storage.ports import Transaction
from tests.node.asking import DEVICE, question

SEVERAL = Rules(most=5)


def says(who: str, label: int) -> Vote:
    """A vote for a label."""
    return Vote(annotator=who, verdict="label", label_index=label)


def test_what_is_heard_again_replaces_what_was_heard() -> None:
    """Each task counts once per person, with its latest chance; without votes it counts for nothing."""

    def story(tx: Transaction) -> None:
        assert skills(tx, ["ann"]) == {"ann": 0.8}
        hear(tx, "t", {"ann": 0.5, "ben": 1.0}, gold=False)
        hear(tx, "t", {"ann": 1.0}, gold=False)
        assert skills(tx, ["ann", "ben"]) == {"ann": pytest.approx(5 / 6), "ben": pytest.approx(0.8)}
        hear(tx, "t", {}, gold=False)
        assert skills(tx, ["ann"]) == {"ann": pytest.approx(0.8)}

    MemoryStore().write_now(story)


def test_newcomers_get_gold_first_and_others_last() -> None:
    """Gold costs votes, so it goes to those about whom it tells something."""

    def story(tx: Transaction) -> None:
        for number in range(1, GOLD_ENOUGH + 2):
            add_gold(tx, question(number), 3, 1_000)
        asked = question(99)
        take_question(tx, Arrival(asked, DEVICE, None, 1, 2_000), open_task, set())
        for _ in range(GOLD_ENOUGH):
            assert is_newcomer(tx, "ann")
            got = lease_next(tx, "ann", 3_000, SEVERAL)
            assert got is not None
            assert got[0]["gold"] == 1
            cast_vote(tx, got[0]["task"], says("ann", 3), 3_000, SEVERAL)
        assert not is_newcomer(tx, "ann")
        got = lease_next(tx, "ann", 3_000, SEVERAL)
        assert got is not None
        assert got[0]["task"] == task_id(asked.digest)
        cast_vote(tx, got[0]["task"], says("ann", 3), 3_000, SEVERAL)
        got = lease_next(tx, "ann", 3_000, SEVERAL)
        assert got is not None
        assert got[0]["gold"] == 1

    MemoryStore().write_now(story)


def test_wrong_on_gold_counts_less_and_undo_takes_it_back() -> None:
    """Three times wrong on gold: trusted less than a newcomer; a vote taken back is as if it had not been."""

    def story(tx: Transaction) -> None:
        for number in (1, 2, 3):
            add_gold(tx, question(number), 3, 1_000)
            cast_vote(tx, task_id(question(number).digest), says("eve", 5), 2_000, SEVERAL)
        assert skills(tx, ["eve"])["eve"] == pytest.approx(4 / 8)
        undo_vote(tx, task_id(question(3).digest), "eve", 3_000, SEVERAL)
        assert skills(tx, ["eve"])["eve"] == pytest.approx(4 / 7)

    MemoryStore().write_now(story)


def test_the_dashboard_is_told_votes_agreement_and_skill() -> None:
    """Right on one gold task of two: half agree; a skip is a vote on which nobody is judged; who votes most comes first."""

    def story(tx: Transaction) -> None:
        for number, label in ((1, 3), (2, 5)):
            add_gold(tx, question(number), 3, 1_000)
            cast_vote(tx, task_id(question(number).digest), says("eve", label), 2_000, SEVERAL)
        skip = Vote(annotator="ann", verdict="skip", label_index=None)
        cast_vote(tx, task_id(question(2).digest), skip, 2_000, SEVERAL)
        newcomer = {"name": "ann", "votes": 1, "judged": 0, "gold": 0, "agreement": None, "skill": 0.8}
        eve = {
            "name": "eve",
            "votes": 2,
            "judged": 2,
            "gold": 2,
            "agreement": 0.5,
            "skill": pytest.approx(5 / 7),
        }
        assert annotators(tx, 5) == [eve, newcomer]
        assert annotators(tx, 1) == [eve]

    MemoryStore().write_now(story)
