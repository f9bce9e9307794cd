"""Many questions in one request: each is taken or refused as if it had come alone, by the same checks."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from py_edge.chain import batch
from py_edge.chain.ports import Response
from py_edge.node.network import HttpNetwork
from py_edge.node.node import Parts
from tests.node.asking import DEVICE, OTHER, ask, first_value, question, until, until_status, work_desk
from tests.node.conftest import Start


def post(http: httpx.Client, *asked: Any, **headers: str) -> httpx.Response:
    """POST these, records or whatever."""
    body = json.dumps([each.to_json() if hasattr(each, "to_json") else each for each in asked])
    return http.post("/v1/questions", content=body, headers={"content-type": "application/json"} | headers)


def statuses(response: httpx.Response) -> list[int]:
    """What is said of each."""
    assert response.status_code == 200
    return [each["status"] for each in response.json()]


def test_good_ones_are_taken_and_again_found(start: Start) -> None:
    """Of two devices: a receipt each, in order, new the first time and known the second; the desk has them all."""
    node = start("site", data="memory:")
    asked = [question(1), question(2, device=OTHER), question(3)]
    first = post(node.http, *asked)
    assert statuses(first) == [202, 202, 202]
    assert statuses(post(node.http, *asked)) == [200, 200, 200]
    assert ask(node.http, question(2, device=OTHER)).status_code == 200
    entry = first.json()[0]
    assert entry["receipt"]["state"] == "queued"
    assert (entry["problem"], entry["retry_after_s"]) == (None, 0)
    assert work_desk(node.http, first_value) == 3
    assert node.http.get(f"/v1/questions/{OTHER}/2").json()["answers"][0]["label_index"] == 2


def test_a_bad_one_spoils_no_other(start: Start) -> None:
    """What each wrong one is told is the problem that PUT gives; what stands beside it is taken."""
    node = start("site", data="memory:")
    ask(node.http, question(1))
    ask(node.http, question(2))
    node.http.delete(f"/v1/questions/{DEVICE}/2")
    good = question(9).to_json()
    wrong: list[tuple[dict[str, Any], int]] = [
        (question(1, 77.0).to_json(), 409),
        (question(2).to_json(), 410),
        (good | {"digest": "0" * 64}, 422),
        (good | {"sequence": 0}, 422),
        (good | {"device": "nobody"}, 422),
        (good | {"hops": ["site"]}, 422),
        ({name: value for name, value in good.items() if name != "input"}, 400),
    ]
    response = post(node.http, *[each for each, _ in wrong], question(50), [], None, 7, {}, question(51))
    assert statuses(response) == [status for _, status in wrong] + [202, 400, 400, 400, 400, 202]
    for (each, status), said in zip(wrong, response.json(), strict=False):
        assert said["receipt"] is None
        alone = node.http.put(f"/v1/questions/{each['device']}/{max(1, each['sequence'])}", json=each)
        if (
            each["sequence"] and each["device"] != "nobody"
        ):  # there the address is wrong before the body is read
            assert (alone.status_code, alone.json()) == (status, said["problem"])
    assert statuses(post(node.http, question(50), question(51))) == [200, 200]


def test_the_same_id_twice_in_one_request_is_one_question(start: Start) -> None:
    """The copy is known already; with other content it is refused, and the first stays."""
    node = start("site")
    response = post(node.http, question(1), question(1), question(1, 5.0), question(2))
    assert sorted(statuses(response)) == [200, 202, 202, 409]
    assert statuses(response)[2] == 409
    assert node.http.get(f"/v1/questions/{DEVICE}/1").json()["question"]["digest"] == question(1).digest


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "E_FORMAT"),
        (b"{}", 400, "E_FORMAT"),
        (b"[1,", 400, "E_FORMAT"),
        (b"[" + b"{}," * 64 + b"{}]", 413, "E_LIMIT"),
        (b"[" * 65 + b"]" * 65, 413, "E_LIMIT"),
        (b"[" + b" " * (1 << 20) + b"]", 413, "E_LIMIT"),
    ],
)
def test_a_request_that_is_no_list_of_at_most_64_is_refused_whole(
    start: Start, body: bytes, status: int, code: str
) -> None:
    """No list, too many, too deep, too long: one problem, and nothing is taken."""
    node = start("site", data="memory:")
    response = node.http.post("/v1/questions", content=body, headers={"content-type": "application/json"})
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert node.http.get("/v1/status").json()["questions"]["queued"] == 0


def test_an_empty_list_is_an_empty_reply(start: Start) -> None:
    """Nothing asked, nothing said; 64 at once are the most."""
    node = start("site", data="memory:")
    assert post(node.http).json() == []
    assert statuses(post(node.http, *[question(n) for n in range(1, batch.MOST + 1)])) == [202] * batch.MOST


def test_limits_count_questions_and_not_requests(start: Start) -> None:
    """A full house and a fast asker: as many are taken as would be one by one; who is refused hears when to come again."""
    full = start("full", data="memory:", outbox_limit=5)
    assert statuses(post(full.http, *[question(n) for n in range(1, 9)])) == [202] * 5 + [503] * 3
    fast = start("fast", data="memory:", rate_per_s=0.3)
    response = post(fast.http, *[question(n) for n in range(1, 6)], question(6, device=OTHER))
    assert statuses(response) == [202] * 3 + [429] * 2 + [202]
    assert [each["retry_after_s"] for each in response.json()] == [0, 0, 0, 1, 1, 0]
    assert response.json()[4]["problem"]["code"] == "E_CAPACITY"
    as_child = {"x-py-edge-node": "child"}
    many = [question(n, device=OTHER) for n in (11, 12)] + [question(n) for n in (13, 14)]
    assert statuses(post(fast.http, *many, **as_child)) == [202] * 3 + [429]


def test_only_who_has_the_token_may_ask(start: Start) -> None:
    """The guard stands before the route: a foreign token and none are refused, and nothing is taken."""
    node = start("site", data="memory:", token="right", require_token=True)
    assert post(node.http, question(1)).status_code == 401
    assert post(node.http, question(1), authorization="Bearer wrong").status_code == 401
    assert statuses(post(node.http, question(1), authorization="Bearer right")) == [202]


def test_the_answer_goes_to_who_asked(start: Start) -> None:
    """A child that relays is the asker of all; without its name, each device is its own."""
    node = start("site", data="memory:")
    post(node.http, question(1), question(2, device=OTHER), **{"x-py-edge-node": "child"})
    post(node.http, question(3))
    work_desk(node.http, first_value)
    told = node.http.get("/v1/answers?device=*&node=child").json()["answers"]
    assert sorted(each["answer"]["sequence"] for each in told) == [1, 2]
    (mine,) = node.http.get(f"/v1/answers?device={DEVICE}").json()["answers"]
    assert mine["answer"]["sequence"] == 3


class Moody:
    """An answerer with a bug: it breaks on one content, and is not sure of the rest."""

    threshold, labels = 0.9, ("0", "1")

    def answer(self, asked: Any) -> tuple[int, list[float]]:
        """See chain.ports.Answerer."""
        if asked.digest == question(2).digest:
            raise ZeroDivisionError("our own bug")
        return 0, [0.5, 0.5]


def test_a_bug_costs_one_question(start: Start) -> None:
    """500 for the one that meets it, and the others are taken."""
    node = start("site", parts=Parts(answerer=Moody()), data="memory:")
    response = post(node.http, question(1), question(2), question(3))
    assert statuses(response) == [202, 500, 202]
    assert response.json()[1]["problem"]["code"] == "E_INTERNAL"


class Counted(HttpNetwork):
    """A link that remembers its requests."""

    def __init__(self, url: str) -> None:
        super().__init__(url, "site")
        self.sent: list[str] = []

    async def request(self, method: str, path: str, body: bytes | None = None) -> Response:
        """See HttpNetwork."""
        self.sent.append(f"{method} {path}")
        return await super().request(method, path, body)


def test_a_backlog_climbs_in_lists_and_every_answer_comes_home(start: Start) -> None:
    """150 questions wait while the parent is away; then it has each once, from few requests, and 150 answers come back."""
    away = start("cloud", level=2, data="memory:")
    away.stop()
    link = Counted(away.url)
    site = start("site", parts=Parts(network=link))
    for first in (1, 51, 101):
        assert statuses(post(site.http, *[question(n) for n in range(first, first + 50)])) == [202] * 50
    cloud = start("cloud", level=2, data="memory:", port=away.port)
    until_status(cloud.http, "tasks_open", 150, 30)
    until_status(site.http, "outbox", 0, 10)
    assert link.sent.count("POST /v1/questions") >= 3
    assert sum(word.startswith("PUT") for word in link.sent) < 50
    work_desk(cloud.http, first_value)
    until(lambda: site.http.get("/v1/status").json()["questions"]["answered"] == 150, 30)
    assert site.http.get("/v1/status").json()["dead_letters"] == 0
