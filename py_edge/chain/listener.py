"""The link to the parent, hearing half: everything not yet acknowledged, first by poll, then pushed as it comes.

An answer is acknowledged after its transaction; what was not acknowledged comes again, and the inbox knows it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from py_edge.chain import retry
from py_edge.chain.ports import Network
from py_edge.chain.tier import Tier
from py_edge.errors import NetworkError, PyEdgeError
from py_edge.fields import canonical_json, read_json
from py_edge.records import Answer

POLL_LIMIT = 100
ACK_LATER_S = 1.0


@dataclass
class Listener:
    """Brings answers home for `tier`; `who` is the query that names us: `device=…` or `device=*&node=…`."""

    tier: Tier
    network: Network
    who: str
    origin: str = "parent"
    connected: Callable[[], None] = lambda: None
    _taken: set[int] = field(default_factory=set)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Listen until cancelled."""
        await asyncio.gather(self._listen(), self._confirm())

    def acknowledge(self, events: Iterable[int]) -> None:
        """Tell the parent soon that these are safe here."""
        self._taken.update(events)
        self._news.set()

    async def _listen(self) -> None:
        attempt = 0
        while True:
            try:
                after = await self._poll()
                attempt = 0
                self.connected()
                async for event in self.network.stream(f"/v1/answers/stream?{self.who}&after={after}"):
                    if event.event in ("answer", "outcome"):
                        await self._take([(int(event.id), event.event, read_json(event.data))])
            except (PyEdgeError, ValueError, KeyError, TypeError):
                pass
            await self.tier.clock.sleep(retry.delay_s(attempt, self.tier.chance, 0.5))
            attempt += 1

    async def _poll(self) -> int:
        """Fetch what waits; gives the last event number."""
        after = 0
        while True:
            path = f"/v1/answers?{self.who}&after={after}&limit={POLL_LIMIT}"
            response = await self.network.request("GET", path)
            if retry.kind_of(response) != retry.DONE:
                raise NetworkError(f"the parent answered {response.status}", where=path)
            page = read_json(response.body)["answers"]
            await self._take(
                [
                    (int(entry["event"]), "answer", entry["answer"])
                    if entry["answer"]
                    else (int(entry["event"]), "outcome", entry["outcome"])
                    for entry in page
                ]
            )
            if len(page) < POLL_LIMIT:
                return int(page[-1]["event"]) if page else after
            after = int(page[-1]["event"])

    async def _take(self, entries: list[tuple[int, str, Any]]) -> None:
        """Let them take effect, then confirm. What cannot be understood is confirmed too, or it would come for ever."""
        answers = []
        for _, kind, value in entries:
            if kind == "outcome":
                await self.tier.hear_outcome(
                    str(value["device"]), int(value["sequence"]), str(value["state"])
                )
                continue
            try:
                answers.append(Answer.from_json(value))
            except PyEdgeError:
                continue
        if answers:
            await self.tier.bring_home(self.origin, answers)
        self.acknowledge(event for event, _, _ in entries)

    async def _confirm(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            events = sorted(self._taken)[:1000]
            body = canonical_json(self._name() | {"events": events})
            try:
                response = await self.network.request("POST", "/v1/answers/ack", body)
                done = retry.kind_of(response) in (retry.DONE, retry.REFUSED)
            except PyEdgeError:
                done = False
            if done:
                self._taken.difference_update(events)
            else:
                await self.tier.clock.sleep(ACK_LATER_S)
            if self._taken:
                self._news.set()

    def _name(self) -> dict[str, str]:
        return dict(part.split("=", 1) for part in self.who.split("&"))
