"""A program and all that it starts under strace: each call that changes a file, and each send, in order, with its bytes."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

# Whatever can change a file or a folder is traced, known to the model or not: it refuses what it does not know.
CHANGES = (
    "open", "openat", "openat2", "creat", "mkdir", "mkdirat", "unlink", "unlinkat", "rmdir", "rename", "renameat",
    "renameat2", "link", "linkat", "symlink", "symlinkat", "mknod", "mknodat", "write", "writev", "pwrite64", "pwritev",
    "pwritev2", "truncate", "ftruncate", "fallocate", "sendfile", "copy_file_range", "splice", "lseek", "mmap",
)  # fmt: skip
SYNCS = ("fsync", "fdatasync", "sync", "syncfs", "sync_file_range")
SENDS = ("write", "writev", "sendto", "sendmsg")
NEVER = 1 << 60
_LINE = re.compile(r"(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)")
_FILE = re.compile(r"(?:\b\d+|AT_FDCWD)<((?:\\x[0-9a-f]{2})*)[^>]*>(\(deleted\))?")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_SOCKET = re.compile(r"\d+<TCP:\[127\.0\.0\.1:(\d+)->127\.0\.0\.1:(\d+)\]")


@dataclass(frozen=True)
class Call:
    """One system call that succeeded. begin, end: lines of the log at which it was made and at which it returned."""

    begin: int
    end: int
    name: str
    words: str
    result: int

    @property
    def texts(self) -> list[bytes]:
        """Every string among its arguments, in full."""
        return [_bytes(text) for text in _TEXT.findall(self.words)]

    @property
    def files(self) -> list[str]:
        """The paths behind its descriptors, in order; the last one of `openat` is what it opened. Empty: no path (now)."""
        words = (
            self.words.partition('"')[0] if "write" in self.name else self.words
        )  # which names none behind its bytes
        return ["" if gone else os.fsdecode(_bytes(place)) for place, gone in _FILE.findall(words)]

    @property
    def named(self) -> list[str]:
        """The paths that it names by strings, each in the folder that it names before."""
        folders = self.files + ["/"] * 2
        return [os.path.join(folders[n], os.fsdecode(text)) for n, text in enumerate(self.texts[:2])]

    @property
    def last_number(self) -> int:
        """Its last argument."""
        return int(self.words.rpartition(")")[0].rpartition(",")[2])

    @property
    def ports(self) -> tuple[int, int] | None:
        """From which port to which, of a send over TCP on this machine."""
        found = _SOCKET.match(self.words)
        return (int(found[1]), int(found[2])) if found else None


def record(command: list[str], log: Path, cwd: Path, environment: Mapping[str, str]) -> None:
    """Run it to its end. Raises RuntimeError with what it said when it failed."""
    calls = ",".join(dict.fromkeys((*CHANGES, *SYNCS, *SENDS)))
    words = ["strace", "-f", "-yy", "-qq", "-xx", "-s", "100000000", "--seccomp-bpf", "-o", str(log)]
    done = subprocess.run(
        [*words, "-e", f"trace={calls}", *command], cwd=cwd, env={**os.environ, **environment}, capture_output=True,
        text=True, check=False, timeout=300,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"the recorded run failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")


def read_calls(log: Path) -> Iterator[Call]:
    """The calls of a log that succeeded, as they returned; what its process did not live to see is not among them."""
    begun: dict[str, tuple[int, str]] = {}
    with log.open(encoding="ascii") as lines:
        for number, line in enumerate(lines):
            found = _LINE.match(line)
            if found is None:
                continue
            process, resumed, name, words = found.groups()
            begin = number
            if resumed:
                begin, first = begun.pop(process)
                name, words = resumed, first + words
            elif words.endswith("<unfinished ...>"):
                begun[process] = number, words.removesuffix("<unfinished ...>")
                continue
            words, _, result = words.rpartition(" = ")
            if result[:1].isdigit():
                shown = f"{words} {result}" if name.startswith("open") else words
                yield Call(begin, number, name, shown, int(re.split(r"\D", result)[0]))


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
