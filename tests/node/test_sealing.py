"""What goes between two tiers over a wire that spoils bytes: it has its effect whole or not at all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette

from py_edge.chain import seal
from py_edge.chain.ports import ServerEvent
from py_edge.errors import NetworkError
from py_edge.node.app import create_app
from py_edge.node.network import HttpNetwork
from py_edge.node.settings import Settings
from tests.node.asking import DEVICE, first_value, question, work_desk
from tests.node.conftest import Start
from tests.node.raw_server import head, length, raw_server

PATH = f"/v1/questions/{DEVICE}/1"
BODY = json.dumps(question(1).to_json()).encode()
ASK = {"method": "PUT", "url": PATH, "content": BODY}
KIND, CHILD, KEY = (
    {"content-type": "application/json"},
    {"x-py-edge-node": "site"},
    {"authorization": "Bearer key"},
)


@pytest.fixture
def app() -> Starlette:
    """A node with a token, so that a damaged token is refused by it."""
    return create_app(Settings(name="site", data="memory:", token="key"))


async def living(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    """The node, called without a socket."""
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            yield http


def send(app: Starlette, change: dict[str, object], headers: dict[str, str]) -> httpx.Response:
    """One question, sealed as it should be and then changed on its way."""

    async def story() -> httpx.Response:
        async for http in living(app):
            right = KIND | CHILD | KEY
            borne = {seal.SEAL: seal.seal_request("PUT", PATH, right, BODY)}
            return await http.request(**{**ASK, **change}, headers=right | borne | headers)  # type: ignore[arg-type]
        raise AssertionError

    return asyncio.run(story())


def test_a_whole_request_is_taken_and_its_reply_is_sealed(app: Starlette) -> None:
    """The seal of the reply covers its status, its body and the request it belongs to."""
    reply = send(app, {}, {})
    assert reply.status_code == 202
    borne = seal.seal_request("PUT", PATH, KIND | CHILD | KEY, BODY)
    assert seal.is_whole(reply.headers[seal.SEAL], seal.seal_reply(borne, 202, reply.content))
    assert not seal.is_whole(reply.headers[seal.SEAL], seal.seal_reply(borne, 200, reply.content))


@pytest.mark.parametrize(
    ("change", "headers"),
    [
        ({"content": BODY.replace(b'"sequence": 1', b'"sequence": 3')}, {}),
        ({"content": BODY[:-1] + b"|"}, {}),
        ({"content": b""}, {}),
        ({"url": PATH.replace("/1", "/3")}, {}),
        ({"url": PATH.replace("v1/q", "v1/p")}, {}),
        ({"method": "POST"}, {}),
        ({}, {"authorization": "Bearer kex"}),
        ({}, {"x-py-edge-node": "sitf"}),
        ({}, {"content-type": "application/jsoo"}),
        ({}, {seal.SEAL: "0" * 64}),
    ],
)
def test_a_damaged_request_is_sent_back_not_judged(
    app: Starlette, change: dict[str, object], headers: dict[str, str]
) -> None:
    """Whatever was spoilt, the node says only that: no 401, 404, 415 or 422, which would end a good question."""
    reply = send(app, change, headers)
    assert (reply.status_code, reply.json()["code"], reply.json()["where"]) == (400, "E_INTEGRITY", seal.SEAL)


def test_who_bears_no_seal_is_served_as_ever(app: Starlette) -> None:
    """A page or curl sends none and gets none."""

    async def story() -> httpx.Response:
        async for http in living(app):
            return await http.put(PATH, content=BODY, headers=KIND | KEY)
        raise AssertionError

    reply = asyncio.run(story())
    assert reply.status_code == 202
    assert seal.SEAL not in reply.headers


def test_each_event_of_a_stream_is_sealed_and_a_damaged_one_ends_it(app: Starlette) -> None:
    """An answer pushed to a child arrives as it was sent, or the stream ends and the child asks again."""
    borne = "f" * 64
    told = seal.seal_event(borne, "answer", "7", "{}")
    event = {"": told, "event": "answer", "id": "7", "data": "{}"}
    link = HttpNetwork("http://localhost")
    link._check_event(event, borne, "/")
    link._check_event({"": "ping - 2026"}, borne, "/")
    link._seals = True
    for name, value in (("id", "6"), ("data", "[]"), ("event", "answes"), ("", ""), ("data", "")):
        with pytest.raises(NetworkError, match="damaged"):
            link._check_event({**event, name: value}, borne, "/")


async def _trouble_with(reply: bytes, has_sealed: bool = False) -> str:
    """What a child says of a parent that answers these bytes; '' when it believes them."""
    with raw_server(reply) as url:
        link = HttpNetwork(url)
        link._seals = has_sealed
        try:
            await link.request("GET", "/v1/status")
        except NetworkError as error:
            return error.message
        finally:
            await link.close()
    return ""


@pytest.mark.parametrize(
    ("fields", "trouble"),
    [((), ""), ((f"{seal.SEAL}: {'0' * 64}",), "the reply was damaged on its way")],
)
def test_a_parent_without_seals_is_believed_and_a_wrong_seal_never(
    fields: tuple[str, ...], trouble: str
) -> None:
    """A parent that does not know of seals is no worse than before."""
    reply = head("content-type: application/json", length(2), *fields) + b"{}"
    assert asyncio.run(_trouble_with(reply)) == trouble


def test_once_sealed_always_sealed() -> None:
    """From a parent that has sealed, a refusal without a seal is not a judgement."""
    reply = head("content-type: text/plain", length(2), status="400 Bad Request") + b"no"
    assert asyncio.run(_trouble_with(reply, has_sealed=True)) == "the reply bears no seal"


def test_a_pushed_answer_is_sealed_as_its_reader_wants_it(start: Start) -> None:
    """Over a real node and a real line: sealed replies, then an answer on the stream, believed at once."""
    node = start("site")

    async def story() -> ServerEvent:
        link = HttpNetwork(node.url)
        await link.request("PUT", PATH, BODY)
        assert link._seals
        work_desk(node.http, first_value)
        try:
            async with asyncio.timeout(10):
                async for event in link.stream(f"/v1/answers/stream?device={DEVICE}"):
                    return event
        finally:
            await link.close()
        raise AssertionError

    event = asyncio.run(story())
    assert (event.event, json.loads(event.data)["label_index"]) == ("answer", 1)


@pytest.mark.parametrize("pieces", [1, 4])
def test_what_is_too_long_is_judged_not_taken_for_damaged(pieces: int) -> None:
    """A whole request that the node does not want is refused for good, under seal, however it arrives."""
    app = create_app(Settings(name="site", data="memory:", body_limit_bytes=len(BODY) // 2))
    step = -(-len(BODY) // pieces)

    async def parts() -> AsyncIterator[bytes]:
        for begin in range(0, len(BODY), step):
            yield BODY[begin : begin + step]

    async def story() -> httpx.Response:
        async for http in living(app):
            borne = seal.seal_request("PUT", PATH, KIND, BODY)
            return await http.put(PATH, content=parts(), headers=KIND | {seal.SEAL: borne})
        raise AssertionError

    reply = asyncio.run(story())
    assert (reply.status_code, reply.json()["code"]) == (413, "E_LIMIT")
    borne = seal.seal_request("PUT", PATH, KIND, BODY)
    assert seal.is_whole(reply.headers[seal.SEAL], seal.seal_reply(borne, 413, reply.content))
