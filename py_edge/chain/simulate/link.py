"""The simulated wire between a place and its parent: the node's routes without HTTP, with everything that goes wrong.

The door serves the same paths as the real node, from the real tier.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from py_edge.chain import batch, seal
from py_edge.chain.ports import Response, ServerEvent
from py_edge.chain.simulate.faults import Faults
from py_edge.chain.simulate.place import Place
from py_edge.errors import CapacityError, NetworkError, PyEdgeError, StorageError
from py_edge.fields import canonical_json, read_json
from py_edge.records import Question

TIMEOUT_S = 30.0
SILENCE_S = 40.0
STATUS = {"E_CONFLICT": 409, "E_NOT_FOUND": 404, "E_GONE": 410, "E_STORAGE": 503, "E_CAPACITY": 503}


@dataclass
class Link:
    """A Network from `child` to `parent`; `cut` is a partition."""

    child: Place
    parent: Place
    rng: random.Random
    log: list[tuple[Any, ...]]
    faults: Faults = field(default_factory=Faults)
    cut: bool = False
    look_s: float = 5.0  # a stream looks again, even when nobody wakes it
    repeats: set[asyncio.Task[Response]] = field(default_factory=set)

    async def request(self, method: str, path: str, body: bytes | None = None) -> Response:
        """See chain.ports.Network."""
        faults = self.faults
        await asyncio.sleep(self.rng.random() * faults.slow_s)
        if self.cut or self.rng.random() < faults.lose:
            await asyncio.sleep(self.rng.random() * TIMEOUT_S)
            raise NetworkError("lost")
        if not self.parent.up:
            raise NetworkError("refused")
        if self.rng.random() < faults.busy:
            return Response(503, b"busy", {"retry-after": "2"} if self.rng.random() < 0.5 else {})
        if self.rng.random() < faults.repeat:
            again = asyncio.create_task(self._later(method, path, body))
            self.repeats.add(again)
            again.add_done_callback(self.repeats.discard)
        response = await self._serve_sealed(method, path, body or b"")
        await asyncio.sleep(self.rng.random() * faults.slow_s)
        if self.cut or self.rng.random() < faults.lose_reply:
            raise NetworkError("the reply was lost")
        if self.rng.random() < faults.garbage:
            return Response(200, b"<html>welcome to this hotel</html>")
        self.log.append((round(self._now(), 6), self.child.name, method, path, response.status))
        return response

    async def stream(self, path: str) -> AsyncIterator[ServerEvent]:
        """See chain.ports.Network."""
        if self.cut or not self.parent.up:
            raise NetworkError("refused")
        query = dict(parse_qsl(path.partition("?")[2]))
        asker = f"node:{query['node']}" if "node" in query else query["device"]
        after, parent, starts, silent_since = (
            int(query["after"]),
            self.parent,
            self.parent.starts,
            self._now(),
        )
        with parent.store.bus.listen(f"asker:{asker}") as waiter:
            while True:
                if parent.starts != starts or not parent.up:
                    raise NetworkError("the other side went away")
                if self._now() - silent_since > SILENCE_S:
                    raise NetworkError("silence")
                if self.cut:
                    await asyncio.sleep(1.0)
                    continue
                silent_since = self._now()
                for delivery in await parent.tier.deliveries(asker, after, 8):
                    after = delivery.event
                    await asyncio.sleep(self.rng.random() * self.faults.slow_s)
                    if self.rng.random() < self.faults.break_stream:
                        raise NetworkError("the stream broke")
                    kind = "answer" if delivery.answer else "outcome"
                    data = canonical_json(delivery.to_json()[kind]).decode()
                    arrived = self._spoil(data.encode()).decode(errors="replace")
                    told = seal.seal_event(path, kind, str(after), data)
                    if not seal.is_whole(told, seal.seal_event(path, kind, str(after), arrived)):
                        raise NetworkError("an event was damaged")
                    yield ServerEvent(kind, arrived, str(after))
                await waiter.wait(self.look_s)

    async def _serve_sealed(self, method: str, path: str, body: bytes) -> Response:
        """What both ends of a link over HTTP do with seals, on a wire that spoils one or the other way."""
        borne = seal.seal_request(method, path, {}, body)
        arrived = self._spoil(body)
        if not seal.is_whole(borne, seal.seal_request(method, path, {}, arrived)):
            raise NetworkError("the request was damaged")
        response = await self._serve(method, path, arrived)
        told = seal.seal_reply(borne, response.status, response.body)
        reply = Response(response.status, self._spoil(response.body), response.headers)
        if not seal.is_whole(told, seal.seal_reply(borne, reply.status, reply.body)):
            raise NetworkError("the reply was damaged")
        return reply

    def _spoil(self, data: bytes) -> bytes:
        """One bit comes out another, now and then."""
        if not data or self.rng.random() >= self.faults.flip:
            return data
        place = self.rng.randrange(len(data))
        return data[:place] + bytes([data[place] ^ 1 << self.rng.randrange(8)]) + data[place + 1 :]

    async def _later(self, method: str, path: str, body: bytes | None) -> Response:
        await asyncio.sleep(self.rng.random() * 60)
        with contextlib.suppress(NetworkError):
            if self.parent.up:
                await self._serve(method, path, body)
        return Response(599)

    async def _serve(self, method: str, path: str, body: bytes | None) -> Response:
        """Handle it at the parent; a kill meanwhile ends it like a broken connection."""
        starts = self.parent.starts
        many = path == batch.PATH
        if many and not self.parent.takes_many:
            return Response(404, b"there is no such route")
        work = self._take_many(body) if many else door(self.parent, self.child, method, path, body)
        try:
            value = await guard(work, self.parent, starts)
        except StorageError:
            self.parent.disk.failed = True
            raise NetworkError("the other side died") from None
        except PyEdgeError as error:
            if isinstance(error, NetworkError):
                raise
            return Response(status_of(error), canonical_json(error.as_dict()))
        return Response(200, canonical_json(value))

    async def _take_many(self, body: bytes | None) -> list[Any]:
        """What the route for many does; a busy parent puts some of them off, and takes the others."""
        taking = map(self._take_one, read_json(body or b""))
        replies = await asyncio.gather(*taking, return_exceptions=True)  # so that none outlives this request
        for reply in replies:
            if isinstance(reply, BaseException):
                raise reply
        return replies

    async def _take_one(self, value: Any) -> Any:
        if self.rng.random() < self.faults.busy:
            return batch.reply_to_one(503, None, {"code": "E_CAPACITY"}, self.rng.randrange(3))
        try:
            asked = Question.from_json(value)
            receipt, _ = await self.parent.tier.ask(asked, asker_of(self.child))
        except (NetworkError, StorageError):
            raise
        except PyEdgeError as error:
            return batch.reply_to_one(status_of(error), None, error.as_dict())
        return batch.reply_to_one(200, receipt)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def status_of(error: PyEdgeError) -> int:
    """The status of a refusal."""
    return STATUS.get(error.code, 422)


def asker_of(child: Place) -> str:
    """Under which name a parent knows it."""
    return f"node:{child.name}" if child.level else child.name


async def guard(work: Coroutine[Any, Any, Any], place: Place, starts: int) -> Any:
    """Let a request live no longer than its server."""
    task = asyncio.create_task(work)
    place.tasks.append(task)
    try:
        return await task
    except asyncio.CancelledError:
        if place.up and place.starts == starts:
            raise
        raise NetworkError("the other side died") from None
    finally:
        if task in place.tasks:
            place.tasks.remove(task)


async def door(place: Place, child: Place, method: str, path: str, body: bytes | None) -> Any:
    """What the routes of a node do, without HTTP."""
    bare, _, query_text = path.partition("?")
    parts, query = bare.strip("/").split("/"), dict(parse_qsl(query_text))
    asker = asker_of(child)
    if parts[1] == "questions" and method == "PUT":
        receipt, _ = await place.tier.ask(Question.from_json(read_json(body or b"")), asker)
        return receipt.to_json()
    if method == "DELETE" and parts[1] == "devices":
        return {"erased": await place.tier.erase_device(parts[2])}
    if method == "DELETE":
        return (await place.tier.erase(parts[2], int(parts[3]))).to_json()
    if parts[1] == "questions":
        return (await place.tier.cancel(parts[2], int(parts[3]), asker)).to_json()
    if method == "POST":
        return {"acknowledged": await place.tier.acknowledge(asker, read_json(body or b"")["events"])}
    if parts[1] == "answers":
        found = await place.tier.deliveries(asker, int(query["after"]), int(query["limit"]))
        return {"answers": [delivery.to_json() for delivery in found]}
    raise CapacityError("no such door", where=path)
