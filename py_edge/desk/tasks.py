"""Tasks: what a person is shown. One per content digest, so equal questions are looked at once.

A task knows no device: its id is cut from the digest, and the body holds only what the eye needs.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from py_edge.desk.annotators import heard
from py_edge.errors import NotFoundError
from py_edge.fields import read_json
from py_edge.records import Question
from py_edge.storage.ports import Reading, Row, Transaction
from py_edge.storage.tables import FACTS, LEASES, QUESTIONS, TASKS, VOTES

RECENT_VOTES = 20


def task_id(digest: str) -> str:
    """The name of the task for this content."""
    return digest[:32]


def open_task(tx: Transaction, row: Row, question: Question, now_ms: int) -> None:
    """Put a question before the persons (an `Escalate`); an ended task of the same content is opened again."""
    task = {
        "task": task_id(row["digest"]), "digest": row["digest"], "state": "open", "priority": row["priority"],
        "created_at_ms": now_ms, "deadline_ms": row["deadline_ms"], "gold": 0, "gold_index": -1, "revision": 0,
        "body": "",
    }  # fmt: skip
    if not tx.insert_new(TASKS, task):
        known = tx.get(TASKS, task["task"])
        if known is None or known["state"] == "open":
            return
        tx.put(TASKS, task | {name: known[name] for name in ("gold", "gold_index", "revision")})
    tx.notify("desk")


def close_task(tx: Transaction, row: Row, now_ms: int) -> None:
    """Nobody waits for this content any more."""
    if tx.update(TASKS, (task_id(row["digest"]),), state="cancelled"):
        tx.notify("desk")


def erase_task(tx: Transaction, digest: str) -> None:
    """Let go of a content (a `Shred`): no task, no lease, and votes that no longer say what they were about."""
    name = task_id(digest)
    tx.delete(TASKS, ("task", "=", name))
    tx.delete(LEASES, ("task", "=", name))
    tx.delete(FACTS, ("name", "=", heard(name)))
    for vote in tx.select(VOTES, ("task", "=", name)):
        tx.update(VOTES, (vote["number"],), task="")
    tx.notify("desk")


def add_gold(tx: Transaction, question: Question, label_index: int, now_ms: int) -> None:
    """Put a task whose answer is known among the others, to learn how far each person can be trusted."""
    row = {"digest": question.digest, "priority": -now_ms / 600_000, "deadline_ms": 0}
    open_task(tx, row, question, now_ms)
    body = question.canonical().decode()
    tx.update(TASKS, (task_id(question.digest),), gold=1, gold_index=label_index, body=body)


def existing_task(tx: Reading, name: str) -> Row:
    """The task with this id. Raises NotFoundError."""
    row = tx.get(TASKS, name)
    if row is None:
        raise NotFoundError("no such task", where=name)
    return row


def shown(tx: Reading, row: Row) -> dict[str, Any]:
    """What the page gets: no device, no digest."""
    question = question_of(tx, row)
    if question["audit"] or row["gold"]:
        question["candidates"] = []  # who judges a model must not be led by it
    words = ("input", "rung", "candidates", "labels", "model")
    return {
        "task": row["task"],
        **{word: question[word] for word in words},
        "deadline_ms": row["deadline_ms"] or None,
    }


def question_of(tx: Reading, row: Row) -> dict[str, Any]:
    """The first question that asked for this task, as JSON; gold has its own."""
    body = row["body"] or tx.select(QUESTIONS, ("digest", "=", row["digest"]), limit=1)[0]["body"]
    question: dict[str, Any] = read_json(body)
    return question


def waiting(tx: Reading) -> int:
    """How many tasks are open."""
    return tx.count(TASKS, ("state", "=", "open"))


def place_and_estimate(tx: Reading, row: Row) -> tuple[int | None, float | None]:
    """How many come before this question, and how long that takes at the pace of the last votes (None: no pace yet)."""
    place = tx.count(TASKS, ("state", "=", "open"), ("priority", ">", row["priority"]))
    each_s = pace(tx)
    return place, None if each_s is None else round((place + 1) * each_s, 1)


def pace(tx: Reading) -> float | None:
    """Median seconds from one vote to the next, of the last twenty; None while there are too few."""
    votes = tx.select(VOTES, order=("-number",), limit=RECENT_VOTES)
    if len(votes) < 3:
        return None
    gaps = sorted(newer["at_ms"] - older["at_ms"] for newer, older in pairwise(votes))
    return float(gaps[len(gaps) // 2] / 1000)
