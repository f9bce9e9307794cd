"""Several threads on one run: Python threads that wait until the caller needs them, then work in C without the GIL.

What is shared between them and how is decided in kernels/crew.c from the plan's code.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import weakref
from queue import SimpleQueue

from py_edge.plan.memory import Memory

_CREW_BYTES = 512
MOST_THREADS = 16
STEP_WORK = 60_000
"""Multiply-adds of a step that is worth a barrier, about 2 us."""
LEAST_WORK = 50_000_000
"""Multiply-adds that a run must have to share. Two threads win from 12 million when called on end; after a pause, when a
core must wake first (300 us), from 150 million."""


class Crew:
    """Not to be called by two threads at once. The helpers end when the crew is collected."""

    def __init__(
        self, handle: ctypes.CDLL, threads: int, addresses: tuple[int, int, int], private_bytes: int
    ) -> None:
        """addresses: of code, arena and weights, which the caller keeps alive as long as the crew."""
        self.threads = threads
        self._process = os.getpid()
        self._handle = handle
        self._room = Memory(_CREW_BYTES)
        self._private = Memory(private_bytes * (threads - 1))
        handle.pe_crew_open(
            self._room.address, threads, *addresses, self._private.address, private_bytes, STEP_WORK
        )
        self._queues: list[SimpleQueue[tuple[int, int] | None]] = [SimpleQueue() for _ in range(threads - 1)]
        for index, queue in enumerate(self._queues):
            arguments = (handle, self._room, index + 1, queue)
            threading.Thread(
                target=_help, args=arguments, name=f"py_edge kernels {index + 1}", daemon=True
            ).start()
        weakref.finalize(self, _dismiss, self._queues)

    @property
    def here(self) -> bool:
        """False in a forked process, which has this thread only."""
        return os.getpid() == self._process

    def run(self, begin: int, end: int) -> int:
        """Run code words [begin, end); gives the status."""
        for queue in self._queues:
            queue.put((begin, end))
        return int(self._handle.pe_crew_run(self._room.address, 0, begin, end))


def make_crew(
    handle: ctypes.CDLL, threads: int, code: int, part: tuple[int, int], arena: Memory, weights: Memory
) -> Crew | None:
    """None where one thread is better, or where there are no threads, as in Pyodide."""
    threads = min(threads, MOST_THREADS)
    if threads < 2 or sys.platform == "emscripten":
        return None
    private = handle.pe_crew_private(code, *part, threads, STEP_WORK, LEAST_WORK)
    return Crew(handle, threads, (code, arena.address, weights.address), private) if private >= 0 else None


def _help(handle: ctypes.CDLL, room: Memory, index: int, queue: SimpleQueue[tuple[int, int] | None]) -> None:
    while (job := queue.get()) is not None:
        handle.pe_crew_run(room.address, index, *job)


def _dismiss(queues: list[SimpleQueue[tuple[int, int] | None]]) -> None:
    for queue in queues:
        queue.put(None)
