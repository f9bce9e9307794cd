"""Slow and crooked connections: uvicorn waits for ever for a header or a body, so we look at the clock ourselves.

A header must be whole after 5 s and 16 KiB; a body must bring 1 KiB/s from its tenth second on and be whole after 60 s.
The parser (llhttp) refuses two lengths and bare line feeds itself, but bounds neither headers nor chunk extensions.
A timer runs only while something is owed, so thousands of idle streams cost nothing.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from py_edge.node.headers import HEADERS_LIMIT_BYTES

HEAD_S = 5.0
BODY_PATIENCE_S = 10.0
BODY_S = 60.0
LEAST_BYTES_PER_S = 1024
FRAME_SHARE = 8  # a chunk of one byte is framed by five


class WatchedProtocol(HttpToolsProtocol):
    """uvicorn's httptools protocol with a watch on what the client owes."""

    def connection_made(self, transport: Any) -> None:
        """A new connection owes a header."""
        super().connection_made(transport)
        self._owed = ""  # what the timer waits for
        self._stage = "head"  # what the bytes so far leave open; empty between two requests
        self._timer: asyncio.TimerHandle | None = None
        self._since, self._received, self._body_bytes = 0.0, 0, 0
        self._watch("head", HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is owed any more."""
        self._forgive()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Look what is owed after these bytes."""
        if not self._stage:
            self._begin("head")
        self._received += len(data)
        super().data_received(data)
        if self.transport.is_closing() or not self._stage:
            self._forgive()
        elif self._received > HEADERS_LIMIT_BYTES + FRAME_SHARE * self._body_bytes:
            self.send_400_response("Too many bytes around the content.")
            self._forgive()
        elif self._stage != self._owed:
            self._watch(self._stage, HEAD_S if self._stage == "head" else BODY_PATIENCE_S)

    def on_message_begin(self) -> None:
        """The first bytes of a request, perhaps behind another in the same segment."""
        self._begin("head")
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The body comes next."""
        self._begin("body")
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count what is content, for the rest must stay in proportion."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._begin("")
        super().on_message_complete()

    def _begin(self, stage: str) -> None:
        self._stage, self._received, self._body_bytes = stage, 0, 0

    def _watch(self, owed: str, seconds: float) -> None:
        self._forgive()
        self._owed, self._since = owed, self.loop.time()
        self._timer = self.loop.call_later(seconds, self._look)

    def _forgive(self) -> None:
        self._owed = ""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        waited = self.loop.time() - self._since
        if self._owed == "body" and waited < BODY_S and self._body_bytes >= waited * LEAST_BYTES_PER_S:
            self._timer = self.loop.call_later(1.0, self._look)
        elif self._owed:
            self.transport.close()
