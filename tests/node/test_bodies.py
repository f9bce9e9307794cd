"""msgpack and safetensors say the same as JSON, go through the same checks, and are refused as clearly."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
from safetensors.numpy import save

from py_edge.node.settings import Settings
from tests.node.asking import DEVICE, content, question
from tests.node.conftest import LiveNode

MSGPACK, SAFETENSORS = "application/msgpack", "application/x-safetensors"


@pytest.fixture(scope="module")
def node() -> Iterator[LiveNode]:
    """One node for all."""
    live = LiveNode(Settings(data="memory:", port=0))
    yield live
    live.stop()


def put(node: LiveNode, sequence: int, body: bytes, kind: str, **headers: str) -> Any:
    """PUT a question in some spelling."""
    path = f"/v1/questions/{DEVICE}/{sequence}"
    return node.http.put(path, content=body, headers={"content-type": kind, **headers})


def as_msgpack(sequence: int, raw: bool = True) -> bytes:
    """A question whose tensor is bytes, or base64 as in JSON."""
    wire = question(sequence).to_json()
    data = wire["input"]["data"]
    return msgspec.msgpack.encode(
        wire | {"input": {**wire["input"], "data": base64.b64decode(data) if raw else data}}
    )


def as_safetensors(sequence: int, **tensors: Any) -> bytes:
    """A question as a file of one tensor, written by the safetensors library."""
    record = {name: value for name, value in question(sequence).to_json().items() if name != "input"}
    values = np.array([[float(sequence)]], "<f4")
    return save(tensors or {"input": values}, metadata={"record": json.dumps(record)})


@pytest.mark.parametrize(
    ("sequence", "body", "kind"),
    [
        (1, as_msgpack(1), MSGPACK),
        (2, as_msgpack(2, raw=False), MSGPACK),
        (3, as_safetensors(3), SAFETENSORS),
    ],
)
def test_every_spelling_is_the_same_question(node: LiveNode, sequence: int, body: bytes, kind: str) -> None:
    """New when first asked, known when asked again in JSON: the digest is the same."""
    assert put(node, sequence, body, kind).status_code == 202
    again = put(node, sequence, json.dumps(question(sequence).to_json()).encode(), "application/json")
    assert again.status_code == 200
    assert node.http.get(f"/v1/questions/{DEVICE}/{sequence}").json()["question"]["input"] == content(
        sequence
    )


def test_a_reply_comes_as_it_is_accepted(node: LiveNode) -> None:
    """Receipts and problems as msgpack, with Vary; a stream stays what it is."""
    headers = {"accept": MSGPACK}
    receipt = put(node, 4, as_msgpack(4), MSGPACK, accept=MSGPACK)
    assert (receipt.status_code, receipt.headers["content-type"], receipt.headers["vary"]) == (
        202,
        MSGPACK,
        "accept",
    )
    assert msgspec.msgpack.decode(receipt.content)["state"] == "queued"
    problem = node.http.get("/v1/nothing", headers=headers)
    assert (problem.status_code, msgspec.msgpack.decode(problem.content)["code"]) == (404, "E_NOT_FOUND")
    assert node.http.get("/metrics", headers=headers).headers["content-type"].startswith("text/plain")
    status = node.http.get("/v1/status", headers=headers)
    assert msgspec.msgpack.decode(status.content)["name"] == "site"
    with node.http.stream("GET", f"/v1/answers/stream?device={DEVICE}", headers=headers) as response:
        assert response.headers["content-type"].startswith("text/event-stream")


def deep(levels: int) -> bytes:
    """Lists in lists."""
    return b"\x91" * levels + b"\xc0"


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"", MSGPACK, 400, "E_FORMAT"),
        (b"\xc1", MSGPACK, 400, "E_FORMAT"),
        (as_msgpack(9)[:-3], MSGPACK, 400, "E_FORMAT"),
        (as_msgpack(9) + b"\x00", MSGPACK, 400, "E_FORMAT"),
        (deep(70), MSGPACK, 413, "E_LIMIT"),
        (deep(100_000), MSGPACK, 413, "E_LIMIT"),
        (b"\x81\x01\x02", MSGPACK, 400, "E_FORMAT"),
        (b"\x81\xa1a\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", MSGPACK, 422, "E_VALUE"),
        (b"\xd6\xff\x00\x00\x00\x00", MSGPACK, 400, "E_FORMAT"),
        (b"", SAFETENSORS, 400, "E_FORMAT"),
        (b"\xff" * 8 + b"{}", SAFETENSORS, 400, "E_FORMAT"),
        (as_safetensors(9)[:-1], SAFETENSORS, 400, "E_FORMAT"),
        (as_safetensors(9, other=np.zeros(1, "<f4")), SAFETENSORS, 400, "E_FORMAT"),
        (as_safetensors(9, input=np.zeros(1, "<f2")), SAFETENSORS, 415, "E_UNSUPPORTED"),
        (as_safetensors(9, input=np.zeros((1, 1), "<f4")), SAFETENSORS, 422, "E_INTEGRITY"),
    ],
)  # fmt: skip
def test_nonsense_is_refused_with_a_code(
    node: LiveNode, body: bytes, kind: str, status: int, code: str
) -> None:
    """Cut, too deep, not finite, other tensors, other content: 4xx, and nothing is kept."""
    response = put(node, 9, body, kind)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert node.http.get(f"/v1/questions/{DEVICE}/9").status_code == 404
