"""The table of bad input, endpoint by endpoint, against the node as shipped: 4xx with a code, never 5xx, nothing kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from py_edge.errors import ERROR_BY_CODE
from py_edge.node.settings import Settings
from py_edge.records import HOP_LIMIT
from tests.node.asking import DEVICE, OTHER, ask, content, question, work_desk
from tests.node.conftest import LiveNode
from tests.node.test_watchdog import talk

JSON = {"content-type": "application/json"}
ZERO_TASK = "0" * 32


@pytest.fixture(scope="module")
def node() -> Iterator[LiveNode]:
    """One node for the whole table; it must be as well at the end as at the beginning."""
    live = LiveNode(Settings(data="memory:", port=0))
    ask(live.http, question(1))
    yield live
    assert live.http.get("/readyz").status_code == 200
    live.stop()


def asked(**changes: Any) -> str:
    """The body of question 7 with something wrong in it."""
    return json.dumps(question(7).to_json() | changes)


Q7 = f"/v1/questions/{DEVICE}/7"
BAD_QUESTIONS = {
    "digest of other content": asked(digest="0" * 64),
    "digest too short": asked(digest="ab"),
    "content changed": asked(input=content(8.0)),
    "id of another question": asked(sequence=8),
    "id squatted": asked(device=OTHER),
    "device not hex": asked(device="zz" * 16),
    "model is a path": asked(model="../../etc/passwd"),
    "shape does not fit the data": asked(input={"shape": [1, 2], "dtype": "float32", "data": "AAAA"}),
    "negative dimension": asked(input={"shape": [-1], "dtype": "float32", "data": ""}),
    "dtype unknown": asked(input={"shape": [1], "dtype": "object", "data": "AAAAAA=="}),
    "data is not base64": asked(input={"shape": [1], "dtype": "float32", "data": "?"}),
    "confidence above one": asked(confidence=1.5),
    "confidence is a word": asked(confidence="high"),
    "confidence is true": asked(confidence=True),
    "candidate without probability": asked(candidates=[{"label": "1"}]),
    "probability below zero": asked(candidates=[{"label": "1", "probability": -0.1}]),
    "time below zero": asked(asked_at_ms=-1),
    "time beyond a double": asked(deadline_ms=1 << 60),
    "too many hops": asked(hops=[f"n{number}" for number in range(HOP_LIMIT + 1)]),
    "here before": asked(hops=["site"]),
    "hops are one word": asked(hops="site"),
    "rung unknown": asked(rung="everything"),
    "a label too long": asked(labels=["x" * 201]),
    "trace with a line break": asked(trace="a\nb"),
    "a million keys": "{" + ",".join(f'"k{n}":0' for n in range(90_000)) + "}",
    "not an object": "[]",
    "nothing": "",
    "cut": asked()[:-20],
    "two documents": asked() + asked(),
    "a byte order mark": "\ufeff" + asked(),
}


@pytest.mark.parametrize("what", BAD_QUESTIONS)
def test_a_bad_question_is_refused_and_not_kept(node: LiveNode, what: str) -> None:
    """A code, a 4xx, and the same id is still free."""
    response = node.http.put(Q7, content=BAD_QUESTIONS[what], headers=JSON)
    assert_refused(response)
    assert node.http.get(Q7).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", f"/v1/answers?device={DEVICE}&after={1 << 63}", None),
        ("GET", f"/v1/answers?device={DEVICE}&after=1.5", None),
        ("GET", f"/v1/answers?device={DEVICE}&after=%00", None),
        ("GET", f"/v1/answers?device={DEVICE}&limit=0", None),
        ("GET", "/v1/answers", None),
        ("GET", "/v1/answers?node=..%2f", None),
        ("GET", f"/v1/answers/stream?device={DEVICE}&after=x", None),
        ("GET", "/v1/answers/stream?device=none", None),
        ("POST", "/v1/answers/ack", {"device": DEVICE}),
        ("POST", "/v1/answers/ack", {"device": DEVICE, "events": ["1"]}),
        ("POST", "/v1/answers/ack", {"device": DEVICE, "events": [1.5]}),
        ("POST", "/v1/answers/ack", {"device": DEVICE, "events": list(range(1, 1002))}),
        ("POST", "/v1/answers/ack", {"events": [1]}),
        ("POST", f"/v1/questions/{DEVICE}/99/cancel", {}),
        ("POST", f"/v1/questions/{OTHER}/1/cancel", {}),
        ("PUT", f"/v1/examples/{DEVICE}/1", {"device": DEVICE}),
        ("GET", "/v1/desk/next?annotator=", None),
        ("POST", f"/v1/desk/{ZERO_TASK}/vote", {"annotator": "a", "verdict": "label"}),
        ("POST", f"/v1/desk/{ZERO_TASK}/vote", {"annotator": "a", "verdict": "nonsense"}),
        ("POST", "/v1/desk/..%2f/vote", {"annotator": "a", "verdict": "skip"}),
        ("POST", f"/v1/desk/{ZERO_TASK}/undo", {"annotator": "a"}),
        ("GET", "/v1/models/%2e%2e", None),
        ("GET", "/v1/models/m/0", None),
        ("GET", f"/v1/models/m/{1 << 64}", None),
        ("GET", "/v1/models/m/1/files/../../../etc/passwd", None),
        ("GET", "/v1/models/m/1/files/%2e%2e%2fnode.db", None),
        ("POST", "/v1/models/m/rollback", {}),
        ("POST", "/v1/models/m/rollback", {"to_version": -1}),
        ("POST", "/v1/models/m/rollback", {"to_version": 1}),
        ("GET", f"/v1/blobs/{'0' * 64}", None),
        ("GET", "/v1/blobs/node.db", None),
        ("POST", "/v1/dead-letters/0/replay", {}),
        ("POST", "/v1/dead-letters/1/replay", {}),
        ("POST", "/v1/dead-letters/x/replay", {}),
        ("TRACE", "/v1/status", None),
        ("DELETE", f"/v1/questions/{DEVICE}/0", None),
        ("DELETE", "/v1/questions/nobody/1", None),
        ("DELETE", "/v1/devices/nobody", None),
        ("DELETE", "/v1/devices/*", None),
        ("GET", f"/v1/devices/{DEVICE}", None),
    ],
)
def test_every_endpoint_refuses_nonsense(node: LiveNode, method: str, path: str, body: Any) -> None:
    """4xx with a stable code, whatever is wrong."""
    assert_refused(node.http.request(method, path, content=json.dumps(body) if body is not None else None))


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/json", "content-encoding": "gzip"},
        {"content-type": "application/json", "x-py-edge-node": "../x"},
        {"content-type": "application/json", "authorization": "Bearer wrong"},
        {"content-type": "application/json", "origin": "https://evil.example"},
        {"content-type": "application/json", "host": "rebound.example"},
    ],
)
def test_a_bad_header_is_refused(node: LiveNode, headers: dict[str, str]) -> None:
    """Also with a body that would be good."""
    assert_refused(node.http.put(Q7, content=asked(), headers=headers))
    assert node.http.get(Q7).status_code == 404


def test_a_bad_event_id_is_refused(node: LiveNode) -> None:
    """Last-Event-ID is a number of ours or nothing."""
    for last in ("x", "-1", str(1 << 63), "1e3"):
        path = f"/v1/answers/stream?device={DEVICE}"
        assert_refused(node.http.get(path, headers={"last-event-id": last}))


def test_what_is_anothers_stays_there(node: LiveNode) -> None:
    """An acknowledgement by somebody else takes no answer away, and twice is as good as once."""
    work_desk(node.http, lambda task: 1)
    page = node.http.get(f"/v1/answers?device={DEVICE}").json()["answers"]
    events = [entry["event"] for entry in page]
    assert events
    for device, taken in ((OTHER, 0), (DEVICE, len(events)), (DEVICE, 0)):
        reply = node.http.post("/v1/answers/ack", json={"device": device, "events": events})
        assert (reply.status_code, reply.json()) == (200, {"acknowledged": taken})


PUT_HEAD = f"PUT {Q7} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n".encode()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /v1/status HTTP/1.1\r\nhost: localhost\r\n" + b"".join(b"x%d: y\r\n" % n for n in range(101)) + b"\r\n",
        b"GET /v1/status HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * 17_408 + b"\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET @x HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /v1/\x00 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /v1/status HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        b"GET /v1/status\r\n\r\n",
        PUT_HEAD + b"transfer-encoding: chunked\r\n\r\n5;" + b"x" * 200_000 + b"\r\n{}{}{\r\n0\r\n\r\n",
        PUT_HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        PUT_HEAD + b"transfer-encoding: gzip\r\n\r\n{}",
        PUT_HEAD + b"content-length: 99999999999999999999\r\n\r\n{}",
        PUT_HEAD + b"content-length: 2, 2\r\n\r\n{}",
        PUT_HEAD + b"content-length: 0x2\r\n\r\n{}",
        PUT_HEAD + b"content-length: 2\r\n\r\n{}",
    ],
)  # fmt: skip
def test_a_crooked_line_gets_4xx_or_nothing(node: LiveNode, request_bytes: bytes) -> None:
    """Raw bytes to the socket: refused or closed, never served, never 5xx."""
    answer = talk(node, request_bytes, seconds=0.5)
    assert answer in (b"", b"<open>") or answer.split()[1][:1] == b"4"


def test_an_upgrade_is_not_taken(node: LiveNode) -> None:
    """h2c and websockets are not spoken: the request is served as HTTP/1.1 or refused."""
    for word in (b"h2c", b"websocket"):
        request = (
            b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: "
            + word
            + b"\r\n\r\n"
        )
        assert talk(node, request, seconds=0.5).split()[1] in (b"200", b"400", b"426")


def assert_refused(response: Any) -> None:
    """A 4xx as problem+json with one of our codes."""
    assert 400 <= response.status_code < 500, (response.status_code, response.text)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] in ERROR_BY_CODE
