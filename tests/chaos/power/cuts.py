"""Where a recorded run is cut, and what a start on each disk that is left finds; a start on the same disk is made once."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from py_edge.errors import PyEdgeError
from py_edge.storage.backup import restore_backup
from tests.chaos.history import Id
from tests.chaos.power.disk import Disk, Keep, Recorded, State, by_chance, nothing, only_names
from tests.chaos.power.look import Found, check_between, check_node, check_votes, look
from tests.chaos.power.promises import Exchange, Promised, promised_before
from tests.chaos.power.recording import NEVER

BACKED_UP, RESTORED = "backup done", "restore done"


@dataclass(frozen=True)
class Cut:
    """The power goes before line `at` of the log; how: nothing, names, or the seed of a draw."""

    at: int
    how: str

    def keep(self) -> Keep:
        """What of the unsafe is on the disk."""
        known: dict[str, Keep] = {"nothing": nothing, "names": only_names}
        return known.get(self.how) or by_chance(random.Random(f"{self.at}:{self.how}"))


@dataclass
class Run:
    """A recorded run: its changes, what was said to whom, and what was told without a reply (word, line)."""

    recorded: Recorded
    exchanges: list[Exchange]
    said: dict[str, int]
    place: Path
    digests: dict[Id, str] = field(default_factory=dict)
    inputs: dict[str, bytes] = field(default_factory=dict)
    starts: int = 0
    _seen: dict[str, Found] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for each in self.exchanges:
            if each.method == "PUT":
                sent = each.request
                self.digests[sent["device"], sent["sequence"]] = sent["digest"]
                self.inputs[sent["digest"]] = sent["input"]["data"].encode()

    def known_at(self, cut: Cut) -> tuple[list[Exchange], dict[str, int]]:
        """What was said and told before a cut, as if it had been before the beginning of another run on what it left."""
        exchanges = [
            replace(each, begun=-2, at=-2 if each.at < cut.at else NEVER)
            for each in self.exchanges
            if each.begun < cut.at
        ]
        return exchanges, {words: -2 if line < cut.at else NEVER for words, line in self.said.items()}

    def cuts(self, count: int) -> list[Cut]:
        """So many of all, in the order of time: one at each sync, then more around them and behind every reply, then
        anywhere."""
        chance = random.Random(count)
        firsts, others = [], [Cut(each.at + 1, "nothing") for each in self.exchanges if 0 <= each.at < NEVER]
        for begin, end in self.recorded.syncs:
            first, *more = chance.sample(
                [Cut(end, "names"), Cut(end + 1, "nothing"), Cut(end, "1"), Cut(begin + 1, "2")], 4
            )
            firsts.append(first)
            others += more
        chance.shuffle(firsts)
        chance.shuffle(others)
        last = self.recorded.changes[-1].end
        anywhere = [Cut(chance.randrange(last), str(number)) for number in range(3, 3 + count)]
        return sorted([*firsts, *others, *anywhere][:count], key=lambda cut: cut.at)

    def troubles(self, cuts: list[Cut]) -> Iterator[str]:
        """Each broken promise, with the cut that broke it."""
        disk = Disk(self.recorded)
        for cut in cuts:
            state = disk.state(cut.at, cut.keep())
            for trouble in self._check(cut, state):
                yield f"{cut}: {trouble}"

    def _check(self, cut: Cut, state: State) -> Iterator[str]:
        promised = promised_before(self.exchanges, cut.at)
        site, cloud = self._start(state, "site"), self._start(state, "cloud")
        yield from check_node("site", promised, site, self.digests)
        yield from check_node("cloud", promised, cloud, self.digests)
        yield from check_votes(promised, cloud, self.inputs)
        yield from check_between(promised, site, cloud)
        yield from self._check_copies(cut, state)

    def _check_copies(self, cut: Cut, state: State) -> Iterator[str]:
        """What was backed up is there; a restored folder is there in full or not at all, until it is promised."""
        promised, copy = self._copied(self.said["backup begun"]), self._restore(state)
        if self.said[BACKED_UP] < cut.at or copy.restored:
            yield from check_node("again", promised, copy, self.digests)
        if self.said[RESTORED] < cut.at or below(state, "again"):
            promised.asked["again"] |= promised_before(self.exchanges, cut.at).asked["again"]
            yield from check_node("again", promised, self._start(state, "again"), self.digests)

    def _copied(self, at: int) -> Promised:
        """What the site had promised then, which its copy has to keep."""
        found = promised_before(self.exchanges, at)
        found.asked["again"], found.begun["again"] = found.asked["site"], found.begun["site"]
        found.erased["again"], found.labels["again"] = found.erased["site"], found.labels["site"]
        found.versions["again"] = found.versions["site"]
        return found

    def _start(self, state: State, role: str) -> Found:
        """On what is left of one node."""
        return self._once("start", below(state, role))

    def _restore(self, state: State) -> Found:
        """From what is left of the backup; what is refused with a code of ours is a trouble, all else an error."""
        return self._once("restore", below(state, "backup"))

    def _once(self, verb: str, state: State) -> Found:
        digest = sha256(verb.encode())
        for path, data in state.items():
            digest.update(f"{path} {data is None} {len(data or b'')} ".encode() + (data or b""))
        if digest.hexdigest() not in self._seen:
            self.starts += 1
            self._seen[digest.hexdigest()] = self._look(verb, state)
        return self._seen[digest.hexdigest()]

    def _look(self, verb: str, state: State) -> Found:
        shutil.rmtree(self.place, ignore_errors=True)
        write(state, self.place / "left")
        folder = self.place / "left"
        if verb == "restore":
            try:
                restore_backup(folder, self.place / "made")
            except PyEdgeError as error:
                return Found(restored=False, troubles=[f"not restored: {error.code}: {error}"])
            folder = self.place / "made"
        return look(folder, self.inputs)


def below(state: State, role: str) -> State:
    """One folder of a disk."""
    return {
        path.removeprefix(f"{role}/"): data for path, data in state.items() if path.startswith(f"{role}/")
    }


def write(state: State, folder: Path) -> None:
    """Make the files."""
    folder.mkdir(parents=True)
    for path, data in state.items():
        if data is None:
            (folder / path).mkdir()
        else:
            (folder / path).write_bytes(data)
