"""Questions for tests, and small devices that ask them over HTTP."""

from __future__ import annotations

import base64
import json
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from py_edge.records import Question, digest_of_content

DEVICE = "0123456789abcdef0123456789abcdef"
OTHER = "fedcba9876543210fedcba9876543210"
LABELS = tuple("0123456789")


def content(*values: float) -> dict[str, Any]:
    """An input tensor of these numbers."""
    data = base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()
    return {"shape": [1, len(values)], "dtype": "float32", "data": data}


def question(sequence: int, *values: float, device: str = DEVICE, **details: Any) -> Question:
    """A question about these numbers."""
    inner = content(*(values or (float(sequence),)))
    known: dict[str, Any] = {"labels": LABELS, "confidence": 0.4, "asked_at_ms": 1_000}
    digest = digest_of_content(inner, "digits")
    return Question(
        device=device, sequence=sequence, digest=digest, model="digits", input=inner, **(known | details)
    )


def ask(http: httpx.Client, asked: Question, **headers: str) -> httpx.Response:
    """PUT a question."""
    path = f"/v1/questions/{asked.device}/{asked.sequence}"
    return http.put(
        path, content=json.dumps(asked.to_json()), headers={"content-type": "application/json"} | headers
    )


def until(check: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Wait for something to become true, and give it back."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = check()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it did not happen in time")


def until_status(http: httpx.Client, name: str, value: Any, seconds: float = 10.0) -> dict[str, Any]:
    """Wait until a counter of the status has this value."""

    def look() -> dict[str, Any] | None:
        status: dict[str, Any] = http.get("/v1/status").json()
        return status if status[name] == value else None

    found: dict[str, Any] = until(look, seconds)
    return found


def until_answers(
    http: httpx.Client, device: str, count: int = 1, seconds: float = 10.0
) -> list[dict[str, Any]]:
    """Wait until this many answers wait for a device."""

    def look() -> list[dict[str, Any]] | None:
        page: list[dict[str, Any]] = http.get(f"/v1/answers?device={device}").json()["answers"]
        return page if len(page) == count else None

    found: list[dict[str, Any]] = until(look, seconds)
    return found


def work_desk(http: httpx.Client, label: Callable[[dict[str, Any]], int], annotator: str = "ann") -> int:
    """Vote on everything that waits; gives how many votes."""
    done = 0
    while (task := http.get("/v1/desk/next", params={"annotator": annotator}).json()["task"]) is not None:
        vote = {"annotator": annotator, "verdict": "label", "label_index": label(task), "seconds": 1.5}
        assert http.post(f"/v1/desk/{task['task']}/vote", json=vote).status_code == 200
        done += 1
    return done


def first_value(task: dict[str, Any]) -> int:
    """The label that belongs to a task made by `question(n)`: its first number, modulo ten."""
    return int(struct.unpack_from("<f", base64.b64decode(task["input"]["data"]))[0]) % 10


def listen(
    http: httpx.Client, query: str, headers: dict[str, str] | None = None
) -> Iterator[tuple[int, str, Any]]:
    """Server-sent events as (id, event, data)."""
    with http.stream("GET", f"/v1/answers/stream?{query}", headers=headers or {}, timeout=20) as response:
        assert response.status_code == 200
        fields: dict[str, str] = {}
        for line in response.iter_lines():
            if line:
                name, _, value = line.partition(":")
                fields[name] = value.strip()
            elif "data" in fields:
                yield int(fields["id"]), fields["event"], json.loads(fields["data"])
                fields = {}
