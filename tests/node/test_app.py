"""Chains of real nodes: a question climbs, a person answers, the answer comes home and is kept everywhere."""

from __future__ import annotations

import socket
import threading
import time
from functools import partial
from typing import Any

import httpx
import pytest

from py_edge.chain.ports import Guess
from py_edge.node.node import Parts
from py_edge.records import Question
from tests.node.asking import (
    DEVICE,
    OTHER,
    ask,
    first_value,
    listen,
    question,
    until,
    until_answers,
    until_status,
    work_desk,
)
from tests.node.conftest import LiveNode, Start


def chain_of_three(start: Start) -> tuple[LiveNode, LiveNode, LiveNode]:
    """far -> near -> cloud with a desk."""
    cloud = start("cloud", level=3)
    near = start("near", cloud, level=2)
    return start("far", near, level=1), near, cloud


def test_an_answer_comes_home_through_three_nodes(start: Start) -> None:
    """Asked at the far node, answered at the cloud's desk, pushed to the device, an example at every level."""
    far, near, cloud = chain_of_three(start)
    heard: list[tuple[int, str, Any]] = []
    stream = threading.Thread(target=lambda: heard.append(next(iter(listen(far.http, f"device={DEVICE}")))))
    stream.start()
    response = ask(far.http, question(7))
    assert response.status_code == 202
    assert response.json()["state"] == "queued"
    until(lambda: cloud.http.get("/v1/desk/next?annotator=ann").json()["task"])
    assert work_desk(cloud.http, first_value) == 1
    stream.join(10)
    event, kind, answer = heard[0]
    assert (kind, answer["label"], answer["label_index"], answer["source"]) == ("answer", "7", 7, "person")
    assert answer["hops"] == ["near", "far"]
    ack = {"device": DEVICE, "events": [event]}
    assert far.http.post("/v1/answers/ack", json=ack).json() == {"acknowledged": 1}
    assert far.http.post("/v1/answers/ack", json=ack).json() == {"acknowledged": 0}
    assert far.http.get(f"/v1/answers?device={DEVICE}").json() == {"answers": [], "next": 0}
    for node in (far, near, cloud):
        status = until_status(node.http, "examples", 1)
        assert status["questions"]["answered"] == 1
        assert status["answered_by"] == {"person": 1}
        until_status(node.http, "unacknowledged", 0)
    history = far.http.get(f"/v1/questions/{DEVICE}/7").json()
    assert [step["state"] for step in history["transitions"]] == ["asked", "unresolved", "queued", "answered"]
    assert history["question"]["input"] == dict(question(7).input)
    steps = cloud.http.get(f"/v1/questions/{DEVICE}/7").json()
    assert [s["state"] for s in steps["transitions"]] == [
        "asked",
        "unresolved",
        "queued",
        "working",
        "answered",
    ]
    assert steps["question"]["hops"] == ["far", "near"]


def test_asking_again_is_harmless_and_other_content_is_refused(start: Start) -> None:
    """The same question twice is one; the same id with other content is a conflict."""
    node = start("site")
    assert [ask(node.http, question(1)).status_code for _ in range(3)] == [202, 200, 200]
    refused = ask(node.http, question(1, 99.0))
    assert refused.status_code == 409
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "E_CONFLICT"
    assert node.http.get("/v1/status").json()["questions"]["queued"] == 1
    assert ask(node.http, question(2)).status_code == 202
    assert ask(node.http, question(1, 2.0)).status_code == 409, "content that is known under another id"


def test_equal_questions_are_asked_upstream_once(start: Start) -> None:
    """Two devices with the same content: one task at the top, and both hear the answer."""
    cloud = start("cloud", level=2)
    site = start("site", cloud)
    assert ask(site.http, question(1, 5.0)).status_code == 202
    assert ask(site.http, question(8, 5.0, device=OTHER)).status_code == 202
    until_status(cloud.http, "tasks_open", 1)
    assert work_desk(cloud.http, first_value) == 1
    for device in (DEVICE, OTHER):
        page = until_answers(site.http, device)
        assert [entry["answer"]["label"] for entry in page] == ["5"]
    assert sum(cloud.http.get("/v1/status").json()["questions"].values()) == 1
    third = ask(site.http, question(9, 5.0, device=OTHER)).json()
    assert (third["state"], third["answer"]["label"], third["answer"]["source"]) == (
        "answered",
        "5",
        "person",
    )
    assert isinstance(third["event"], int)


class Even:
    """Knows even numbers, is unsure about odd ones, and has no idea about negative ones."""

    threshold = 0.9
    labels = tuple("0123456789")

    def answer(self, asked: Question) -> Guess:
        """A guess by the first number."""
        value = first_value({"input": asked.input})
        sure = 0.95 if value % 2 == 0 else 0.5
        chances = [(1 - sure) / 9] * 10
        chances[value] = float("nan") if value == 9 else sure
        return Guess(value, chances, 3)


def test_a_node_answers_what_it_is_sure_of(start: Start) -> None:
    """Sure: at once, by itself. Unsure: the next tier; NaN is hard, never easy. With patience: a provisional answer."""
    cloud = start("cloud", level=2)
    site = start("site", cloud, Parts(answerer=Even()))
    sure = ask(site.http, question(2)).json()
    assert (sure["state"], sure["answer"]["label"], sure["answer"]["source"]) == ("answered", "2", "site")
    assert sure["answer"]["model_version"] == 3
    assert ask(site.http, question(3)).json()["state"] == "queued"
    assert ask(site.http, question(9, 9.0)).json()["state"] == "queued"
    waiting = ask(site.http, question(5, patience_ms=100)).json()
    assert waiting["state"] == "queued"
    assert (waiting["answer"]["label"], waiting["answer"]["provisional"]) == ("5", True)
    audit = ask(site.http, question(4, audit=True)).json()
    assert audit["state"] == "queued"
    until_status(cloud.http, "tasks_open", 4)
    work_desk(cloud.http, first_value)
    history = until(
        lambda: (h := site.http.get(f"/v1/questions/{DEVICE}/5").json())["state"] == "answered" and h
    )
    assert [(a["revision"], a["provisional"]) for a in history["answers"]] == [(1, True), (2, False)]


def test_a_dead_parent_delays_but_loses_nothing(start: Start) -> None:
    """Questions asked while the parent is away go up when it is back, and their answers come home."""
    cloud = start("cloud", level=2)
    site = start("site", cloud)
    ask(site.http, question(1))
    until_status(cloud.http, "tasks_open", 1)
    cloud.stop()
    for sequence in range(2, 6):
        assert ask(site.http, question(sequence)).status_code == 202
    until(lambda: site.http.get("/v1/status").json()["parent"]["failures"] >= 1)
    assert site.http.get("/v1/status").json()["outbox"] == 4
    back = start("cloud", level=2, port=cloud.port)
    until_status(back.http, "tasks_open", 5, 20)
    assert work_desk(back.http, first_value) == 5
    page = until_answers(site.http, DEVICE, 5, 20)
    assert [entry["answer"]["label_index"] for entry in page] == [
        entry["answer"]["sequence"] for entry in page
    ]


def test_a_late_answer_waits_for_its_device(start: Start) -> None:
    """An answer that nobody fetched survives a restart of the node and is pushed to the device that comes back."""
    site = start("site")
    ask(site.http, question(4))
    work_desk(site.http, first_value)
    site.stop()
    again = start("site")
    event, _, answer = next(iter(listen(again.http, f"device={DEVICE}")))
    assert answer["label"] == "4"
    later = listen(again.http, f"device={DEVICE}", {"last-event-id": str(event)})
    ask(again.http, question(6))
    work_desk(again.http, first_value)
    assert next(iter(later))[2]["label"] == "6"


def test_who_listens_from_the_beginning_hears_all_that_waits(start: Start) -> None:
    """A browser comes back to a node without its old disk, with the number of an event that it had from the old one."""
    site = start("site")
    for sequence in (4, 6):
        ask(site.http, question(sequence))
    work_desk(site.http, first_value)
    first, _ = until_answers(site.http, DEVICE, 2)
    again = listen(site.http, f"device={DEVICE}&after=0", {"last-event-id": str(first["event"])})
    assert next(again)[0] == first["event"]


def test_a_refused_question_becomes_a_dead_letter(start: Start) -> None:
    """The parent knows the id with other content: payload kept, device told, nothing else held up, replay possible."""
    cloud = start("cloud", level=2)
    site = start("site", cloud)
    ask(cloud.http, question(1, 42.0))
    ask(site.http, question(1))
    ask(site.http, question(2))
    letters = until(lambda: site.http.get("/v1/dead-letters").json()["dead_letters"])
    assert [(letter["status"], letter["body"]["digest"]) for letter in letters] == [(409, question(1).digest)]
    page = until(lambda: site.http.get(f"/v1/answers?device={DEVICE}").json()["answers"])
    assert page[0]["outcome"] == {"device": DEVICE, "sequence": 1, "state": "failed"}
    until_status(cloud.http, "tasks_open", 2)
    assert site.http.post(f"/v1/dead-letters/{letters[0]['number']}/replay").status_code == 202
    until(lambda: site.http.get("/v1/dead-letters").json()["dead_letters"])


def test_cancel_and_deadline_end_a_question_visibly(start: Start) -> None:
    """Cancelled and expired questions leave the desk, their askers are told, and a late vote still comes home."""
    cloud = start("cloud", level=2)
    site = start("site", cloud)
    ask(site.http, question(1))
    ask(site.http, question(2, asked_at_ms=5_000, deadline_ms=5_300))
    until_status(cloud.http, "tasks_open", 2)
    assert site.http.post(f"/v1/questions/{DEVICE}/1/cancel").json()["state"] == "cancelled"
    assert site.http.post(f"/v1/questions/{DEVICE}/1/cancel").json()["state"] == "cancelled"
    until_status(cloud.http, "tasks_open", 0)
    assert cloud.http.get(f"/v1/questions/{DEVICE}/1").json()["state"] == "cancelled"
    until(lambda: site.http.get(f"/v1/questions/{DEVICE}/2").json()["state"] == "expired")
    assert site.http.post(f"/v1/questions/{DEVICE}/2/cancel").status_code == 409


def test_a_circle_of_nodes_is_noticed(start: Start) -> None:
    """A question that was here before is refused, so a wrong --parent ends in a dead letter, not for ever."""
    node = start("site")
    refused = ask(node.http, question(1, hops=("site",)))
    assert (refused.status_code, refused.json()["code"]) == (422, "E_POLICY")


def test_two_nodes_that_are_each_others_parent_end_a_question_visibly(start: Start) -> None:
    """A real circle: the question goes once around, stays as a dead letter with its payload, and its device is told."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    one = start("one", f"http://127.0.0.1:{port}")
    other = start("other", one, port=port)
    ask(one.http, question(1))
    (told,) = until_answers(one.http, DEVICE)
    assert told["outcome"] == {"device": DEVICE, "sequence": 1, "state": "failed"}
    (letter,) = other.http.get("/v1/dead-letters").json()["dead_letters"]
    assert (letter["status"], letter["body"]["hops"]) == (422, ["one", "other"])
    assert one.http.get("/v1/status").json()["outbox"] == other.http.get("/v1/status").json()["outbox"] == 0


def heard_count(heard: list[float], count: int) -> bool:
    """Whether this many answers were heard."""
    return len(heard) == count


def test_answers_come_fast(start: Start) -> None:
    """From the person's key to the device through two nodes: well under a quarter of a second."""
    cloud = start("cloud", level=2)
    site = start("site", cloud)
    heard: list[float] = []

    def device() -> None:
        with httpx.Client(base_url=site.url, trust_env=False) as http:
            for _, _, _ in listen(http, f"device={DEVICE}"):
                heard.append(time.perf_counter())
                if len(heard) == 5:
                    return

    thread = threading.Thread(target=device)
    thread.start()
    pressed = []
    for sequence in range(1, 6):
        ask(site.http, question(sequence))
        until_status(cloud.http, "tasks_open", 1)
        task = cloud.http.get("/v1/desk/next?annotator=ann").json()["task"]
        pressed.append(time.perf_counter())
        vote = {"annotator": "ann", "verdict": "label", "label_index": 1, "seconds": 1.0}
        cloud.http.post(f"/v1/desk/{task['task']}/vote", json=vote)
        until(partial(heard_count, heard, sequence))
    thread.join(5)
    waits = sorted(end - begin for begin, end in zip(pressed, heard, strict=True))
    assert waits[2] < 0.25


def test_a_page_without_a_site_says_how_to_have_one(start: Start) -> None:
    """Who opens the desk of a node that serves no folder hears of the setting; an unknown route of the API says nothing of it."""
    http = start("site").http
    assert [http.get(path).status_code for path in ("/desk", "/", "/v1/nothing")] == [404] * 3
    assert "--site-dir" in http.get("/desk").json()["remedy"]
    assert http.get("/v1/nothing").json()["remedy"] == ""


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("PUT", f"/v1/questions/{DEVICE}/0", "{}", 422, "E_VALUE"),
        ("PUT", f"/v1/questions/{DEVICE}/x", "{}", 400, "E_FORMAT"),
        ("PUT", "/v1/questions/XYZ/1", "{}", 422, "E_VALUE"),
        ("PUT", f"/v1/questions/{DEVICE}/1", "{", 400, "E_FORMAT"),
        ("PUT", f"/v1/questions/{DEVICE}/1", "[]", 400, "E_FORMAT"),
        ("PUT", f"/v1/questions/{DEVICE}/1", '{"device":NaN}', 400, "E_FORMAT"),
        ("PUT", f"/v1/questions/{DEVICE}/1", '{"a":1,"a":2}', 400, "E_FORMAT"),
        ("PUT", f"/v1/questions/{DEVICE}/1", "[" * 100 + "]" * 100, 413, "E_LIMIT"),
        ("PUT", f"/v1/questions/{DEVICE}/1", '"' + "x" * (1 << 20) + '"', 413, "E_LIMIT"),
        ("GET", f"/v1/questions/{DEVICE}/77", None, 404, "E_NOT_FOUND"),
        ("GET", f"/v1/answers?device={DEVICE}&after=-1", None, 400, "E_FORMAT"),
        ("GET", f"/v1/answers?device={DEVICE}&limit=1000000000", None, 422, "E_VALUE"),
        ("GET", "/v1/answers?device=*", None, 422, "E_VALUE"),
        ("POST", "/v1/answers/ack", f'{{"device":"{DEVICE}","events":[-1]}}', 422, "E_VALUE"),
        ("POST", f"/v1/desk/{'0' * 32}/vote", '{"annotator":"a","label_index":1}', 404, "E_NOT_FOUND"),
        ("POST", f"/v1/desk/{'0' * 32}/vote", '{"annotator":"a"}', 400, "E_FORMAT"),
        ("GET", "/v1/models/none", None, 404, "E_NOT_FOUND"),
        ("GET", "/v1/blobs/..%2f..%2fetc", None, 404, "E_NOT_FOUND"),
        ("GET", "/v1/nothing", None, 404, "E_NOT_FOUND"),
        ("DELETE", "/v1/models", None, 405, "E_NOT_FOUND"),
    ],
)
def test_bad_input_is_refused_with_a_code(
    start: Start, method: str, path: str, body: str | None, status: int, code: str
) -> None:
    """Never a 5xx, always problem+json with a stable code."""
    node = start("site", data="memory:")
    response = node.http.request(method, path, content=body)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["content-type"] == "application/problem+json"


def test_own_answers_are_audited_by_a_person(start: Start) -> None:
    """A share of sure answers goes to the desk too; a person's other word is a new revision, and judges, not teaches."""
    site = start("site", parts=Parts(answerer=Even()), audit_share=1.0)
    sure = ask(site.http, question(2)).json()
    assert sure["answer"]["label_index"] == 2
    task = site.http.get("/v1/desk/next?annotator=ann").json()["task"]
    vote = {"annotator": "ann", "verdict": "label", "label_index": 4, "seconds": 1.0}
    site.http.post(f"/v1/desk/{task['task']}/vote", json=vote)
    history = site.http.get(f"/v1/questions/{DEVICE}/2").json()
    assert [(a["revision"], a["source"], a["label_index"]) for a in history["answers"]] == [
        (1, "site", 2),
        (2, "person", 4),
    ]
    assert site.http.get("/v1/status").json()["examples"] == 1
    assert site.http.get("/v1/status").json()["unacknowledged"] == 2


def test_a_full_house_refuses_politely(start: Start) -> None:
    """Above the limit 503, too fast 429, both with Retry-After; what was accepted is still there."""
    site = start("site", outbox_limit=5, data="memory:")
    codes = [ask(site.http, question(n)).status_code for n in range(1, 10)]
    assert codes == [202] * 5 + [503] * 4
    full = ask(site.http, question(99))
    assert (full.json()["code"], full.headers["retry-after"]) == ("E_CAPACITY", "1")
    assert ask(site.http, question(3)).status_code in (200, 503)
    work_desk(site.http, first_value)
    until(lambda: ask(site.http, question(6)).status_code == 202)
    fast = start("fast", rate_per_s=0.5, data="memory:")
    codes = [ask(fast.http, question(n)).status_code for n in range(1, 9)]
    assert codes == [202] * 5 + [429] * 3
    assert ask(fast.http, question(1, device=OTHER)).status_code == 202


def test_the_waiting_are_told_in_the_order_of_their_places(start: Start) -> None:
    """The least sure stand first, whatever their deadlines; what is shown begins with them."""
    cloud = start("cloud", level=2)
    for sequence in range(1, 9):
        ask(
            cloud.http,
            question(sequence, confidence=0.1 * sequence, deadline_ms=10_000_000 - 100_000 * sequence),
        )
    waiting = cloud.http.get("/v1/status").json()["waiting"]
    assert [one["place"] for one in waiting] == [0, 1, 2, 3, 4]
    assert waiting[0]["question"] == f"{DEVICE}/1"


def test_strangers_are_kept_out(start: Start) -> None:
    """Foreign web origins, rebound names and wrong tokens are refused; with its token a caller is let in."""
    site = start("site", data="memory:", token="a-long-random-secret", require_token=True)
    refused = site.http.get("/v1/status")
    assert (refused.status_code, refused.json()["code"]) == (401, "E_AUTH")
    assert site.http.get("/healthz").status_code == 200
    assert site.http.get("/v1/status", headers={"authorization": "Bearer wrong"}).status_code == 401
    right = {"authorization": "Bearer a-long-random-secret"}
    assert site.http.get("/v1/status", headers=right).status_code == 200
    open_node = start("open", data="memory:")
    assert open_node.http.get("/v1/status", headers={"origin": "https://evil.example"}).status_code == 403
    assert open_node.http.get("/v1/status", headers={"host": "evil.example"}).status_code == 403
    assert open_node.http.get("/v1/status", headers={"origin": open_node.url}).status_code == 200
