"""Who looks at what: a lease that is judged when it is read, so an expired one frees its task by itself.

Order: one's own open lease, then gold for a newcomer, then tasks begun by others that need more votes, then what its
deadline would soon end, then by uncertainty and age; gold for whom we know well enough, and what one skipped, only when
nothing else is left.
"""

from __future__ import annotations

from py_edge.chain.states import enter
from py_edge.desk.annotators import is_newcomer, votes_of
from py_edge.desk.verdict import Rules, standing_votes
from py_edge.storage.ports import Reading, Row, Transaction, Where
from py_edge.storage.tables import LEASES, QUESTIONS, TASKS, VOTES

LOOK_AT = 200
DEADLINE_NEAR_MS = 600_000
LEASE_UNKNOWN_MS, LEASE_LEAST_MS, LEASE_MOST_MS = 60_000, 30_000, 3_600_000


def lease_next(tx: Transaction, annotator: str, now_ms: int, rules: Rules) -> tuple[Row, int] | None:
    """The next task for this person and until when it is theirs (Unix ms); None when there is nothing."""
    mine = _own_lease(tx, annotator, now_ms)
    row = mine or _pick(tx, annotator, now_ms, rules)
    if row is None:
        return None
    until = now_ms + lease_ms(tx)
    tx.delete(LEASES, ("annotator", "=", annotator))
    tx.put(LEASES, {"task": row["task"], "annotator": annotator, "until_ms": until})
    for question in tx.select(QUESTIONS, ("digest", "=", row["digest"]), ("state", "=", "queued")):
        enter(tx, question, "working", now_ms, "a person looks at it")
    return row, until


def lease_ms(tx: Reading) -> int:
    """Three times the median time of recent votes, in milliseconds."""
    votes = tx.select(VOTES, ("seconds", ">", 0.0), order=("-number",), limit=21)
    if not votes:
        return LEASE_UNKNOWN_MS
    median = sorted(vote["seconds"] for vote in votes)[len(votes) // 2]
    return min(LEASE_MOST_MS, max(LEASE_LEAST_MS, int(3000 * median)))


def let_go(tx: Transaction, task: str, annotator: str) -> None:
    """The person is done with this task."""
    tx.delete(LEASES, ("task", "=", task), ("annotator", "=", annotator))


def _own_lease(tx: Reading, annotator: str, now_ms: int) -> Row | None:
    for lease in tx.select(LEASES, ("annotator", "=", annotator), *_running(now_ms)):
        task = tx.get(TASKS, lease["task"])
        if task is not None and task["state"] == "open":
            return task
    return None


def _pick(tx: Reading, annotator: str, now_ms: int, rules: Rules) -> Row | None:
    fresh: Row | None = None
    skipped: Row | None = None
    newcomer = is_newcomer(tx, annotator)
    for row in _most_urgent(tx, now_ms, newcomer):
        votes = standing_votes(votes_of(tx, row["task"]))
        own = [vote for vote in votes if vote.annotator == annotator]
        if own and own[0].verdict != "skip":
            continue
        counted = sum(vote.verdict != "skip" for vote in votes)
        if counted + _busy(tx, row["task"], annotator, now_ms) >= rules.most:
            continue
        if own:
            skipped = skipped or row
        elif newcomer if row["gold"] else counted or rules.most == 1:
            return row
        else:
            fresh = fresh or row
    return fresh or skipped


def _most_urgent(tx: Reading, now_ms: int, gold_first: bool) -> list[Row]:
    """The open tasks with a near deadline, earliest first, then all by priority; some stand in both."""
    near = (("deadline_ms", ">", now_ms), ("deadline_ms", "<=", now_ms + DEADLINE_NEAR_MS))
    asked = (("state", "=", "open"), ("gold", "=", 0))
    gold = tx.select(TASKS, ("state", "=", "open"), ("gold", "=", 1), order=("-priority",), limit=LOOK_AT)
    return [
        *(gold if gold_first else []),
        *tx.select(TASKS, *asked, *near, order=("deadline_ms",), limit=LOOK_AT),
        *tx.select(TASKS, *asked, order=("-priority",), limit=LOOK_AT),
        *([] if gold_first else gold),
    ]


def _busy(tx: Reading, task: str, annotator: str, now_ms: int) -> int:
    return tx.count(LEASES, ("task", "=", task), ("annotator", "!=", annotator), *_running(now_ms))


def _running(now_ms: int) -> tuple[Where, Where]:
    """A lease that runs; one that ends farther away than any lease may was written by a clock that ran ahead."""
    return ("until_ms", ">", now_ms), ("until_ms", "<=", now_ms + LEASE_MOST_MS)
