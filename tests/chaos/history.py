"""The outside checker: what devices saw, against what the nodes say at the end, as a list of troubles."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from py_edge.records import ERASED, TERMINAL

Event = Mapping[str, Any]
Id = tuple[str, int]


def read_events(path: Path) -> list[Event]:
    """The lines of a history file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def check_history(events: Iterable[Event], known: Mapping[str, Mapping[Id, Any]]) -> list[str]:
    """Compare what was told with what is. `known`: per node, what it says of each question (None: never heard).

    Lost: acknowledged, but the first node does not know it. Wrong asker: an answer for somebody else, or for other
    content. Twice: two effects of one question, or two answers in one node. Open: no final answer, or not ended.
    Kept: erased, and a node still has it. Gone: a node has erased it, and nobody asked for that.
    """
    asked: dict[Id, Event] = {}
    by_kind: dict[str, dict[Id, list[Event]]] = defaultdict(lambda: defaultdict(list))
    for event in events:
        key = (event["device"], event["sequence"])
        if event["kind"] == "invoke":
            asked[key] = event
        by_kind[event["kind"]][key].append(event)
    troubles = [f"{name(key)}: refused with {e[0]['status']}" for key, e in by_kind["refused"].items()]
    erased, to_erase = set(by_kind["erased"]), set(by_kind["erase"])
    for key, ends in by_kind["ended"].items():
        troubles += [
            f"{name(key)}: ended as {e['state']}"
            for e in ends
            if (e["state"] != ERASED or key not in to_erase)
        ][:1]
    for key in by_kind["ok"]:
        if not by_kind["effect"][key] and key not in erased:
            troubles.append(f"open: {name(key)} was acknowledged and never answered")
    for key, told in by_kind["delivered"].items():
        troubles += [trouble for event in told for trouble in check_delivery(key, event, asked.get(key))]
    for key, effects in by_kind["effect"].items():
        if len(effects) > 1:
            troubles.append(f"twice: {name(key)} took effect {len(effects)} times")
    for place, answers in known.items():
        troubles += check_node(place, answers, asked, set(by_kind["ok"]), first=place == next(iter(known)))
        troubles += check_erased(place, answers, erased, to_erase)
    return troubles


def check_delivery(key: Id, event: Event, asked: Event | None) -> list[str]:
    """An answer belongs to its asker and to what was asked."""
    if asked is None or event["to"] != key[0]:
        return [f"wrong asker: {name(key)} got an answer for {event['to']}"]
    if event["label_index"] != asked["label_index"]:
        return [f"wrong answer: {name(key)} got {event['label_index']}, want {asked['label_index']}"]
    return []


def check_node(
    place: str, answers: Mapping[Id, Any], asked: Mapping[Id, Event], acknowledged: set[Id], first: bool
) -> list[str]:
    """What one node says at the end."""
    troubles = []
    for key, found in answers.items():
        if found is None:
            if first and key in acknowledged:
                troubles.append(f"lost: {name(key)} was acknowledged, {place} does not know it")
            continue
        if found["state"] == ERASED:
            continue
        if found["question"]["digest"] != asked[key]["digest"]:
            troubles.append(f"false: {place} has other content for {name(key)}")
        if found["state"] not in TERMINAL:
            troubles.append(f"open: {name(key)} is {found['state']} at {place}")
        if len(found["answers"]) > 1:
            troubles.append(f"twice: {place} has {len(found['answers'])} revisions of {name(key)}")
    return troubles


def check_erased(place: str, answers: Mapping[Id, Any], erased: set[Id], to_erase: set[Id]) -> list[str]:
    """What was erased is gone at every node, and nothing else."""
    gone = {key for key, found in answers.items() if found is not None and found["state"] == ERASED}
    kept = [key for key in erased - gone if answers.get(key) is not None]
    return [f"kept: {name(key)} was erased, {place} still has it" for key in kept] + [
        f"gone: {name(key)} is erased at {place}, and nobody wanted that" for key in gone - to_erase
    ]


def count(events: Iterable[Event]) -> dict[str, int]:
    """How many of each kind."""
    found: dict[str, int] = defaultdict(int)
    for event in events:
        found[event["kind"]] += 1
    return dict(found)


def name(key: Id) -> str:
    """`device:sequence`, shortened for reading."""
    return f"{key[0][:8]}:{key[1]}"
