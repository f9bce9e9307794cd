"""How far each person can be trusted: how often right on gold and, as far as the votes tell, on everything else.

One step of expectation maximisation per verdict (Dawid and Skene 1979, as votes come in): a vote counts as right with
the chance that all votes on its task, and the model's, give its label. All tasks count: those that need many votes are
the hard ones, and a person judged by them alone would look worse. A Beta prior speaks for newcomers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from py_edge.desk.verdict import CastVote
from py_edge.fields import canonical_json, read_json
from py_edge.storage.ports import Reading, Transaction
from py_edge.storage.tables import FACTS, VOTES

PRIOR_RIGHT, PRIOR_ALL = 4.0, 5.0  # as if each newcomer had 4 of 5 right
GOLD_ENOUGH = 3  # gold tasks a newcomer is shown before all others; what follows is learnt from agreement
NOBODY = {"right": 0.0, "seen": 0, "gold": 0}


def skills(tx: Reading, annotators: Iterable[str]) -> dict[str, float]:
    """Accuracy of each of these persons, in (0, 1)."""
    known = {name: _record(tx, name) for name in annotators}
    return {name: (each["right"] + PRIOR_RIGHT) / (each["seen"] + PRIOR_ALL) for name, each in known.items()}


def annotators(tx: Reading, most: int) -> list[dict[str, Any]]:
    """The persons with the most votes, as the dashboard shows them: votes cast (skips and those taken back included),
    on how many tasks judged, gold among these, share right there (None: not judged yet), skill."""
    cast = tx.tally(VOTES, "annotator", ("undoes", "=", 0))
    names = sorted(cast, key=lambda name: (-cast[name], name))[:most]
    known, skill = {name: _record(tx, name) for name in names}, skills(tx, names)
    return [
        {
            "name": name, "votes": cast[name], "judged": int(each["seen"]), "gold": int(each["gold"]),
            "agreement": each["right"] / each["seen"] if each["seen"] else None, "skill": skill[name],
        }
        for name, each in known.items()
    ]  # fmt: skip


def is_newcomer(tx: Reading, annotator: str) -> bool:
    """Whether gold would still tell much about this person."""
    return bool(_record(tx, annotator)["gold"] < GOLD_ENOUGH)


def hear(tx: Transaction, task: str, right: Mapping[str, float], gold: bool) -> None:
    """Note how likely each person is right about a task; said again, it replaces what was noted before."""
    before = _fact(tx, heard(task), {})
    for name in sorted({*before, *right}):
        each, more = _record(tx, name), (name in right) - (name in before)
        each["right"] += right.get(name, 0.0) - before.get(name, 0.0)
        each["seen"] += more
        each["gold"] += more if gold else 0
        _keep(tx, f"annotator:{name}", each)
    if before or right:
        _keep(tx, heard(task), dict(right))


def heard(task: str) -> str:
    """The fact that holds what was noted about a task."""
    return f"heard:{task}"


def votes_of(tx: Reading, task: str) -> list[CastVote]:
    """Every vote on one task."""
    rows = tx.select(VOTES, ("task", "=", task), order=("number",))
    return [CastVote(r["number"], r["annotator"], r["verdict"], r["label_index"], r["undoes"]) for r in rows]


def _record(tx: Reading, annotator: str) -> dict[str, Any]:
    return dict(_fact(tx, f"annotator:{annotator}", NOBODY))


def _fact(tx: Reading, name: str, otherwise: dict[str, Any]) -> dict[str, Any]:
    row = tx.get(FACTS, name)
    return read_json(row["value"]) if row else otherwise


def _keep(tx: Transaction, name: str, value: dict[str, Any]) -> None:
    tx.put(FACTS, {"name": name, "value": canonical_json(value).decode()})
