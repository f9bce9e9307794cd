"""A vote is cast or taken back: a new row each time, and the verdict drawn anew in the same transaction."""

from __future__ import annotations

from typing import Any

from py_edge.chain.answers import PERSON_TIER, settle
from py_edge.desk.annotators import hear, skills, votes_of
from py_edge.desk.assignment import let_go
from py_edge.desk.tasks import existing_task, question_of
from py_edge.desk.verdict import Rules, Verdict, chance_of_right, find_verdict, right_on_gold, standing_votes
from py_edge.errors import ConflictError, ValueRangeError
from py_edge.records import Answer, Vote
from py_edge.storage.ports import Row, Transaction
from py_edge.storage.tables import QUESTIONS, TASKS, VOTES


def cast_vote(tx: Transaction, task: str, vote: Vote, now_ms: int, rules: Rules) -> Verdict:
    """Add a vote and let the verdict take effect. Voting again changes one's vote; the same vote twice is one.

    Raises NotFoundError: no such task. ValueRangeError: a label that the task does not have.
    """
    row = existing_task(tx, task)
    index = -1 if vote.label_index is None else vote.label_index
    classes = number_of_classes(question_of(tx, row))
    if classes and index >= classes:
        raise ValueRangeError("no such label", where="/label_index", got=index, want=f"0..{classes - 1}")
    mine = [cast for cast in standing_votes(votes_of(tx, task)) if cast.annotator == vote.annotator]
    if not mine or (mine[0].verdict, mine[0].label_index) != (vote.verdict, index):
        _write(tx, task, vote.annotator, vote.verdict, index, vote.seconds, now_ms, 0)
    let_go(tx, task, vote.annotator)
    return _apply(tx, row, now_ms, rules)


def undo_vote(tx: Transaction, task: str, annotator: str, now_ms: int, rules: Rules) -> Verdict:
    """Take back one's vote; the task is open again if the rest is not enough. Raises ConflictError: nothing to undo."""
    row = existing_task(tx, task)
    mine = [cast for cast in standing_votes(votes_of(tx, task)) if cast.annotator == annotator]
    if not mine:
        raise ConflictError("there is no vote to take back", where=task, got=annotator)
    _write(tx, task, annotator, "skip", -1, 0.0, now_ms, mine[0].number)
    return _apply(tx, row, now_ms, rules)


def number_of_classes(question: dict[str, Any]) -> int:
    """How many labels a task has; 0 when the asker did not say."""
    labels = question["labels"]
    return len(labels) if labels else 0


def _write(
    tx: Transaction,
    task: str,
    annotator: str,
    verdict: str,
    index: int,
    seconds: float,
    now_ms: int,
    undoes: int,
) -> None:
    tx.insert(VOTES, {
        "number": tx.next_number("votes"), "task": task, "annotator": annotator, "verdict": verdict,
        "label_index": index, "seconds": seconds, "at_ms": now_ms, "undoes": undoes,
    })  # fmt: skip


def _apply(tx: Transaction, row: Row, now_ms: int, rules: Rules) -> Verdict:
    body = question_of(tx, row)
    labels = body["labels"]
    votes = votes_of(tx, row["task"])
    highest = max((vote.label_index for vote in votes), default=0)
    classes = len(labels) if labels else highest + 2
    several = rules.most > 1
    skill = skills(tx, {vote.annotator for vote in votes}) if several else {}
    model = _model_vote(body, rules)
    verdict = find_verdict(votes, classes, rules, skill, model)
    if row["gold"]:
        hear(tx, row["task"], right_on_gold(votes, row["gold_index"]), gold=True)
    elif several:
        right = chance_of_right(votes, classes, skill, model) if verdict.done else {}
        hear(tx, row["task"], right, gold=False)
    tx.update(TASKS, (row["task"],), state="done" if verdict.done else "open")
    tx.notify("desk")
    if verdict.done:
        _answer(tx, row, verdict, labels, now_ms)
    return verdict


def _model_vote(body: dict[str, Any], rules: Rules) -> dict[int, float]:
    if rules.most == 1 or not body["labels"]:
        return {}
    places = {label: place for place, label in enumerate(body["labels"])}
    known = [candidate for candidate in body["candidates"] if candidate["label"] in places]
    return {places[candidate["label"]]: candidate["probability"] for candidate in known}


def _answer(tx: Transaction, row: Row, verdict: Verdict, labels: list[str] | None, now_ms: int) -> None:
    """Send the verdict home, if it says something that was not said before."""
    index = verdict.label_index
    for asked in tx.select(QUESTIONS, ("digest", "=", row["digest"]), order=("changed_at_ms",)):
        question = (
            tx.get(QUESTIONS, asked["device"], asked["sequence"]) or asked
        )  # its twin may have settled it
        answer = Answer(
            device=question["device"], sequence=question["sequence"], revision=1, label_index=index,
            label=labels[index] if labels and index is not None else None, source="person", tier=PERSON_TIER,
            confidence=verdict.confidence, annotators=verdict.annotators, answered_at_ms=now_ms,
        )  # fmt: skip
        settle(tx, question, answer, now_ms)
