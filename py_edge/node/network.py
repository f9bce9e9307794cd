"""A link to a parent over HTTP: httpx, bounded bodies; silence, a trickle and a broken seal count as a broken link."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx

from py_edge.chain import seal
from py_edge.chain.ports import Response, ServerEvent
from py_edge.errors import IntegrityError, LimitError, NetworkError

REQUEST_TIMEOUT_S = 30.0
LEAST_BYTES_PER_S = 100  # of a body, after REQUEST_TIMEOUT_S: one that never ends would hold its row for ever
SILENCE_S = 40.0  # the other side sends a heartbeat every 15 s
BODY_LIMIT_BYTES = 64 << 20
LINE_LIMIT = 4 << 20


class HttpNetwork:
    """One parent, one connection pool."""

    def __init__(
        self, url: str, node: str = "", token: str = "", transport: httpx.AsyncBaseTransport | None = None
    ):
        headers = {"accept": "application/json", "accept-encoding": "gzip"}
        headers |= {"x-py-edge-node": node} if node else {}
        headers |= {"authorization": f"Bearer {token}"} if token else {}
        self._seals = False  # whether this parent has ever sealed a reply
        limits = httpx.Limits(max_connections=32, max_keepalive_connections=32)
        self._client = httpx.AsyncClient(
            base_url=url, headers=headers, timeout=REQUEST_TIMEOUT_S, limits=limits, follow_redirects=False,
            trust_env=False, transport=transport,
        )  # fmt: skip

    async def request(self, method: str, path: str, body: bytes | None = None) -> Response:
        """See chain.ports.Network. Raises LimitError for a body without end, IntegrityError for a foreign packing."""
        headers = {"content-type": "application/json"} if body is not None else {}
        borne = self._seal(method, path, headers, body or b"")
        try:
            async with self._client.stream(
                method, path, content=body, headers=headers | {seal.SEAL: borne}
            ) as response:
                data = await _read(response, path)
                self._check(response, borne, data, path)
                return Response(response.status_code, data, dict(response.headers))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NetworkError(f"{type(error).__name__}: {error}", where=path) from error

    async def stream(self, path: str) -> AsyncIterator[ServerEvent]:
        """See chain.ports.Network."""
        timeout = httpx.Timeout(REQUEST_TIMEOUT_S, read=SILENCE_S)
        headers = {"accept": "text/event-stream", seal.SEAL: self._seal("GET", path, {}, b"")}
        try:
            async with self._client.stream("GET", path, timeout=timeout, headers=headers) as response:
                if response.status_code != 200:
                    raise NetworkError(f"the parent answered {response.status_code}", where=path)
                fields: dict[str, str] = {}
                async for line in response.aiter_lines():
                    if line:
                        name, _, value = line.partition(":")
                        fields[name] = fields.get(name, "") + value.removeprefix(" ")
                        if sum(map(len, fields.values())) > LINE_LIMIT:
                            raise NetworkError("the parent sent too long an event", where=path)
                    elif fields:
                        self._check_event(fields, headers[seal.SEAL], path)
                        yield ServerEvent(
                            fields.get("event", ""), fields.get("data", ""), fields.get("id", "")
                        )
                        fields = {}
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NetworkError(f"{type(error).__name__}: {error}", where=path) from error

    def _seal(self, method: str, path: str, headers: dict[str, str], body: bytes) -> str:
        return seal.seal_request(method, path, {**self._client.headers, **headers}, body)

    def _check(self, response: httpx.Response, borne: str, body: bytes, path: str) -> None:
        """Raises NetworkError for a reply that was damaged, or whose request was. A parent may not know of seals;
        once it has shown that it does, a reply without one is damaged too, and so is a refusal that no node wrote."""
        told = response.headers.get(seal.SEAL, "")
        kind = response.headers.get("content-type", "")
        if told:
            if not seal.is_whole(told, seal.seal_reply(borne, response.status_code, body)):
                raise NetworkError("the reply was damaged on its way", where=path)
            self._seals = True
            if response.status_code == 400 and b'"where":"%s"' % seal.SEAL.encode() in body:
                raise NetworkError("the request was damaged on its way", where=path)
        elif self._seals and ("json" in kind or response.status_code >= 400):
            raise NetworkError("the reply bears no seal", where=path)

    def _check_event(self, fields: dict[str, str], borne: str, path: str) -> None:
        """The seal of an event stands in a comment, which is a field without a name. Raises NetworkError."""
        if fields.keys() - {""} and (self._seals or fields.get("")):
            told = (fields.get(name, "") for name in ("event", "id", "data"))
            wanted = seal.seal_event(borne, *told)
            if not seal.is_whole(fields.get("", ""), wanted):
                raise NetworkError("an event was damaged on its way", where=path)

    async def close(self) -> None:
        """Close the pool."""
        await self._client.aclose()


async def _read(response: httpx.Response, path: str) -> bytes:
    """The unpacked body. Only one layer of gzip is unpacked: two could make gigabytes of one packet."""
    packing = response.headers.get("content-encoding", "identity")
    if packing not in ("gzip", "identity"):
        raise IntegrityError(
            "the parent packed the body in an unknown way", where=path, got=packing, want="gzip"
        )
    data = bytearray()
    patient_until = asyncio.get_running_loop().time() + REQUEST_TIMEOUT_S
    try:
        async with asyncio.timeout_at(patient_until) as limit:
            async for part in response.aiter_bytes():
                data += part
                limit.reschedule(patient_until + len(data) / LEAST_BYTES_PER_S)
                if len(data) > BODY_LIMIT_BYTES:
                    want = f"<= {BODY_LIMIT_BYTES} bytes"
                    raise LimitError("the parent sent too much", where=path, want=want)
    except TimeoutError as error:
        raise NetworkError("the parent sends too slowly", where=path, got=f"{len(data)} bytes") from error
    return bytes(data)
