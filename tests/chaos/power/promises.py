"""What had been promised before a cut: read from the bytes that the nodes sent, so nobody's word has to be believed."""

from __future__ import annotations

import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.history import Id
from tests.chaos.power.recording import NEVER, SENDS, Call

OK = (200, 201, 202)
_REQUEST = re.compile(rb"(GET|PUT|POST|DELETE) (\S+) HTTP/1\.1\r\n")
_STATUS = re.compile(rb"HTTP/1\.1 (\d+) ")


@dataclass
class Exchange:
    """A request to a node and its reply. begun, at: lines of the log where the one and the other began to be sent."""

    role: str
    method: str
    path: str
    begun: int
    sent: bytes
    at: int = NEVER
    status: int = 0
    got: bytes = b""

    @property
    def request(self) -> Any:
        """The body that was sent."""
        return json.loads(self.sent.partition(b"\r\n\r\n")[2])

    @property
    def reply(self) -> Any:
        """The body that came back."""
        head, _, body = self.got.partition(b"\r\n\r\n")
        return json.loads(gzip.decompress(body) if b"content-encoding: gzip" in head else body)


@dataclass
class Promised:
    """By name of a node. begun: an erasure of it was asked for, which may have happened; versions: the newest told."""

    asked: dict[str, set[Id]] = field(default_factory=lambda: defaultdict(set))
    begun: dict[str, set[Id]] = field(default_factory=lambda: defaultdict(set))
    erased: dict[str, set[Id]] = field(default_factory=lambda: defaultdict(set))
    labels: dict[str, dict[Id, int]] = field(default_factory=lambda: defaultdict(dict))
    versions: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    shown: dict[str, str] = field(default_factory=dict)  # the input of each task that the person saw
    votes: set[str] = field(default_factory=set)  # and the tasks the person was thanked for


def read_exchanges(calls: Iterable[Call], ports: Mapping[str, int]) -> list[Exchange]:
    """Every exchange with one of the nodes, by the port it listens on."""
    roles = {port: role for role, port in ports.items()}
    open_: dict[tuple[int, int], Exchange] = {}
    done: list[Exchange] = []
    for call in calls:
        if call.name not in SENDS or (line := call.ports) is None:
            continue
        data = b"".join(call.texts)
        if line[1] in roles:
            begins = _REQUEST.match(data)
            if begins:
                method, path = (word.decode() for word in begins.groups())
                open_[line] = Exchange(roles[line[1]], method, path, call.begin, b"")
                done.append(open_[line])
            open_[line].sent += data
        elif line[0] in roles and (exchange := open_.get(line[::-1])) is not None:
            status = _STATUS.match(data)
            if status and not exchange.status:
                exchange.at, exchange.status = call.begin, int(status[1])
            exchange.got += data
    return done


def promised_before(exchanges: Iterable[Exchange], at: int) -> Promised:
    """What had been promised when line `at` of the log was reached."""
    found = Promised()
    for each in exchanges:
        told = each.at < at and each.status in OK
        _, _, kind, name, *rest = [*each.path.partition("?")[0].split("/"), "", ""]
        if kind == "questions" and each.method == "PUT" and told:
            found.asked[each.role].add((name, int(rest[0])))
        elif kind == "questions" and each.method == "POST" and not name and told:
            for sent, got in zip(each.request, each.reply, strict=True):
                found.asked[each.role] |= (
                    {(sent["device"], sent["sequence"])} if got["status"] in OK else set()
                )
        elif kind == "questions" and each.method == "DELETE" and each.begun < at:
            _erase(found, each.role, {(name, int(rest[0]))}, told)
        elif kind == "devices" and each.begun < at:
            _erase(found, each.role, {key for key in found.asked[each.role] if key[0] == name}, told)
        elif kind == "models" and name not in ("", "stream") and rest[0] in ("", "rollback") and told:
            found.versions[each.role] = max(found.versions[each.role], each.reply["version"])
        elif kind == "desk" and name == "next" and told and each.reply["task"]:
            found.shown[each.reply["task"]["task"]] = each.reply["task"]["input"]["data"]
        elif kind == "desk" and rest[0] == "vote" and told:
            found.votes.add(name)
        elif (
            kind == "answers"
            and each.path.startswith("/v1/answers?")
            and "device=*" not in each.path
            and told
        ):
            for answer in (entry["answer"] for entry in each.reply["answers"] if entry["answer"]):
                found.labels[each.role][answer["device"], answer["sequence"]] = answer["label_index"]
    return found


def _erase(found: Promised, role: str, keys: set[Id], told: bool) -> None:
    found.begun[role] |= keys
    found.erased[role] |= keys if told else set()
