"""What a node finds when it starts on a disk after a cut, and what is wrong with that."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from py_edge.chain.states import PENDING
from py_edge.chain.tier import Tier
from py_edge.errors import PyEdgeError
from py_edge.fields import read_json
from py_edge.node.node import SystemClock
from py_edge.records import ERASED, Question
from py_edge.retrain.release import currents, read_files
from py_edge.storage.blobs import FolderBlobs
from py_edge.storage.ports import Reading
from py_edge.storage.sqlite import SqliteStore
from py_edge.storage.tables import ANSWERS, DELIVERIES, OUTBOX, PATHS, QUESTIONS, TASKS, VOTES
from tests.chaos.history import Id, name
from tests.chaos.power.promises import Promised


@dataclass
class Found:
    """states: of every question; upward: in the outbox; below: who asked and has not confirmed that it was told;
    inputs: digests whose input stands somewhere in the files; troubles: what no promise is needed for to be wrong."""

    states: dict[Id, str] = field(default_factory=dict)
    digests: dict[Id, str] = field(default_factory=dict)
    labels: dict[Id, int] = field(default_factory=dict)
    upward: set[Id] = field(default_factory=set)
    below: set[Id] = field(default_factory=set)
    askers: set[tuple[str, str, int]] = field(default_factory=set)
    tasks: dict[str, str] = field(default_factory=dict)
    votes: set[str] = field(default_factory=set)
    versions: dict[str, int] = field(default_factory=dict)
    inputs: set[str] = field(default_factory=set)
    troubles: list[str] = field(default_factory=list)
    restored: bool = True  # False: a backup that was refused


def look(folder: Path, inputs: Mapping[str, bytes]) -> Found:
    """Start on this folder as a node does, look at everything, and stop. inputs: by digest, those ever sent."""
    found = Found()
    try:
        asyncio.run(_look(folder, found))
    except PyEdgeError as error:
        found.troubles.append(f"refused: {error.code}: {error}")
        return found
    written = b"".join(path.read_bytes() for path in folder.glob("node.db*"))
    found.inputs = {digest for digest, data in inputs.items() if data in written}
    return found


async def _look(folder: Path, found: Found) -> None:
    store = SqliteStore(folder / "node.db", threaded=False)
    try:
        await Tier("site", 1, store, SystemClock(), random.Random(0)).go_on_erasing()
        blobs = FolderBlobs(folder / "blobs")
        for release in await store.read(currents):
            found.versions[release.name] = release.version
            try:
                read_files(blobs, release)
            except PyEdgeError as error:
                found.troubles.append(f"{release.name} {release.version}: {error.code}: {error}")
        await store.read(lambda tx: _read(tx, found))
    finally:
        await store.close()


def _read(tx: Reading, found: Found) -> None:
    for row in tx.select(QUESTIONS):
        key = (row["device"], row["sequence"])
        found.states[key], found.digests[key] = row["state"], row["digest"]
        if row["state"] != ERASED:
            Question.from_json(read_json(row["body"]))  # which compares its digest with its content
    for row in tx.select(ANSWERS, order=("revision",)):
        answer = read_json(row["body"])
        if not answer["provisional"]:
            found.labels[row["device"], row["sequence"]] = answer["label_index"]
    found.upward = {(row["device"], row["sequence"]) for row in tx.select(OUTBOX)}
    found.below = {(row["device"], row["sequence"]) for row in tx.select(DELIVERIES)}
    found.askers = {(row["asker"], row["device"], row["sequence"]) for row in tx.select(PATHS)}
    found.tasks = {row["task"]: row["digest"] for row in tx.select(TASKS)}
    found.votes = {row["task"] for row in tx.select(VOTES)}


def check_node(role: str, promised: Promised, found: Found, digests: Mapping[Id, str]) -> list[str]:
    """One node against what it had promised. digests: of what was sent under each id."""
    begun, troubles = promised.begun[role], [f"{role}: {trouble}" for trouble in found.troubles]
    for key in promised.asked[role]:
        state = found.states.get(key)
        if state is None:
            troubles.append(f"lost: {name(key)} was acknowledged, {role} does not know it")
        elif state != ERASED and found.digests[key] != digests[key]:
            troubles.append(f"false: {role} has other content for {name(key)}")
        elif state == ERASED and key not in begun:
            troubles.append(f"gone: {name(key)} is erased at {role}, and nobody wanted that")
    for key in promised.erased[role]:
        if found.states.get(key) != ERASED or digests[key] in found.inputs:
            troubles.append(f"kept: {name(key)} was erased, {role} still has it")
    for key, label in promised.labels[role].items():
        if key not in begun and found.labels.get(key) != label:
            troubles.append(f"answer lost: {name(key)} was {label}, {role} says {found.labels.get(key)}")
    if max(found.versions.values(), default=0) < promised.versions[role]:
        troubles.append(f"release lost: {role} told {promised.versions[role]}, has {found.versions}")
    return troubles


def check_votes(promised: Promised, cloud: Found, inputs: Mapping[str, bytes]) -> list[str]:
    """What the person was thanked for is there, unless its question is to be erased."""
    of_input = {data.decode(): digest for digest, data in inputs.items()}
    digests = {task: of_input[promised.shown[task]] for task in promised.votes - cloud.votes}
    kept = {cloud.digests.get(key) for key in promised.asked["cloud"] - promised.begun["cloud"]}
    return [f"vote lost: {task}" for task, digest in digests.items() if digest in kept]


def check_between(promised: Promised, site: Found, cloud: Found) -> list[str]:
    """No question is in limbo: what the site sends no more the cloud has, what the cloud tells no more the site has."""
    begun = promised.begun["site"]
    troubles = [
        f"limbo: {name(key)} is {state} at the site, which will not send it, and the cloud does not know it"
        for key, state in site.states.items()
        if state in PENDING and key not in site.upward and key not in cloud.states
    ]
    for asker, device, sequence in cloud.askers:
        key = (device, sequence)
        told = key in cloud.labels and key not in cloud.below and asker == "node:site"
        if told and key not in site.labels and site.states.get(key) != ERASED and key not in begun:
            troubles.append(f"limbo: the cloud has told the answer to {name(key)}, the site does not have it")
    return troubles
