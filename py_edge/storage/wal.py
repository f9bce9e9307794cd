"""The write-ahead log before SQLite opens it: a rotten frame would silently cut off every commit after it.

SQLite takes the first frame with a wrong checksum for the torn end that a crash leaves. With synchronous=FULL a crash
tears at most one commit; where more follow, the disk has changed what was safe. The one is cut off here: while somebody
reads, the log is not emptied at the start, and the next crash would tear another. Format and checksum: SQLite, "Database
File Format", section 4.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

from py_edge.errors import StorageError

HEADER_BYTES, FRAME_BYTES = 32, 24
PAGE_BYTES = 4096  # SQLite's own choice; we make no other
MAGIC = 0x377F0682  # and 1 more where checksums are big-endian
MASK = 0xFFFFFFFF


def check_log(database: Path) -> None:
    """Cuts off a torn commit. Raises StorageError when acknowledged ones in the log of this database cannot be read."""
    path = Path(f"{database}-wal")
    log = path.read_bytes() if path.exists() else b""
    lost, whole_bytes = commits_behind_damage(log)
    if lost > 1:
        raise StorageError(
            f"the log of the database is damaged: about {lost} commits in it cannot be read", where=str(path),
            remedy="restore a backup; or move that file away, which gives up all that stands in it",
        )  # fmt: skip
    if lost:
        os.truncate(path, whole_bytes)


def commits_behind_damage(log: bytes) -> tuple[int, int]:
    """How many commits stand at or behind the first frame that is not as it was written, one may be a crash's; and the
    size in bytes of the log up to the last commit before it."""
    if len(log) < HEADER_BYTES:
        return 0, 0
    magic, _, page_bytes, _, salt, salt2, *told = struct.unpack(">8I", log[:HEADER_BYTES])
    order = ">" if magic & 1 else "<"
    sums = _checksum(log[:24], order, (0, 0))
    whole = magic | 1 == MAGIC | 1 and list(sums) == told
    if not whole:  # what its frames say of themselves must do
        page_bytes = PAGE_BYTES
        salt, salt2 = struct.unpack(">2I", log[HEADER_BYTES + 8 : HEADER_BYTES + 16].ljust(8, b"\0"))
    lost = whole_bytes = 0
    for end, head, page in _frames(log, page_bytes):
        _, commits, *salts, sum1, sum2 = struct.unpack(">6I", head)
        if whole:
            sums = _checksum(page, order, _checksum(head[:8], order, sums))
            whole = salts == [salt, salt2] and sums == (sum1, sum2)
        lost += not whole and bool(commits) and salts == [salt, salt2]
        whole_bytes = end if whole and commits else whole_bytes
    return lost, whole_bytes


def _frames(log: bytes, page_bytes: int) -> Iterator[tuple[int, bytes, bytes]]:
    """Where it ends, header and page of each frame that is there in full."""
    step = FRAME_BYTES + page_bytes
    for at in range(HEADER_BYTES, len(log) - step + 1, step):
        yield at + step, log[at : at + FRAME_BYTES], log[at + FRAME_BYTES : at + step]


def _checksum(data: bytes, order: str, sums: tuple[int, int]) -> tuple[int, int]:
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    first, second = sums
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & MASK
        second = (second + odd + first) & MASK
    return first, second
