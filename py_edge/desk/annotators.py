"""How far each person can be trusted: right answers on gold tasks, with a Beta prior."""

from __future__ import annotations

from py_edge.desk.verdict import CastVote, standing_votes
from py_edge.storage.ports import Reading
from py_edge.storage.tables import TASKS, VOTES

PRIOR_RIGHT, PRIOR_ALL = 4.0, 5.0  # as if each newcomer had 4 of 5 right


def skills(tx: Reading) -> dict[str, float]:
    """Accuracy of every person who voted on gold, in (0, 1)."""
    gold = {row["task"]: row["gold_index"] for row in tx.select(TASKS, ("gold", "=", 1))}
    right: dict[str, int] = {}
    seen: dict[str, int] = {}
    for task, truth in gold.items():
        for vote in standing_votes(votes_of(tx, task)):
            if vote.verdict != "skip":
                seen[vote.annotator] = seen.get(vote.annotator, 0) + 1
                right[vote.annotator] = right.get(vote.annotator, 0) + (vote.label_index == truth)
    return {name: (right[name] + PRIOR_RIGHT) / (count + PRIOR_ALL) for name, count in seen.items()}


def votes_of(tx: Reading, task: str) -> list[CastVote]:
    """Every vote on one task."""
    rows = tx.select(VOTES, ("task", "=", task), order=("number",))
    return [CastVote(r["number"], r["annotator"], r["verdict"], r["label_index"], r["undoes"]) for r in rows]
