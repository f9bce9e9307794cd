"""The outside checker of a history: what must hold at the end, told from the rows on every disk.

Checked: nothing acknowledged is lost, every question ends, each answer belongs to its content, and takes effect on
its device exactly once per revision; no outbox, delivery or lane is left behind; the parent keeps what it accepted;
what was erased is gone at every place.
"""

from __future__ import annotations

from typing import Any

from py_edge.chain.answers import PERSON_TIER
from py_edge.chain.erasure import HOLD_CONTENT
from py_edge.chain.simulate.link import asker_of
from py_edge.chain.simulate.place import Place, truth
from py_edge.chain.simulate.world import Told, World
from py_edge.fields import read_json
from py_edge.records import ERASED, Question
from py_edge.storage.tables import DELIVERIES, EXAMPLES, PATHS, QUESTIONS

EMPTIED = {table.name for table in HOLD_CONTENT} - {DELIVERIES.name}


async def check(world: World) -> list[str]:
    """Look at the end from outside."""
    troubles = await world.unfinished()
    devices = {place.name: place for place in world.devices}
    for told in world.told.values():
        told.erased |= was_swept_up(world, told.question)
    for key, told in world.told.items():
        place = devices[told.question.device]
        row = place.disk.rows.get(("questions", (place.name, told.question.sequence)))
        if row is None:
            troubles.append(f"{key}: acknowledged, but lost")
            continue
        if told.erased:
            troubles += check_erased(world, told.question)
            continue
        ends = (
            {"answered"}
            | ({"expired"} if told.has_deadline else set())
            | ({"cancelled"} if told.cancelled else set())
        )
        if row["state"] not in ends or (row["state"] == "answered" and row["provisional"]):
            troubles.append(f"{key}: ended as {row['state']}")
        troubles += check_answers(
            place,
            told,
            row["revision"],
            may_be_wrong=was_left_behind(world, (place.name, told.question.sequence), told.question.digest)
            or was_forgotten(world, place, told.question.digest),
        )
        said = revisions_said(world.nodes[0], told.question.digest)
        forgotten = world.plan.erasures or world.plan.losses or world.plan.moves
        if row["revision"] > said and not forgotten:  # what was erased or lost is not counted any more
            troubles.append(f"{key}: {row['revision']} revisions, told only {said}")
    for place in world.nodes:
        troubles += check_examples(world, place)
    return troubles


def revisions_said(place: Place, digest: str) -> int:
    """How many revisions a node has given on this content, to whoever asked: a child cannot have more."""
    rows = place.disk.rows.items()
    return sum(
        row["revision"] for (name, _), row in rows if name == QUESTIONS.name and row["digest"] == digest
    )


def check_erased(world: World, question: Question) -> list[str]:
    """Where it came, a tombstone; its content only in rows of others that asked the same, and never without them."""
    found, key = [], (question.device, question.sequence)
    for place in world.places:
        rows = place.disk.rows
        row = rows.get((QUESTIONS.name, key))
        if row is not None and row["state"] != ERASED:
            found.append(f"{question.id}: still {row['state']} at {place.name}")
        same = [
            k
            for (name, k), row in rows.items()
            if name == QUESTIONS.name and row["digest"] == question.digest
        ]
        for (name, _), row in rows.items():
            of = (row.get("device"), row.get("sequence"))
            if (question.digest in str(row) and of not in same) or (name in EMPTIED and of == key):
                found.append(f"{question.id}: {place.name} keeps it in {name}")
    return found


def was_swept_up(world: World, question: Question) -> bool:
    """Asked while its device was erasing everything: it may be gone too."""
    rows = (
        place.disk.rows.get((QUESTIONS.name, (question.device, question.sequence))) for place in world.devices
    )
    return question.device in world.left and any(row is not None and row["state"] == ERASED for row in rows)


def was_left_behind(world: World, key: tuple[Any, ...], digest: str) -> bool:
    """The person never heard of it, only of an equal one that was erased: so no correction comes home."""
    known = world.nodes[-1].disk.rows.get((QUESTIONS.name, key))
    erased = [told for told in world.told.values() if told.erased and told.question.digest == digest]
    return known is None and bool(erased)


def was_forgotten(world: World, place: Place, digest: str) -> bool:
    """Somewhere above, this content is not known any more as asked from below: no correction finds its way down."""
    while not place.top:
        (above,) = [link.parent for link in world.links if link.child is place]
        asked = [
            key
            for (name, key), row in place.disk.rows.items()
            if name == QUESTIONS.name and row["digest"] == digest
        ]
        if not any((PATHS.name, (*key, asker_of(place))) in above.disk.rows for key in asked):
            return True
        place = above
    return False


def check_answers(place: Place, told: Told, revision: int, may_be_wrong: bool = False) -> list[str]:
    """Every revision is right for its content and took effect once."""
    found = []
    sequence = told.question.sequence
    for number in range(1, revision + 1):
        answer = read_json(place.disk.rows["answers", (place.name, sequence, number)]["body"])
        wrong = answer["label_index"] != truth(told.question.digest) and not answer["provisional"]
        if number == revision and wrong and not may_be_wrong:
            found.append(f"{told.question.id}: the last answer is not the right one")
        effects = place.disk.rows.get(("counters", (f"effect:{sequence}:{number}",)), {"value": 0})["value"]
        if effects != 1:
            found.append(f"{told.question.id} revision {number}: {effects} effects")
    return found


def check_examples(world: World, place: Place) -> list[str]:
    """One example per answered question, with the right label."""
    rows = place.disk.rows
    answered = {
        key for (name, key), row in rows.items() if name == QUESTIONS.name and row["tier"] == PERSON_TIER
    }
    examples = {key: row for (name, key), row in rows.items() if name == EXAMPLES.name}
    digests = {key: rows[QUESTIONS.name, key]["digest"] for key in examples}
    wrong = [
        key
        for key, row in examples.items()
        if row["label_index"] != truth(digests[key])
        and not was_left_behind(world, key, digests[key])
        and not was_forgotten(world, place, digests[key])
    ]
    found = [f"{place.name}: example of another question {key}" for key in wrong]
    if answered - set(examples):
        found.append(f"{place.name}: answers without examples: {sorted(answered - set(examples))[:3]}")
    return found
