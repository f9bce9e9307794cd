"""The verdict: a pure function of the set of votes; their order and repetition change nothing.

Each person is a coin of known bias (one-coin Dawid-Skene): with accuracy a the true label is named with chance a,
each wrong one with (1 - a) / (K - 1). The model that asked is one more such voter, never the deciding one: a
label wins only with a person's vote for it. Source: Dawid and Skene 1979; Goh et al. 2022 (CROWDLAB).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

NONE_OF_THESE = -1
LABELLED = ("label", "none_of_these")
DEFAULT_SKILL = 0.8


@dataclass(frozen=True)
class Rules:
    """When enough is known: posterior at least `sure` with at least `least` votes, or `most` votes."""

    least: int = 1
    most: int = 1
    sure: float = 0.90


@dataclass(frozen=True)
class CastVote:
    """One vote as a fact."""

    number: int
    annotator: str
    verdict: str
    label_index: int  # -1 unless verdict is label
    undoes: int = 0  # number of the vote taken back


@dataclass(frozen=True)
class Verdict:
    """What the votes say: done or not, and the best label (None: no label fits, or nobody can tell)."""

    done: bool
    label_index: int | None
    confidence: float
    annotators: tuple[str, ...]
    counted: int


def standing_votes(votes: Iterable[CastVote]) -> list[CastVote]:
    """The newest vote of each person that was not taken back."""
    known = {vote.number: vote for vote in votes}
    undone = {vote.undoes for vote in known.values() if vote.undoes}
    newest: dict[str, CastVote] = {}
    for number in sorted(known):
        vote = known[number]
        if number not in undone and not vote.undoes:
            newest[vote.annotator] = vote
    return [newest[name] for name in sorted(newest)]


def find_verdict(
    votes: Iterable[CastVote],
    classes: int,
    rules: Rules,
    skill: Mapping[str, float] | None = None,
    model: Mapping[int, float] | None = None,
) -> Verdict:
    """Draw the verdict.

    classes: number of labels K; skill: accuracy per person in (0, 1); model: probability per label index of the
    model that asked, if it may vote. Skips count for nothing.
    """
    counted = [vote for vote in standing_votes(votes) if vote.verdict != "skip"]
    labelled = [vote for vote in counted if vote.verdict in LABELLED]
    if not labelled:
        return Verdict(
            len(counted) >= rules.most, None, 0.0, tuple(vote.annotator for vote in counted), len(counted)
        )
    posterior = posterior_of(labelled, classes, skill or {}, model or {})
    named = {_choice(vote) for vote in labelled}
    best = max(sorted(named), key=lambda label: posterior[label])
    confidence = posterior[best]
    done = len(counted) >= rules.most or (len(labelled) >= rules.least and confidence >= rules.sure)
    backers = tuple(vote.annotator for vote in labelled if _choice(vote) == best)
    return Verdict(done, None if best == NONE_OF_THESE else best, confidence, backers, len(counted))


def right_on_gold(votes: Iterable[CastVote], truth: int) -> dict[str, float]:
    """Who named the known label (1) and who did not (0); skips count for nothing."""
    counted = [vote for vote in standing_votes(votes) if vote.verdict != "skip"]
    return {vote.annotator: float(vote.label_index == truth) for vote in counted}


def chance_of_right(
    votes: Iterable[CastVote], classes: int, skill: Mapping[str, float], model: Mapping[int, float]
) -> dict[str, float]:
    """How likely each person who named a label is right, by all the votes together."""
    labelled = [vote for vote in standing_votes(votes) if vote.verdict in LABELLED]
    posterior = posterior_of(labelled, classes, skill, model)
    return {vote.annotator: posterior[_choice(vote)] for vote in labelled}


def posterior_of(
    votes: Iterable[CastVote], classes: int, skill: Mapping[str, float], model: Mapping[int, float]
) -> dict[int, float]:
    """The chance of each label, and of "none of these", given the votes."""
    labels = [NONE_OF_THESE, *range(classes)]
    spread = max(1, len(labels) - 1)
    log = dict.fromkeys(labels, 0.0)
    if model:
        rest = max(1e-3, 1.0 - sum(model.values()))
        for label in labels:
            log[label] += math.log(max(1e-3, model.get(label, rest / spread)))
    for vote in votes:
        right = min(0.99, max(1.5 / len(labels), skill.get(vote.annotator, DEFAULT_SKILL)))
        for label in labels:
            log[label] += math.log(right if label == _choice(vote) else (1.0 - right) / spread)
    top = max(log.values())
    weights = {label: math.exp(value - top) for label, value in log.items()}
    total = sum(weights.values())
    return {label: weight / total for label, weight in weights.items()}


def _choice(vote: CastVote) -> int:
    return vote.label_index if vote.verdict == "label" else NONE_OF_THESE
