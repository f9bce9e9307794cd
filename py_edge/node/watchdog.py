"""Slow and crooked connections: uvicorn waits for ever for a header or a body, so we look at the clock ourselves.

An answer's header and body leave in one segment, so nobody is woken twice for it. A header must be whole after 5 s; a body must bring 1 KiB/s from its tenth second on and be whole after 60 s. A
timer runs only while something is owed, so thousands of idle streams cost nothing.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 5.0
BODY_PATIENCE_S = 10.0
BODY_S = 60.0
LEAST_BYTES_PER_S = 1024


class OneSegment:
    """A transport that sends what was written within one turn of the loop at once."""

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send soon."""
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def close(self) -> None:
        """Send, then close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        data = b"".join(self._parts)
        self._parts.clear()
        if data:
            self._transport.write(data)


class WatchedProtocol(H11Protocol):
    """uvicorn's h11 protocol with a watch on what the client owes."""

    def connection_made(self, transport: Any) -> None:
        """A new connection owes a header."""
        super().connection_made(cast("asyncio.Transport", OneSegment(transport, self.loop)))
        self._owed = ""
        self._timer: asyncio.TimerHandle | None = None
        self._since, self._received = 0.0, 0
        self._watch("head", HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is owed any more."""
        self._forgive()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Look what is owed after these bytes."""
        super().data_received(data)
        state = self.conn.their_state
        if self.transport.is_closing():
            self._forgive()
        elif state is h11.SEND_BODY:
            if self._owed != "body":
                self._watch("body", BODY_PATIENCE_S)
            self._received += len(data)
        elif state is h11.IDLE:
            if not self._owed:
                self._watch("head", HEAD_S)
        else:
            self._forgive()

    def _watch(self, owed: str, seconds: float) -> None:
        self._forgive()
        self._owed, self._since, self._received = owed, self.loop.time(), 0
        self._timer = self.loop.call_later(seconds, self._look)

    def _forgive(self) -> None:
        self._owed = ""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        waited = self.loop.time() - self._since
        if self._owed == "body" and waited < BODY_S and self._received >= waited * LEAST_BYTES_PER_S:
            self._timer = self.loop.call_later(1.0, self._look)
        elif self._owed:
            self.transport.close()
