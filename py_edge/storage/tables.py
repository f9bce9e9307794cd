"""Every table, declared once: SQL, the in-memory body and the tab's IndexedDB are all made from this page.

Columns are text, integer or real and never null: an empty string or 0 stands for "none", so that every body
orders and compares alike. `body` columns hold the JSON of a record; the other columns are what is searched by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from py_edge.errors import StorageError


@dataclass(frozen=True, slots=True)
class Table:
    """One table: columns with their kind, the primary key, and what is searched by."""

    name: str
    columns: Mapping[str, str]
    key: tuple[str, ...]
    indexes: tuple[tuple[str, ...], ...] = ()

    def checked(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """The row, if it has every column and no other. Raises StorageError: our own bug, never the user's."""
        if row.keys() != self.columns.keys():
            wrong = sorted(row.keys() ^ self.columns.keys())
            raise StorageError("a row does not fit its table", where=self.name, got=wrong)
        return row


def _columns(words: str) -> dict[str, str]:
    """`name` is text, `name_ms` and other counts are integers (`name#`), `name~` is real."""
    found = {}
    for word in words.split():
        kind = {"#": "integer", "~": "real"}.get(word[-1], "text")
        found[word.rstrip("#~")] = kind
    return found


# A question as this node knows it; `body` is the Question, the rest is where it stands here.
QUESTIONS = Table(
    "questions",
    _columns(
        "device sequence# digest model state asked_at_ms# deadline_ms# priority~ audit# revision# tier# "
        "answered_by provisional# place# estimate_s~ changed_at_ms# body"
    ),
    ("device", "sequence"),
    (("digest",), ("state", "deadline_ms")),
)
# Every state a question entered, only ever added to.
TRANSITIONS = Table(
    "transitions", _columns("device sequence# number# state at_ms# reason"), ("device", "sequence", "number")
)
# The way home: who asked us (a device, or `node:` and the name of a child).
PATHS = Table("paths", _columns("device sequence# asker"), ("device", "sequence", "asker"))
# Every revision of every answer, numbered by this node.
ANSWERS = Table(
    "answers", _columns("device sequence# revision# at_ms# body"), ("device", "sequence", "revision")
)
# What was already taken in from above; stands in the transaction of its effect, so it happens once. Its origin is the
# id of the count that `revision` belongs to, or the name of a parent that gives none.
INBOX = Table(
    "inbox",
    _columns("origin device sequence# revision# at_ms#"),
    ("origin", "device", "sequence", "revision"),
)
# Answers on their way down; a row is gone when its asker has acknowledged it.
DELIVERIES = Table(
    "deliveries", _columns("event# asker device sequence# revision#"), ("event",), (("asker", "event"),)
)
# Questions on their way up.
OUTBOX = Table(
    "outbox",
    _columns("device sequence# kind priority~ attempts# next_try_ms# failure reason created_at_ms#"),
    ("device", "sequence", "kind"),
    (("next_try_ms",),),
)
# What the parent refused for good, with its payload, until it is replayed.
DEAD_LETTERS = Table(
    "dead_letters", _columns("number# device sequence# kind status# reason at_ms# body"), ("number",)
)
# Work for persons: one task per digest, whoever asked.
TASKS = Table(
    "tasks",
    _columns("task digest state priority~ created_at_ms# deadline_ms# gold# gold_index# revision# body"),
    ("task",),
    (("state", "priority"),),
)
# Who is looking at a task, and until when; an old lease is simply ignored by the reader.
LEASES = Table("leases", _columns("task annotator until_ms#"), ("task", "annotator"), (("annotator",),))
# What persons said; only ever added to. `undoes` names the vote taken back.
VOTES = Table(
    "votes",
    _columns("number# task annotator verdict label_index# seconds~ at_ms# undoes#"),
    ("number",),
    (("task",), ("annotator",)),
)
# Questions with answers, to learn from.
EXAMPLES = Table(
    "examples",
    _columns("device sequence# model source tier# weight~ audit# label_index# at_ms# body"),
    ("device", "sequence"),
    (("model", "at_ms"),),
)
# Every version of every model; `current` is 1 for the one in use.
RELEASES = Table(
    "releases", _columns("name version# digest current# at_ms# body"), ("name", "version"), (("digest",),)
)
# What the gate decided about each candidate, and why.
GATES = Table("gates", _columns("number# name decision at_ms# body"), ("number",), (("name",),))
# Work to be done once, with a lease.
JOBS = Table("jobs", _columns("kind key state payload until_ms# attempts# created_at_ms#"), ("kind", "key"))
# Bearer tokens by their sha256.
TOKENS = Table("tokens", _columns("sha256 name scope created_at_ms# revoked#"), ("sha256",))
# Small facts: the device id, the name of the node, cursors.
FACTS = Table("facts", _columns("name value"), ("name",))
COUNT = "count"  # the fact that names the count of revisions which began with this disk, or with its backup
# Numbers that count up: events, dead letters, votes, the sequence of the device.
COUNTERS = Table("counters", _columns("name value#"), ("name",))
EVENTS = "events"  # the counter of deliveries
EVENT_BITS = 40  # events of a new disk begin below 2^40, and leap as far at a restore: 2^53 is far away

ALL = (
    QUESTIONS, TRANSITIONS, PATHS, ANSWERS, INBOX, DELIVERIES, OUTBOX, DEAD_LETTERS, TASKS, LEASES, VOTES,
    EXAMPLES, RELEASES, GATES, JOBS, TOKENS, FACTS, COUNTERS,
)  # fmt: skip
BY_NAME = {table.name: table for table in ALL}
