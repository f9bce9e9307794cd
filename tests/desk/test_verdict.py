"""The verdict: a pure function of the set of votes."""

from __future__ import annotations

import random

import pytest

from py_edge.desk.verdict import CastVote, Rules, chance_of_right, find_verdict, right_on_gold, standing_votes

ONE = Rules()
MANY = Rules(least=2, most=5, sure=0.95)


def label(number: int, annotator: str, index: int, undoes: int = 0) -> CastVote:
    """A vote for a label."""
    return CastVote(number, annotator, "label", index, undoes)


def test_one_vote_is_enough_by_default() -> None:
    """The first label decides; skips decide nothing."""
    assert not find_verdict([], 10, ONE).done
    assert not find_verdict([CastVote(1, "a", "skip", -1)], 10, ONE).done
    verdict = find_verdict([CastVote(1, "a", "skip", -1), label(2, "b", 3)], 10, ONE)
    assert (verdict.done, verdict.label_index, verdict.annotators) == (True, 3, ("b",))


def test_nobody_can_tell_is_an_answer_too() -> None:
    """Done without a label: the asker hears that a person looked."""
    for word in ("cannot_tell", "none_of_these"):
        verdict = find_verdict([CastVote(1, "a", word, -1)], 10, ONE)
        assert (verdict.done, verdict.label_index) == (True, None)


def test_order_and_repetition_change_nothing() -> None:
    """Any permutation, with duplicates, of any set of votes has the same verdict."""
    rng = random.Random(7)
    for _ in range(200):
        votes = [
            CastVote(
                n,
                rng.choice("abcde"),
                *rng.choice([("label", 1), ("label", 2), ("skip", -1), ("cannot_tell", -1)]),
            )
            for n in range(1, rng.randrange(2, 9))
        ]
        wanted = find_verdict(votes, 4, MANY)
        shuffled = [*votes, *votes]
        rng.shuffle(shuffled)
        assert find_verdict(shuffled, 4, MANY) == wanted


def test_a_vote_taken_back_does_not_count() -> None:
    """Undo removes it; voting again replaces."""
    votes = [label(1, "a", 3), CastVote(2, "a", "skip", -1, undoes=1)]
    assert find_verdict(votes, 10, ONE).counted == 0
    assert find_verdict([*votes, label(3, "a", 4)], 10, ONE).label_index == 4
    assert find_verdict([label(1, "a", 3), label(2, "a", 4)], 10, ONE).label_index == 4


def test_trusted_persons_end_it_sooner() -> None:
    """Two who agree and are good are enough; two who are bad are not; contradiction asks for more."""
    good, bad = {"a": 0.97, "b": 0.97}, {"a": 0.6, "b": 0.6}
    agreeing = [label(1, "a", 3), label(2, "b", 3)]
    assert find_verdict(agreeing, 10, MANY, good).done
    assert not find_verdict([label(1, "a", 3)], 10, MANY, good).done
    assert not find_verdict(agreeing, 4, MANY, bad).done
    assert not find_verdict([label(1, "a", 3), label(2, "b", 4)], 10, MANY, good).done


def test_most_votes_end_it_anyway() -> None:
    """Five are the budget; the best so far wins."""
    votes = [label(1, "a", 1), label(2, "b", 2), label(3, "c", 1), label(4, "d", 3), label(5, "e", 1)]
    verdict = find_verdict(votes, 10, MANY)
    assert (verdict.done, verdict.label_index, verdict.annotators) == (True, 1, ("a", "c", "e"))


def test_the_model_never_decides_alone() -> None:
    """However sure the asking model is, a label wins only with a person's vote for it."""
    model = {2: 0.999}
    assert not find_verdict([], 10, MANY, {}, model).done
    verdict = find_verdict([label(1, "a", 3), label(2, "b", 3)], 10, Rules(2, 2), {}, model)
    assert (verdict.done, verdict.label_index) == (True, 3)
    helped = find_verdict([label(1, "a", 2)], 10, Rules(1, 5), {"a": 0.85}, {2: 0.6})
    alone = find_verdict([label(1, "a", 2)], 10, Rules(1, 5), {"a": 0.85})
    assert (helped.done, alone.done) == (True, False)


@pytest.mark.parametrize("most", [1, 3, 5])
def test_simulated_annotators(most: int) -> None:
    """More votes, fewer errors: the posterior is worth its price."""
    rng = random.Random(most)
    wrong = 0
    for _ in range(400):
        truth = rng.randrange(10)
        votes: list[CastVote] = []
        while not find_verdict(votes, 10, Rules(min(2, most), most), {}).done:
            said = truth if rng.random() < 0.8 else rng.randrange(10)
            votes.append(label(len(votes) + 1, f"a{len(votes)}", said))
        wrong += find_verdict(votes, 10, Rules(min(2, most), most), {}).label_index != truth
    assert wrong / 400 < {1: 0.25, 3: 0.12, 5: 0.08}[most]


def test_agreement_tells_who_is_right() -> None:
    """The chance of each vote given all of them; on gold it is one or nought, and a skip says nothing."""
    votes = [label(1, "a", 3), label(2, "b", 3), label(3, "c", 4), CastVote(4, "d", "skip", -1)]
    chance = chance_of_right(votes, 10, {}, {3: 0.6})
    assert set(chance) == {"a", "b", "c"}
    assert chance["a"] == chance["b"] > 0.95
    assert chance["c"] < 0.05
    assert right_on_gold([*votes, CastVote(5, "e", "cannot_tell", -1)], 4) == {"a": 0, "b": 0, "c": 1, "e": 0}


def test_behind_a_vote_taken_back_the_one_before_stands() -> None:
    """Label 3, then 5, and 5 taken back: 3 is what this person says."""
    votes = [label(1, "a", 3), label(2, "a", 5), CastVote(3, "a", "skip", -1, undoes=2)]
    assert standing_votes(votes) == [label(1, "a", 3)]
