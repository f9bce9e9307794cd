"""X12, the human desk: how many votes an item takes, and how often the verdict is wrong.

Run: python -m tests.desk.experiments.votes [--seeds 20] [--json FILE]. Twelve simulated annotators, right in 0.6 to 0.98 of
their votes, 10 classes, 1,000 items in the order in which they come, every tenth one gold. Accuracies are learnt from gold
as it passes, two votes each, so about 17 per annotator. The model that asked is right in 60 % and its probability says so. Arms: one vote, majority of 3 and of 5 (controls),
adaptive without and with the model, and adaptive with the model and the true accuracies (oracle). Votes on gold are counted apart.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from py_edge.desk.annotators import PRIOR_ALL, PRIOR_RIGHT
from py_edge.desk.verdict import CastVote, Rules, find_verdict
from tests.train.experiments.forgetting import interval

CLASSES, ITEMS, GOLD_EVERY, MODEL_RIGHT = 10, 1000, 10, 0.6
SKILLS = [0.6 + 0.38 * place / 11 for place in range(12)]
ARMS = ("one", "majority3", "majority5", "adaptive", "adaptive_model", "oracle_model")
RULES = Rules(least=1, most=5, sure=0.90)


class Desk:
    """Annotators who vote, and what gold has told about them."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.right: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()

    def vote(self, truth: int, number: int, who: int) -> CastVote:
        """One vote of one annotator."""
        return CastVote(number, f"a{who}", "label", said(self.rng, truth, SKILLS[who]))

    def learnt(self) -> dict[str, float]:
        """Accuracies as the desk computes them from gold."""
        return {n: (self.right[n] + PRIOR_RIGHT) / (count + PRIOR_ALL) for n, count in self.seen.items()}

    def judge(self, truth: int, arm: str, who: list[int]) -> tuple[int | None, int]:
        """The verdict on one item, and how many votes it took."""
        fixed = {"one": 1, "majority3": 3, "majority5": 5}.get(arm)
        if fixed:
            heard = [self.vote(truth, n + 1, who[n]).label_index for n in range(fixed)]
            return Counter(heard).most_common(1)[0][0], fixed
        skill = {f"a{n}": right for n, right in enumerate(SKILLS)} if "oracle" in arm else self.learnt()
        model = {said(self.rng, truth, MODEL_RIGHT): MODEL_RIGHT} if "model" in arm else {}
        votes: list[CastVote] = []
        while True:
            votes.append(self.vote(truth, len(votes) + 1, who[len(votes)]))
            verdict = find_verdict(votes, CLASSES, RULES, skill, model)
            if verdict.done:
                return verdict.label_index, len(votes)


def said(rng: random.Random, truth: int, right: float) -> int:
    """A label that is the truth with this chance, else any other."""
    return truth if rng.random() < right else (truth + rng.randrange(1, CLASSES)) % CLASSES


def run(seed: int, arm: str) -> dict[str, float]:
    """Error and votes per item over one stream, and how well the accuracies were ranked."""
    desk, wrong, votes, gold_votes, items = Desk(seed), 0, 0, 0, 0
    for number in range(ITEMS):
        truth = desk.rng.randrange(CLASSES)
        who = desk.rng.sample(range(12), 5)
        if number % GOLD_EVERY == 0 and arm.startswith("adaptive"):
            for one in who[:2]:
                desk.seen[f"a{one}"] += 1
                desk.right[f"a{one}"] += desk.vote(truth, 1, one).label_index == truth
                gold_votes += 1
            continue
        label, took = desk.judge(truth, arm, who)
        wrong += label != truth
        votes += took
        items += 1
    found = {"error": wrong / items, "votes": votes / items, "gold_votes": gold_votes / items}
    if gold_votes:
        learnt = desk.learnt()
        ranks = np.argsort(np.argsort([learnt.get(f"a{n}", PRIOR_RIGHT / PRIOR_ALL) for n in range(12)]))
        found["rank_correlation"] = float(np.corrcoef(ranks, range(12))[0, 1])
    return found


def main() -> None:
    """Every arm over every seed; prints and writes one JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    table: dict[str, Any] = {"experiment": "X12", "seeds": options.seeds, "items": ITEMS, "arms": {}}
    for arm in ARMS:
        rows = [run(seed, arm) for seed in range(options.seeds)]
        table["arms"][arm] = {name: interval([row[name] for row in rows]) for name in rows[0]}
        print(arm, table["arms"][arm], flush=True)
    if options.json:
        options.json.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
