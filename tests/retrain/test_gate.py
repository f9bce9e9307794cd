"""The gate: who passes and why not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from py_edge.chain.ports import Guess
from py_edge.records import Example
from py_edge.retrain.gate import GateRules, judge, sign_test
from tests.node.asking import DEVICE, content

N = 40
EXAMPLES = [Example(DEVICE, n + 1, "digits", content(float(n)), n % 2) for n in range(N)]
LIKELY = GateRules(rule="likelihood")


def guesses(wrong: Sequence[int] = (), sure: float = 0.97) -> list[Guess]:
    """Right everywhere but in the given places, each with this confidence."""
    found = []
    for place, example in enumerate(EXAMPLES):
        label = example.label_index if place not in wrong else 1 - example.label_index
        found.append(Guess(label, [sure if index == label else 1 - sure for index in (0, 1)]))
    return found


def test_better_passes_and_worse_does_not() -> None:
    """Six wins to none pass the paired test; the other way round, and no change at all, are refused."""
    good, bad = guesses(), guesses(range(6))
    assert judge(EXAMPLES, [], bad, good, GateRules()).passed
    assert not judge(EXAMPLES, [], good, bad, GateRules()).passed
    assert not judge(EXAMPLES, [], good, good, GateRules()).passed


def test_likelihood_lets_small_steps_through() -> None:
    """As often right and surer of it passes by likelihood, not by the paired test; less sure or less right never does."""
    old, surer, less_sure = guesses([0]), guesses([0], 0.975), guesses([0], 0.9)
    assert judge(EXAMPLES, [], old, surer, LIKELY).passed
    assert not judge(EXAMPLES, [], old, surer, GateRules()).passed
    assert not judge(EXAMPLES, [], old, less_sure, LIKELY).passed
    assert not judge(EXAMPLES, [], guesses(), guesses([0], 0.999), LIKELY).passed


@pytest.mark.parametrize("candidate", [[], [Guess(0, [])] * N, [Guess(0, [float("nan"), 1.0])] * N])
def test_nonsense_is_refused(candidate: list[Guess]) -> None:
    """A candidate without answers or with numbers that are not finite never passes, by either rule."""
    for rules in (GateRules(), LIKELY):
        assert not judge(EXAMPLES, [], guesses([0]), candidate, rules).passed


def test_one_class_worse_is_refused() -> None:
    """Better over all but clearly worse on one class is refused with that class's name."""
    old, new = guesses(range(0, 24, 2)), guesses([1, 3, 5, 7])
    decision = judge([], EXAMPLES, old, new, GateRules())
    assert not decision.passed
    assert "class 1" in decision.reason


def test_a_win_that_could_be_chance_is_refused() -> None:
    """One win to none is a coin's toss; two to none are the quarter that alpha allows, unless alpha is less."""
    assert (
        judge(EXAMPLES, [], guesses([0]), guesses(), GateRules()).reason == "better, but it could be chance"
    )
    assert judge(EXAMPLES, [], guesses([0, 2]), guesses(), GateRules()).passed
    assert not judge(EXAMPLES, [], guesses([0, 2]), guesses(), GateRules(alpha=0.2)).passed


def test_a_class_of_few_examples_is_not_judged_alone() -> None:
    """Three of nine lost stop nobody who wins twelve elsewhere; of ten they do."""
    for n, passes in ((9, True), (10, False)):
        rare = [Example(DEVICE, 1000 + i, "digits", content(float(i)), 2) for i in range(n)]
        right = [Guess(2, [0.0, 0.0, 1.0])] * n
        lost = [*[Guess(1, [0.0, 1.0, 0.0])] * 3, *right[3:]]
        decision = judge(
            [], [*EXAMPLES, *rare], [*guesses(range(12)), *right], [*guesses(), *lost], GateRules()
        )
        assert decision.passed == passes, decision.reason


def test_sign_test_is_the_binomial_tail() -> None:
    """Four of four: one in sixteen; nothing to compare: certain to be chance."""
    assert sign_test(4, 0) == 1 / 16
    assert sign_test(0, 0) == 1.0


def test_worse_on_gold_is_refused_although_fresh_answers_like_it() -> None:
    """A flood of new answers cannot buy the loss of what was known."""
    fresh = [Example(DEVICE, N + n + 1, "digits", content(float(n)), 1) for n in range(60)]
    old = [*guesses(), *[Guess(0, [0.97, 0.03])] * 60]
    new = [*guesses(range(20)), *[Guess(1, [0.03, 0.97])] * 60]
    decision = judge(EXAMPLES, fresh, old, new, GateRules())
    assert (decision.passed, decision.reason) == (False, "worse on gold")


def test_overconfident_is_refused() -> None:
    """Right more often, but sure of everything it gets wrong."""
    decision = judge(EXAMPLES, [], guesses(range(20), 0.55), guesses(range(12), 0.999), GateRules())
    assert (decision.passed, decision.reason) == (False, "confidence fits worse")
