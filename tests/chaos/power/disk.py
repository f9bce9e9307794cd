"""What a disk may hold after a power cut, as POSIX allows it: made from the recorded calls of a run.

The model is that of ALICE (Pillai et al., OSDI 2014), as CrashMonkey (Mohan et al., OSDI 2018) and LazyFS use it:
- fsync and fdatasync of a file make its bytes and its size safe, and not its name;
- fsync of a folder makes its names safe: what was made, renamed and removed in it, and not what these files hold;
- whatever is not safe is there or not there, each change by itself and in any order; a rename is whole or not at all;
- a write that is not safe may be torn: any of its 512-byte sectors are there, or only the length it gave the file, with
  zeros; bytes beside a write are not harmed (SQLite's "powersafe overwrite").
ext4, XFS and btrfs promise more: a synced new file keeps its name. So each state they can leave is among these. Not
among them: bits that rot, a disk that lies about fsync, an fsync that failed and is believed.

SQLite's `-shm` is left out: it is shared memory, and whoever opens the database first makes it anew.
"""

from __future__ import annotations

import random
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from tests.chaos.power.recording import NEVER, SYNCS, Call

SECTOR = 512
ROOT = 0
BY_NAME = {"mkdir", "mkdirat", "unlink", "unlinkat", "rmdir", "rename", "renameat", "renameat2", "link", "linkat",
           "symlink", "symlinkat", "mknod", "mknodat", "truncate", "creat"}  # fmt: skip
Names = dict[str, int | None]
State = dict[str, bytes | None]  # every path with its bytes, a folder before what is in it; None: a folder


@dataclass
class Change:
    """One change of a file or a folder. at: where it was written; size: of a cut or lengthened file; safe: since when it
    is on the disk whatever happens."""

    begin: int
    end: int
    inode: int
    at: int = 0
    data: bytes = b""
    size: int | None = None
    names: Names | None = None
    safe: int = NEVER


Keep = Callable[[Change], list[Change]]  # what of a change that is not safe is on the disk


@dataclass
class Recorded:
    """The changes below one folder, which was there and empty, and the syncs among them."""

    folder: str
    changes: list[Change] = field(default_factory=list)
    syncs: list[tuple[int, int]] = field(default_factory=list)
    _entries: dict[int, dict[str, int]] = field(default_factory=lambda: {ROOT: {}})
    _bytes: dict[int, bytearray] = field(default_factory=dict)
    _place: dict[int, int] = field(default_factory=dict)  # where the next `write` goes
    _unsafe: dict[int, list[Change]] = field(default_factory=lambda: defaultdict(list))

    @property
    def folders(self) -> set[int]:
        """Which inodes are folders."""
        return set(self._entries)

    def begin_with(self, state: State) -> None:
        """The folder was not empty: this was in it, and is safe."""
        call = Call(-1, -1, "", "", 0)
        for path, data in state.items():
            inode = self._new(folder=data is None)
            self._name(call, str(PurePosixPath(self.folder, path)), inode)
            if data:
                self._add(call, inode, data=data)
        for change in self.changes:
            change.safe = change.end
        self._unsafe.clear()

    def follow(self, calls: Iterable[Call]) -> None:
        """Take in every call. Raises ValueError for one that the model does not know."""
        for call in calls:
            self._follow(call)
        self.changes.sort(key=lambda change: change.begin)

    def _follow(self, call: Call) -> None:
        if call.name in ("sync", "syncfs"):
            raise ValueError(f"not in the model: {call.name}")
        paths = [p for p in (call.named if call.name in BY_NAME else call.files) if self._is_here(p)]
        if not paths:
            return
        if call.name in ("open", "openat"):
            self._open(call, paths[-1])
        elif call.name in SYNCS:
            self._sync(call, paths[0])
        elif call.name in ("write", "writev", "pwrite64", "truncate", "ftruncate", "lseek", "sendfile"):
            self._write(call, paths)
        elif call.name in ("mkdir", "mkdirat"):
            self._name(call, paths[0], self._new(folder=True))
        elif call.name in ("unlink", "unlinkat", "rmdir"):
            self._name(call, paths[0], None)
        elif call.name in ("rename", "renameat", "renameat2"):
            self._rename(call, *paths)
        elif call.name != "mmap" or ("MAP_SHARED" in call.words and "PROT_WRITE" in call.words):
            raise ValueError(f"not in the model: {call.name}({call.words[-300:]}")

    def _is_here(self, path: str) -> bool:
        return (path.startswith(self.folder + "/") and not path.endswith("-shm")) or path == self.folder

    def _find(self, path: str) -> int | None:
        inode: int | None = ROOT
        for part in PurePosixPath(path).relative_to(self.folder).parts:
            inode = self._entries.get(inode, {}).get(part) if inode is not None else None
        return inode

    def _new(self, folder: bool = False) -> int:
        inode = len(self._entries) + len(self._bytes)
        if folder:
            self._entries[inode] = {}
        else:
            self._bytes[inode] = bytearray()
        return inode

    def _add(self, call: Call, inode: int, **what: object) -> None:
        change = Change(call.begin, call.end, inode, **what)  # type: ignore[arg-type]
        self.changes.append(change)
        self._unsafe[inode].append(change)
        if change.names is not None:
            rename(self._entries[inode], change.names)
        else:
            put(self._bytes[inode], change.at, change.data, change.size)

    def _name(self, call: Call, path: str, inode: int | None) -> None:
        parent = self._find(str(PurePosixPath(path).parent))
        assert parent is not None, path
        self._add(call, parent, names={PurePosixPath(path).name: inode})

    def _rename(self, call: Call, before: str, after: str) -> None:
        old, new = PurePosixPath(before), PurePosixPath(after)
        parent = self._find(str(old.parent))
        if old.parent != new.parent or parent is None:
            raise ValueError(f"not in the model: a rename from {old.parent} to {new.parent}")
        self._add(call, parent, names={old.name: None, new.name: self._find(before)})

    def _open(self, call: Call, path: str) -> None:
        inode = self._find(path)
        if inode is None and "O_CREAT" in call.words:
            inode = self._new()
            self._name(call, path, inode)
        if inode is None or inode in self._entries:
            return
        if "O_TRUNC" in call.words and self._bytes[inode]:
            self._add(call, inode, size=0)
        if "O_RDONLY" not in call.words:
            self._place[inode] = len(self._bytes[inode]) if "O_APPEND" in call.words else 0

    def _write(self, call: Call, paths: list[str]) -> None:
        inode = self._find(paths[0])
        if inode is None or inode in self._entries:
            return
        if call.name == "lseek":
            self._place[inode] = call.result
        elif call.name in ("truncate", "ftruncate"):
            self._add(call, inode, size=call.last_number)
        elif call.name == "pwrite64":
            self._add(call, inode, at=call.last_number, data=call.texts[0][: call.result])
        else:
            data = b"".join(call.texts)
            if call.name == "sendfile":
                source = self._bytes[self._find(paths[1]) or ROOT]
                begin = int(call.words.partition("[")[2].partition("]")[0])
                data = bytes(source[begin : begin + call.result])
            self._add(call, inode, at=self._place[inode], data=data[: call.result])
            self._place[inode] += call.result

    def _sync(self, call: Call, path: str) -> None:
        self.syncs.append((call.begin, call.end))
        inode = self._find(path)
        if inode is None or call.name == "sync_file_range":
            return
        flying = []
        for change in self._unsafe[inode]:
            if change.end <= call.begin:
                change.safe = call.end
            else:
                flying.append(change)
        self._unsafe[inode] = flying


def rename(entries: dict[str, int], names: Names) -> None:
    """Give and take names in a folder."""
    for name, inode in names.items():
        if inode is None:
            entries.pop(name, None)
        else:
            entries[name] = inode


def put(data: bytearray, at: int, new: bytes, size: int | None = None) -> None:
    """Write into a file, or give it a length."""
    wanted = at + len(new) if size is None else size
    data.extend(bytes(max(0, wanted - len(data))))
    if size is not None:
        del data[size:]
    data[at : at + len(new)] = new


class Disk:
    """The disk as time goes on; `state` gives one that a cut at that time may leave."""

    def __init__(self, recorded: Recorded) -> None:
        self._coming = deque(recorded.changes)
        self._folders = recorded.folders
        self._entries: dict[int, dict[str, int]] = defaultdict(dict)
        self._bytes: dict[int, bytearray] = defaultdict(bytearray)
        self._waiting: dict[int, deque[Change]] = defaultdict(deque)

    def state(self, at: int, keep: Keep) -> State:
        """What a cut before line `at` of the log leaves. Time only goes on."""
        self._go_to(at)
        entries = defaultdict(dict, {inode: dict(names) for inode, names in self._entries.items()})
        data = defaultdict(bytearray, {inode: bytearray(each) for inode, each in self._bytes.items()})
        for inode, changes in self._waiting.items():
            for change in changes:
                for piece in [change] if change.safe < at else keep(change):
                    apply(piece, entries[inode], data[inode])
        return dict(self._walk(ROOT, "", entries, data))

    def _go_to(self, at: int) -> None:
        while self._coming and self._coming[0].begin < at:
            change = self._coming.popleft()
            self._waiting[change.inode].append(change)
        for inode, changes in self._waiting.items():
            while changes and changes[0].safe < at:
                apply(changes.popleft(), self._entries[inode], self._bytes[inode])

    def _walk(
        self, inode: int, path: str, entries: dict[int, dict[str, int]], data: dict[int, bytearray]
    ) -> Iterator[tuple[str, bytes | None]]:
        for name, child in sorted(entries[inode].items()):
            if child in self._folders:
                yield f"{path}{name}", None
                yield from self._walk(child, f"{path}{name}/", entries, data)
            else:
                yield f"{path}{name}", bytes(data[child])


def apply(change: Change, entries: dict[str, int], data: bytearray) -> None:
    """Let it happen in a folder or in a file."""
    if change.names is not None:
        rename(entries, change.names)
    else:
        put(data, change.at, change.data, change.size)


def nothing(change: Change) -> list[Change]:
    """Only what was synced."""
    return []


def everything(change: Change) -> list[Change]:
    """As if it had been synced: what a killed process leaves."""
    return [change]


def only_names(change: Change) -> list[Change]:
    """Every name and length is there, and none of the bytes."""
    return [change] if change.names is not None else [_only_length(change)]


def by_chance(chance: random.Random) -> Keep:
    """Each change is there, not there or torn; how much of all is there is drawn too."""
    share = chance.choice((0.1, 0.5, 0.9))

    def keep(change: Change) -> list[Change]:
        if chance.random() >= share:
            return []
        if not change.data or chance.random() < 0.5:
            return [change]
        return [_only_length(change), *(each for each in _sectors(change) if chance.random() < share)]

    return keep


def _only_length(change: Change) -> Change:
    """It grows the file to where it ends, with zeros; bytes that are there already stay."""
    return replace(change, at=change.at + len(change.data), data=b"")


def _sectors(change: Change) -> Iterator[Change]:
    end = change.at + len(change.data)
    for begin in range(change.at - change.at % SECTOR, end, SECTOR):
        first, last = max(begin, change.at), min(begin + SECTOR, end)
        yield replace(change, at=first, data=change.data[first - change.at : last - change.at])
