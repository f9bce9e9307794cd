"""X12, the human desk: how many votes an item takes, and how often the verdict is wrong.

Run: python -m tests.desk.experiments.votes [--seeds 20] [--json FILE] [--svg FILE]. Twelve simulated annotators, right in
0.6 to 0.98 of their votes, 10 classes, 1,000 items in the order in which they come, every tenth one gold. The adaptive arms
are the desk as shipped (five votes at most, else its defaults): leases, votes, gold for newcomers, accuracies learnt on
the way; without and with the model that asked, which is right in 60 % and says so. Controls: one vote, majority of 3 and
of 5, and the true accuracies (oracle). `all_votes` counts the votes on gold too, per item that is not gold.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from py_edge.chain.inbox import Arrival, take_question
from py_edge.desk.annotators import skills
from py_edge.desk.assignment import lease_next
from py_edge.desk.tasks import add_gold, open_task, task_id
from py_edge.desk.verdict import CastVote, Rules, Verdict, find_verdict
from py_edge.desk.votes import cast_vote
from py_edge.records import Candidate, Question, Vote
from py_edge.storage.in_memory import MemoryStore
from py_edge.storage.ports import Transaction
from tests.node.asking import LABELS, question
from tests.train.experiments.command import flags, publish
from tests.train.experiments.forgetting import interval
from tests.train.experiments.picture import Panel, draw

CLASSES, ITEMS, GOLD_EVERY, MODEL_RIGHT, NOW_MS = len(LABELS), 1000, 10, 0.6, 1_000_000
PEOPLE = [f"a{place}" for place in range(12)]
SKILLS = {name: 0.6 + 0.38 * place / 11 for place, name in enumerate(PEOPLE)}
ARMS = ("one", "majority3", "majority5", "oracle_model", "adaptive", "adaptive_model")
RULES = Rules(most=5)
WANTED = {"error": 0.03, "votes": 1.8, "all_votes": 1.8, "rank_correlation": 0.9}
AXES = {"error": (0.0, 0.25), "votes": (0.0, 5.0), "all_votes": (0.0, 5.0), "rank_correlation": (0.0, 1.0)}
TITLES = {"error": "wrong verdicts", "votes": "votes per item", "all_votes": "with those on gold", "rank_correlation": "ranking of people"}  # fmt: skip


def run_control(seed: int, arm: str) -> dict[str, float]:
    """Error and votes per item without the desk: a fixed number of votes, or the true accuracies."""
    rng, wrong, votes = random.Random(seed), 0, 0
    for _ in range(ITEMS):
        truth, who = rng.randrange(CLASSES), rng.sample(PEOPLE, 5)
        label, took = judge(rng, truth, arm, who)
        wrong += label != truth
        votes += took
    return {"error": wrong / ITEMS, "votes": votes / ITEMS, "all_votes": votes / ITEMS}


def judge(rng: random.Random, truth: int, arm: str, who: list[str]) -> tuple[int | None, int]:
    """The verdict on one item, and how many votes it took."""
    heard = [CastVote(n, name, "label", said(rng, truth, SKILLS[name])) for n, name in enumerate(who, 1)]
    fixed = {"one": 1, "majority3": 3, "majority5": 5}.get(arm)
    if fixed:
        return Counter(vote.label_index for vote in heard[:fixed]).most_common(1)[0][0], fixed
    model = {said(rng, truth, MODEL_RIGHT): MODEL_RIGHT}
    for count in range(1, 6):
        verdict = find_verdict(heard[:count], CLASSES, RULES, SKILLS, model)
        if verdict.done:
            break
    return verdict.label_index, count


class Desk:
    """The real desk on a store in memory, with people who come one after the other."""

    def __init__(self, seed: int, with_model: bool) -> None:
        self.rng, self.with_model = random.Random(seed), with_model
        self.store = MemoryStore()
        self.truth: dict[str, int] = {}
        self.gold: set[str] = set()
        self.votes: Counter[str] = Counter()

    def ask(self, number: int) -> str:
        """Put one item before the desk; gives its task."""
        truth = self.rng.randrange(CLASSES)
        guess = str(said(self.rng, truth, MODEL_RIGHT))
        candidates = (Candidate(guess, MODEL_RIGHT),) if self.with_model else ()
        asked = question(1, float(number), device=f"{number:032x}", candidates=candidates)
        task = task_id(asked.digest)
        self.truth[task] = truth
        gold = number % GOLD_EVERY == 0
        self.gold |= {task} if gold else set()
        self.store.write_now(lambda tx: put(tx, asked, truth if gold else None))
        return task

    def come(self, who: str) -> tuple[str, Verdict] | None:
        """One person looks at what the desk gives, and votes."""

        def work(tx: Transaction) -> tuple[str, Verdict] | None:
            got = lease_next(tx, who, NOW_MS, RULES)
            if got is None:
                return None
            task = str(got[0]["task"])
            label = said(self.rng, self.truth[task], SKILLS[who])
            vote = Vote(annotator=who, verdict="label", label_index=label)
            self.votes[task] += 1
            return task, cast_vote(tx, task, vote, NOW_MS, RULES)

        return self.store.write_now(work)

    def settle(self, task: str) -> int | None:
        """People come until this item has its verdict."""
        for who in self.rng.sample(PEOPLE, len(PEOPLE)) * 3:
            came = self.come(who)
            if came is not None and came[0] == task and came[1].done:
                return came[1].label_index
        raise AssertionError("five votes are a verdict")


def put(tx: Transaction, asked: Question, truth: int | None) -> None:
    """A question as it arrives, or gold."""
    if truth is None:
        take_question(tx, Arrival(asked, asked.device, None, 1, NOW_MS), open_task, set())
    else:
        add_gold(tx, asked, truth, NOW_MS)


def run_desk(seed: int, arm: str) -> dict[str, float]:
    """Error and votes per item at the desk as shipped, and how well it ranks its people."""
    desk, wrong, items = Desk(seed, "model" in arm), 0, 0
    for number in range(1, ITEMS + 1):
        task = desk.ask(number)
        if task not in desk.gold:
            wrong += desk.settle(task) != desk.truth[task]
            items += 1
    learnt = desk.store.write_now(lambda tx: skills(tx, PEOPLE))
    ranks = np.argsort(np.argsort([learnt[name] for name in PEOPLE]))
    on_gold = sum(desk.votes[task] for task in desk.gold)
    return {
        "error": wrong / items, "votes": (desk.votes.total() - on_gold) / items, "gold_votes": on_gold / items,
        "all_votes": desk.votes.total() / items, "rank_correlation": float(np.corrcoef(ranks, range(len(PEOPLE)))[0, 1]),
    }  # fmt: skip


def said(rng: random.Random, truth: int, right: float) -> int:
    """A label that is the truth with this chance, else any other."""
    return truth if rng.random() < right else (truth + rng.randrange(1, CLASSES)) % CLASSES


def main() -> None:
    """Every arm over every seed; prints and writes one JSON."""
    options = flags()
    table: dict[str, Any] = {
        "experiment": "X12",
        "seeds": options.seeds,
        "items": ITEMS,
        "wanted": WANTED,
        "arms": {},
    }
    for arm in ARMS:
        run = run_desk if arm.startswith("adaptive") else run_control
        rows = [run(seed, arm) for seed in range(options.seeds)]
        table["arms"][arm] = {name: interval([row[name] for row in rows]) for name in rows[0]}
        print(arm, table["arms"][arm], flush=True)
    publish(options, table, {"": picture(table)})


def picture(table: Mapping[str, Any]) -> str:
    """The table as SVG."""
    panels = [
        Panel(
            title,
            {arm: row[key] for arm, row in table["arms"].items() if key in row},
            *AXES[key],
            WANTED[key],
        )
        for key, title in TITLES.items()
    ]
    return draw(
        "At the desk: how many votes an item takes, and how often the verdict is wrong",
        f"12 people, right in 0.6 to 0.98 of their votes; {table['items']} items, every tenth gold; {table['seeds']} seeds",
        panels,
        ["adaptive", "adaptive_model"],
    )


if __name__ == "__main__":
    main()
